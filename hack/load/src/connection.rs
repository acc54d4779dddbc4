//! One kept connection: a request, and the search for the end of its response.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::fd::{AsFd, BorrowedFd},
};

use anyhow::Context as _;
use memchr::memmem;

use crate::stream::{Stream, Target};

/// The longest head that is looked at.
const MAX_HEAD: usize = 16 * 1024;

/// A connection.
pub(crate) struct Connection {
    stream: Stream,
    /// The head of the response, as far as it has come.
    head: Vec<u8>,
    /// What is missing of the body, once the head is complete.
    body: Option<usize>,
}

impl Connection {
    /// Opens it; nothing waits for it from then on.
    pub fn open(target: &Target) -> anyhow::Result<Self> {
        let connection = Self::blocking(target)?;
        connection.stream.socket().set_nonblocking(true)?;
        Ok(connection)
    }

    /// Opens it; whoever receives waits.
    pub fn blocking(target: &Target) -> anyhow::Result<Self> {
        Ok(Self {
            stream: Stream::open(target)?,
            head: Vec::new(),
            body: None,
        })
    }

    /// Whether its TLS goes back to an earlier connection's.
    pub fn is_resumed(&self) -> bool {
        self.stream.is_resumed()
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.head.clear();
        self.body = None;
        let sent = self.stream.write(request).context("can't send a request")?;
        // The socket's buffer is empty between requests.
        anyhow::ensure!(sent == request.len(), "a request was sent in part");
        Ok(())
    }

    /// Receives what there is. True once the response is complete.
    pub fn receive(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        let received = match self.stream.read(buffer) {
            Ok(0) => anyhow::bail!("a connection was closed"),
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("a connection broke"),
        };
        self.take(&buffer[..received])
    }

    /// The head of the last response, and perhaps a part of its body.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    fn take(&mut self, received: &[u8]) -> anyhow::Result<bool> {
        let rest = match self.body {
            Some(missing) => missing.checked_sub(received.len()),
            None => {
                self.head.extend_from_slice(received);
                let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else {
                    anyhow::ensure!(self.head.len() < MAX_HEAD, "a head does not end");
                    return Ok(false);
                };
                let length = content_length(&self.head[..end])?;
                (end + 4 + length).checked_sub(self.head.len())
            }
        };
        let missing = rest.context("there is more than one response to a request")?;
        self.body = Some(missing);
        Ok(missing == 0)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.socket().as_fd()
    }
}

/// The length of the body that follows a head, which has to be a good one.
fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head).context("a head is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    anyhow::ensure!(status.starts_with("HTTP/1.1 200"), "{status}");
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    length.context("a response has no content-length")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 5\r\n\r\nhello";

    fn connection() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Connection::open(&listener.local_addr().unwrap().into()).unwrap()
    }

    #[test]
    fn finds_the_end_however_the_response_is_cut() {
        for cut in 1..RESPONSE.len() {
            let mut connection = connection();
            assert!(!connection.take(&RESPONSE[..cut]).unwrap(), "{cut}");
            assert!(connection.take(&RESPONSE[cut..]).unwrap(), "{cut}");
        }
    }

    #[test]
    fn anything_but_success_ends_the_run() {
        let error = connection().take(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(
            error.unwrap_err().to_string(),
            "HTTP/1.1 503 Service Unavailable"
        );
        assert!(connection().take(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let twice = [RESPONSE, RESPONSE].concat();
        assert!(connection().take(&twice).is_err());
    }
}
