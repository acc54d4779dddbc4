//! The responses that a client of HTTP/1 got on a connection.

use super::{
    message::{Body, Message, Parsed, parse},
    text,
};

/// What is in the bytes that came back.
#[derive(Debug, Default)]
pub struct Answers {
    pub list: Vec<Message>,
    /// The last one, if not all of it has come.
    pub cut: Option<Message>,
    /// What came behind a change of protocols.
    pub tunnel: Vec<u8>,
    /// Bytes that belong to neither.
    pub rest: Vec<u8>,
}

impl Answers {
    /// Reads responses, of which the first is to a request with that method. `has_ended`: no more
    /// bytes will come.
    pub fn read(mut bytes: &[u8], method: &str, has_ended: bool) -> Self {
        let mut answers = Self::default();
        let mut method = method;
        loop {
            let is_first = method;
            match parse(bytes, |message| body(message, is_first)) {
                Parsed::Whole(message, length) => {
                    bytes = &bytes[length..];
                    let status = status(&message);
                    let is_tunnel = status == 101 || is_first == "CONNECT" && status / 100 == 2;
                    answers.list.push(message);
                    if is_tunnel {
                        answers.tunnel = bytes.to_vec();
                        return answers;
                    }
                    if status / 100 != 1 {
                        method = "GET";
                    }
                }
                Parsed::Head(message, _) => {
                    let is_whole = has_ended && body(&message, is_first) == Body::Rest;
                    match is_whole {
                        true => answers.list.push(message),
                        false => answers.cut = Some(message),
                    }
                    return answers;
                }
                Parsed::Nothing => {
                    answers.rest = bytes.to_vec();
                    return answers;
                }
            }
        }
    }

    /// Whether the last response says that the connection ends with it.
    pub fn close(&self) -> bool {
        self.cut.is_none() && self.list.last().is_some_and(Message::closes)
    }
}

/// The status of a response; 0 if it has none.
pub fn status(message: &Message) -> u16 {
    let word = message.line.split(' ').nth(1);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn body(message: &Message, method: &str) -> Body {
    let status = status(message);
    let has_none = method == "HEAD"
        || matches!(status, 100..=199 | 204 | 304)
        || method == "CONNECT" && status / 100 == 2;
    match has_none {
        true => Body::Length(0),
        false => message.announced().unwrap_or(Body::Rest),
    }
}

/// The method that bytes begin with.
pub fn method(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let word = bytes.split(|byte| *byte == b' ').next();
    text::shown(word.unwrap_or_default())
}
