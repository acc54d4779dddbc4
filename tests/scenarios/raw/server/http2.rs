//! Servers that speak HTTP/2.

use std::{collections::BTreeMap, io};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpStream, tcp::OwnedWriteHalf},
};

use super::Server;
use crate::raw::{
    client::{read, send},
    frames::{self, Frame, MOST},
    message::Message,
};

impl Server {
    pub(super) async fn serve_http2(self, stream: TcpStream, number: usize) -> io::Result<()> {
        let (mut reader, mut writer) = stream.into_split();
        let mut bytes = Vec::new();
        while !frames::take_preface(&mut bytes) {
            if read(&mut reader, &mut bytes).await? == 0 {
                return Ok(());
            }
        }
        writer.write_all(&frames::settings()).await?;
        let mut requests = BTreeMap::new();
        loop {
            while let Some((received, length)) = frames::read(&bytes) {
                bytes.drain(..length);
                if let frames::Received::Asks(answer) = &received {
                    writer.write_all(answer).await?;
                }
                let Some(stream) = take(&mut requests, received) else {
                    continue;
                };
                let request = requests.remove(&stream).unwrap_or_default();
                if self
                    .answer_stream(&mut writer, (number, stream), request)
                    .await?
                {
                    return writer.shutdown().await;
                }
            }
            if read(&mut reader, &mut bytes).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Answers a request, and says whether the connection ends with that.
    async fn answer_stream(
        &self,
        writer: &mut OwnedWriteHalf,
        (connection, stream): (usize, u32),
        request: Message,
    ) -> io::Result<bool> {
        let (script, is_first, _) = self.record(connection, &request);
        let answer = script.answer(is_first, stream);
        let answer = answer.unwrap_or_else(|| vec![frames::message(stream, &usual(&request))]);
        send(writer, &answer).await?;
        Ok(is_first && script.closes)
    }
}

/// Adds a frame to the requests, by streams. Returns the stream whose request it ends.
fn take(requests: &mut BTreeMap<u32, Message>, received: frames::Received) -> Option<u32> {
    use frames::Received::{Data, Head, Reset};
    let (stream, ended) = match received {
        Head {
            stream,
            fields,
            ended,
        } => {
            let request = requests.entry(stream).or_default();
            match request.line.is_empty() {
                true => begin(request, fields),
                false => request.trailers.extend(fields),
            }
            (stream, ended)
        }
        Data {
            stream,
            data,
            ended,
        } => {
            requests.entry(stream).or_default().body.extend(data);
            (stream, ended)
        }
        Reset { stream, .. } => {
            requests.remove(&stream);
            return None;
        }
        _ => return None,
    };
    ended.then_some(stream)
}

/// The line is that of HTTP/1 with another version.
fn begin(request: &mut Message, fields: Vec<(String, String)>) {
    let (start, fields): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .partition(|(name, _)| matches!(&name[..], ":method" | ":path"));
    let start = |name: &str| {
        let field = start.iter().find(|(other, _)| other == name);
        field.map_or("", |(_, value)| value)
    };
    request.line = format!("{} {} HTTP/2", start(":method"), start(":path"));
    request.fields = fields;
}

fn usual(request: &Message) -> Vec<Frame> {
    let head = [(":status", "200"), ("content-length", "2")];
    let head = head.map(|(name, value)| (name.into(), value.into()));
    let head = Frame::Headers(head.to_vec(), MOST);
    match request.line.starts_with("HEAD ") {
        true => vec![head],
        false => vec![head, Frame::Data(b"ok".to_vec(), None)],
    }
}
