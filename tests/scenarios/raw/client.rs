//! A client of HTTP/1 that sends a case's bytes as they are.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    time::{sleep, timeout},
};

use super::answers::Answers;
use crate::client;

/// Generous: nothing is measured, and many cases run at a time. A case that has no end takes as long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between pieces, so that the proxy reads one before the next comes. If it does not, the case
/// shows less.
const PAUSE: Duration = Duration::from_millis(1);
/// What is asked for behind a case's bytes.
pub const AFTER: &[u8] = b"GET /after HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

/// What a client sends.
#[derive(Debug, Clone)]
pub struct Script {
    /// Parts, each in pieces. The client waits for a response between parts.
    pub parts: Vec<Vec<Vec<u8>>>,
    pub half_closes: bool,
    /// Of the first request.
    pub method: String,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
    /// It did not.
    Never,
}

/// What came back.
#[derive(Debug)]
pub struct Got {
    /// The client's port.
    pub port: u16,
    pub answers: Answers,
    pub end: End,
}

/// Sends a script's bytes, and reads until the connection ends.
pub async fn exchange(to: SocketAddr, script: Script) -> Got {
    let (port, stream) = client::connect(to, None).await;
    let mut bytes = Vec::new();
    let exchanged = async {
        let stream = stream?;
        stream.set_nodelay(true)?;
        converse(stream, &script, &mut bytes).await
    };
    let end = match timeout(PATIENCE, exchanged).await {
        Ok(Ok(())) => End::Closed,
        Ok(Err(_)) => End::Reset,
        Err(_) => End::Never,
    };
    Got {
        port,
        answers: Answers::read(&bytes, &script.method, end != End::Never),
        end,
    }
}

async fn converse(stream: TcpStream, script: &Script, bytes: &mut Vec<u8>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let count = |bytes: &[u8]| Answers::read(bytes, &script.method, false).list.len();
    let mut seen = None;
    for pieces in &script.parts {
        while seen.is_some_and(|seen| count(bytes) <= seen) {
            if read(&mut reader, bytes).await? == 0 {
                return Ok(());
            }
        }
        seen = Some(count(bytes));
        // If the proxy takes no more, it has still answered.
        if send(&mut writer, pieces).await.is_err() {
            break;
        }
    }
    if script.half_closes {
        let _ = writer.shutdown().await;
    }
    while read(&mut reader, bytes).await? > 0 {
        // Who says that the connection ends waits for the client's end of it.
        if Answers::read(bytes, &script.method, false).close() {
            let _ = writer.shutdown().await;
        }
    }
    Ok(())
}

/// Cuts bytes into pieces of these lengths, over and over again.
pub fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let mut lengths = lengths.iter().cycle();
    while let Some(length) = lengths.next().filter(|length| **length < rest.len()) {
        let (piece, behind) = rest.split_at(*length);
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces.push(rest.to_vec());
    pieces
}

/// Sends pieces, one after the other.
pub async fn send(writer: &mut OwnedWriteHalf, pieces: &[Vec<u8>]) -> io::Result<()> {
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            sleep(PAUSE).await;
        }
        writer.write_all(piece).await?;
    }
    Ok(())
}

/// Reads some bytes, and returns how many.
pub async fn read(reader: &mut OwnedReadHalf, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = vec![0; 16 * 1024];
    let count = reader.read(&mut buffer).await?;
    bytes.extend_from_slice(&buffer[..count]);
    Ok(count)
}
