//! A client of HTTP/2 that sends a case's frames as they are.

use std::{collections::BTreeMap, io, net::SocketAddr};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    time::timeout,
};

use super::{
    client::{self, PATIENCE},
    frames::{self, Frame, Received},
    message::Message,
};
use crate::client::connect;

/// The streams of the case's request, and of the one that follows it.
pub const STREAMS: [u32; 2] = [1, 3];

/// What came back on a stream.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// Of interim responses, and of the final one; without bodies.
    pub heads: Vec<Message>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// With which code the stream was reset.
    pub reset: Option<u32>,
    ended: bool,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Got {
    /// The client's port.
    pub port: u16,
    pub responses: BTreeMap<u32, Response>,
    /// With which code the proxy said good-bye.
    pub goodbye: Option<u32>,
    /// Whether the connection has ended.
    pub has_ended: bool,
    /// Whether something that was waited for has not come.
    pub hangs: bool,
}

/// Sends the request in pieces, and one more on the same connection.
pub async fn exchange(to: SocketAddr, pieces: Vec<Vec<u8>>) -> Got {
    let (port, stream) = connect(to, None).await;
    let mut got = Got {
        port,
        ..Got::default()
    };
    let conversed = match stream {
        Ok(stream) => timeout(PATIENCE, converse(stream, &pieces, &mut got)).await,
        Err(error) => Ok(Err(error)),
    };
    match conversed {
        Ok(Ok(())) => {}
        Ok(Err(_)) => got.has_ended = true,
        Err(_) => got.hangs = true,
    }
    got
}

async fn converse(stream: TcpStream, pieces: &[Vec<u8>], got: &mut Got) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut bytes = Vec::new();
    for stream in STREAMS {
        // If the proxy takes no more, it may have said why.
        let _ = match stream {
            1 => client::send(&mut writer, pieces).await,
            _ => client::send(&mut writer, &[after(stream)]).await,
        };
        while !got.is_over(stream) {
            let read = receive(&mut reader, &mut writer, &mut bytes, got).await;
            if read? == 0 {
                got.has_ended = true;
                return Ok(());
            }
        }
    }
    Ok(())
}

fn after(stream: u32) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "web"),
        (":path", "/after"),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    frames::message(stream, &[Frame::Headers(fields.to_vec(), frames::MOST)])
}

/// Reads some bytes, and what is complete of them; returns how many came.
async fn receive(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    bytes: &mut Vec<u8>,
    got: &mut Got,
) -> io::Result<usize> {
    let count = client::read(reader, bytes).await?;
    while let Some((received, length)) = frames::read(bytes) {
        bytes.drain(..length);
        if let Received::Asks(answer) = &received {
            let _ = writer.write_all(answer).await;
        }
        got.take(received);
    }
    Ok(count)
}

impl Response {
    /// A head begins with a status. Without one they are trailers.
    fn add(&mut self, fields: Vec<(String, String)>) {
        match fields.split_first() {
            Some(((name, status), rest)) if name == ":status" => self.heads.push(Message {
                line: format!("HTTP/2 {status}"),
                fields: rest.to_vec(),
                ..Message::default()
            }),
            _ => self.trailers.extend(fields),
        }
    }
}

impl Got {
    fn take(&mut self, received: Received) {
        match received {
            Received::Head {
                stream,
                fields,
                ended,
            } => {
                let response = self.responses.entry(stream).or_default();
                response.add(fields);
                response.ended |= ended;
            }
            Received::Data {
                stream,
                data,
                ended,
            } => {
                let response = self.responses.entry(stream).or_default();
                response.body.extend(data);
                response.ended |= ended;
            }
            Received::Reset { stream, code } => {
                self.responses.entry(stream).or_default().reset = Some(code);
            }
            Received::GoAway { code } => self.goodbye = Some(code),
            Received::Asks(_) | Received::Other => {}
        }
    }

    /// Whether the case's request is refused without a response, by a reset of its stream or
    /// the end of its connection.
    pub fn is_refused(&self) -> bool {
        let response = self.responses.get(&STREAMS[0]).cloned().unwrap_or_default();
        response.heads.is_empty() && (response.reset.is_some() || self.has_ended)
    }

    fn is_over(&self, stream: u32) -> bool {
        let response = self.responses.get(&stream);
        response.is_some_and(|response| response.ended || response.reset.is_some())
    }
}
