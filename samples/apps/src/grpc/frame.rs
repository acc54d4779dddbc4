//! gRPC's framing: a flag of compression, four bytes of length, the message.

use super::{Code, Status};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{HeaderMap, body::Incoming};

/// The longest message, which is also what other implementations take by default.
const MESSAGE: usize = 4 << 20;
const HEAD: usize = 5;

/// A message as it is sent.
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// The messages of a body.
pub struct Messages {
    body: Incoming,
    read: BytesMut,
    /// What came after the last message.
    pub trailers: Option<HeaderMap>,
}

impl Messages {
    /// Reads them from this body.
    pub fn new(body: Incoming) -> Self {
        Self {
            body,
            read: BytesMut::new(),
            trailers: None,
        }
    }

    /// The next message; none at the end of the body.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = split(&mut self.read)? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                None if self.read.is_empty() => return Ok(None),
                None => {
                    return Err(Status::new(
                        Code::Internal,
                        "the body ended within a message",
                    ));
                }
                Some(Err(error)) => {
                    return Err(Status::new(
                        Code::Cancelled,
                        format!("the stream broke off: {error}"),
                    ));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.read.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }
}

/// Takes the first message off what was read, if it is whole.
fn split(read: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    let Some(head) = read.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let [compressed, length @ ..] = *head;
    if compressed != 0 {
        return Err(Status::new(
            Code::Unimplemented,
            "compressed messages are not read here",
        ));
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE {
        return Err(Status::new(
            Code::ResourceExhausted,
            format!("a message has at most {MESSAGE} bytes, this one {length}"),
        ));
    }
    if read.len() < HEAD + length {
        return Ok(None);
    }
    read.advance(HEAD);
    Ok(Some(read.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_messages_wherever_they_were_cut() {
        let stream = [framed(b"one"), framed(b""), framed(b"three")].concat();
        for cut in 0..stream.len() {
            let mut read = BytesMut::new();
            let mut messages = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                read.extend_from_slice(part);
                while let Some(message) = split(&mut read).unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, ["one", "", "three"], "{cut}");
            assert!(read.is_empty());
        }
    }

    #[test]
    fn rejects_long_and_compressed_messages() {
        let code = |bytes: &[u8]| split(&mut BytesMut::from(bytes)).unwrap_err().code;
        assert_eq!(
            code(&[0, 0xff, 0xff, 0xff, 0xff]),
            Code::ResourceExhausted as u32
        );
        assert_eq!(code(&[1, 0, 0, 0, 0]), Code::Unimplemented as u32);
        assert_eq!(split(&mut BytesMut::from(&[0, 0, 0][..])).unwrap(), None);
    }
}
