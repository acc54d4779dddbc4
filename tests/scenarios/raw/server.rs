//! The servers: each case has one to itself, which records what it gets and answers as the case
//! says.

mod http2;

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
    case::{Answer, Case},
    client::{AFTER, cut, read, send},
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
    /// The answer to the first request.
    answer: Option<Answer>,
    /// The lengths of the pieces in which it comes.
    lengths: Vec<usize>,
    closes: bool,
    early: bool,
    continues: bool,
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
    /// What the case says. The answer comes in pieces of these lengths.
    pub fn of(case: &Case, lengths: &[usize]) -> Self {
        Self {
            answer: case.answer.clone(),
            lengths: lengths.to_vec(),
            closes: case.closes,
            early: case.early,
            continues: case.continues,
        }
    }

    /// What the case answers to its first request, on that stream, in pieces.
    fn answer(&self, is_first: bool, stream: u32) -> Option<Vec<Vec<u8>>> {
        let answer = self.answer.as_ref().filter(|_| is_first)?;
        Some(cut(&answer.bytes(stream), &self.lengths))
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
    pub async fn serve(self, listener: TcpListener, is_http2: bool) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let server = self.clone();
            connections.spawn(async move {
                // What the proxy does with its connections is not a server's concern.
                let _ = server.serve_connection(stream, is_http2).await;
            });
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve_connection(self, stream: TcpStream, is_http2: bool) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let number = {
            let mut state = self.0.lock().unwrap();
            state.connections += 1;
            state.connections
        };
        match is_http2 {
            true => self.serve_http2(stream, number).await,
            false => self.serve_http1(stream, number).await,
        }
    }

    async fn serve_http1(self, stream: TcpStream, number: usize) -> io::Result<()> {
        let (mut reader, mut writer) = stream.into_split();
        let mut bytes = Vec::new();
        while let Some(message) = self.next(&mut reader, &mut writer, &mut bytes).await? {
            let (script, is_first, index) = self.record(number, &message);
            let method = message.line.split(' ').next().unwrap_or_default();
            let answer = script.answer(is_first, 0);
            let answer = answer.unwrap_or_else(|| vec![usual(method)]);
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
