//! A connection that is read in as large pieces as others are, by somebody who asks for small ones.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::input::Input;

/// Bytes that may come while TLS makes nothing of them that is for its user. A record has 16 KiB, and a
/// handshake takes less than a few of them. rustls bounds records that are empty and updates of keys each
/// for itself, and not where they take turns: each update costs as much as the encryption of kilobytes.
const MAX_WITHOUT_CONTENT: usize = 128 * 1024;

/// The other side sends records of TLS that have nothing in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sends records of TLS without content")]
pub(crate) struct WithoutContent;

/// A connection, and what of it has been received and not been asked for. rustls asks for 4 KiB at a
/// time, which would be a system call each.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    stream: TcpStream,
    received: Input,
    /// Bytes that have been asked for since they had content.
    without_content: usize,
}

impl ReadAhead {
    /// With what has been received already.
    pub fn new(stream: TcpStream, received: Input) -> Self {
        Self {
            stream,
            received,
            without_content: 0,
        }
    }

    /// What has been asked for had content.
    pub fn had_content(&mut self) {
        self.without_content = 0;
    }

    /// The connection itself.
    pub fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// The same, without what has been received.
    pub fn into_tcp(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for ReadAhead {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            stream,
            received,
            without_content,
        } = self.get_mut();
        if *without_content > MAX_WITHOUT_CONTENT {
            return Poll::Ready(Err(io::Error::other(WithoutContent)));
        }
        if received.is_empty() && ready!(received.poll_receive(stream, context))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let bytes = received.bytes();
        let asked = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..asked]);
        received.consume(asked);
        *without_content += asked;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ReadAhead {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn what_was_received_comes_first_and_then_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap());
        let (connected, accepted) = tokio::join!(connected, listener.accept());
        let (mut client, mut stream) = (connected.unwrap(), accepted.unwrap().0);
        client.write_all(b"hello").await.unwrap();
        let mut received = Input::default();
        let receive = poll_fn(|context| received.poll_receive(&mut stream, context));
        assert_eq!(receive.await.unwrap(), 5);
        client.write_all(b" there").await.unwrap();
        client.shutdown().await.unwrap();
        let mut ahead = ReadAhead::new(stream, received);
        let mut first = [0; 3];
        assert_eq!(ahead.read(&mut first).await.unwrap(), 3);
        assert_eq!(&first, b"hel");
        let mut rest = Vec::new();
        ahead.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"lo there");
        ahead.write_all(b"answer").await.unwrap();
        drop(ahead.into_tcp());
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
    }

    #[tokio::test]
    async fn so_much_comes_without_content() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap());
        let (connected, accepted) = tokio::join!(connected, listener.accept());
        let (mut client, stream) = (connected.unwrap(), accepted.unwrap().0);
        let sending = tokio::spawn(async move {
            // It is cut before the end.
            let _ = client.write_all(&vec![0; 8 * MAX_WITHOUT_CONTENT]).await;
            client
        });
        let mut ahead = ReadAhead::new(stream, Input::default());
        let mut piece = vec![0; MAX_WITHOUT_CONTENT];
        for _ in 0..3 {
            ahead.read_exact(&mut piece).await.unwrap();
            ahead.had_content();
        }
        ahead.read_exact(&mut piece).await.unwrap();
        ahead.read_exact(&mut [0]).await.unwrap();
        for _ in 0..2 {
            let error = ahead.read_exact(&mut [0]).await.unwrap_err();
            let why = error.get_ref().and_then(|inner| inner.downcast_ref());
            assert_eq!(why, Some(&WithoutContent));
        }
        drop(ahead);
        sending.await.unwrap();
    }
}
