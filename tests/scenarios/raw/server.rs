//! The servers: each case has one to itself, which records what it gets and answers as the case
//! says.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    task::JoinSet,
};

use super::{
    case::Case,
    client::{AFTER, read, send},
    message::{Body, Message, Parsed, parse},
};

/// What a server answers unless the case says something else.
const USUAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request as a server received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The number of the connection.
    pub connection: usize,
    pub message: Message,
    /// What came behind a change of protocols.
    pub tunnel: Vec<u8>,
}

/// What a server does for a case.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The answer to the first request, in pieces.
    pub answer: Option<Vec<Vec<u8>>>,
    pub closes: bool,
    pub early: bool,
    pub continues: bool,
}

/// A server.
#[derive(Debug, Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    script: Script,
    connections: usize,
    answered: usize,
    received: Vec<Received>,
}

impl Script {
    /// What the case says. `cut` cuts the answer into pieces.
    pub fn of(case: &Case, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Self {
        Self {
            answer: case.answer.as_deref().map(cut),
            closes: case.closes,
            early: case.early,
            continues: case.continues,
        }
    }
}

impl Server {
    /// Begins a case.
    pub fn begin(&self, script: Script) {
        let mut state = self.0.lock().unwrap();
        state.script = script;
        state.answered = 0;
        state.received.clear();
    }

    /// What has been received since then.
    pub fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().received.clone()
    }

    /// Serves there.
    pub async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            connections.spawn(async move {
                // What the proxy does with its connections is not a server's concern.
                let _ = server.serve_connection(stream).await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve_connection(self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let number = {
            let mut state = self.0.lock().unwrap();
            state.connections += 1;
            state.connections
        };
        let (mut reader, mut writer) = stream.into_split();
        let mut bytes = Vec::new();
        while let Some(message) = self.next(&mut reader, &mut writer, &mut bytes).await? {
            let (script, is_first, index) = self.record(number, &message);
            let method = message.line.split(' ').next().unwrap_or_default();
            let usual = vec![usual(method)];
            let answer = script.answer.filter(|_| is_first).unwrap_or(usual);
            send(&mut writer, &answer).await?;
            if starts_tunnel(method, &answer) {
                return self.end_tunnel(index, (reader, writer), bytes).await;
            }
            if is_first && script.closes {
                return writer.shutdown().await;
            }
        }
        Ok(())
    }

    /// The next request; `None` if there is none.
    async fn next(
        &self,
        reader: &mut OwnedReadHalf,
        writer: &mut OwnedWriteHalf,
        bytes: &mut Vec<u8>,
    ) -> io::Result<Option<Message>> {
        let mut has_continued = false;
        loop {
            let (early, continues) = {
                let state = self.0.lock().unwrap();
                (
                    state.script.early && state.answered == 0,
                    state.script.continues,
                )
            };
            match parse(bytes, |head| head.announced().unwrap_or(Body::Length(0))) {
                Parsed::Whole(message, length) if !early => {
                    bytes.drain(..length);
                    return Ok(Some(message));
                }
                // How much of the body has come by now is chance.
                Parsed::Whole(head, length) | Parsed::Head(head, length) if early => {
                    bytes.drain(..length);
                    let (body, trailers) = (Vec::new(), Vec::new());
                    return Ok(Some(Message {
                        body,
                        trailers,
                        ..head
                    }));
                }
                Parsed::Head(..) if continues && !has_continued => {
                    has_continued = true;
                    writer.write_all(CONTINUE).await?;
                }
                _ => {}
            }
            if read(reader, bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Records a request: returns what to do, whether it is the case's first one, and its place.
    fn record(&self, connection: usize, message: &Message) -> (Script, bool, usize) {
        let mut state = self.0.lock().unwrap();
        state.answered += 1;
        state.received.push(Received {
            connection,
            message: message.clone(),
            tunnel: Vec::new(),
        });
        (
            state.script.clone(),
            state.answered == 1,
            state.received.len() - 1,
        )
    }

    /// Reads to the end of what the client sends, and closes.
    async fn end_tunnel(
        &self,
        index: usize,
        (mut reader, mut writer): (OwnedReadHalf, OwnedWriteHalf),
        mut bytes: Vec<u8>,
    ) -> io::Result<()> {
        while !bytes.ends_with(AFTER) && read(&mut reader, &mut bytes).await? > 0 {}
        if let Some(received) = self.0.lock().unwrap().received.get_mut(index) {
            received.tunnel = bytes;
        }
        writer.shutdown().await
    }
}

fn usual(method: &str) -> Vec<u8> {
    let body = match method {
        "HEAD" => "",
        _ => "ok",
    };
    let text = match method {
        // 200 would open a tunnel.
        "CONNECT" => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => format!("{USUAL}{body}"),
    };
    text.into_bytes()
}

fn starts_tunnel(method: &str, answer: &[Vec<u8>]) -> bool {
    let start = answer.concat();
    let is = |status: &[u8]| start.starts_with(&[&b"HTTP/1.1 "[..], status].concat());
    is(b"101") || method == "CONNECT" && is(b"2")
}
