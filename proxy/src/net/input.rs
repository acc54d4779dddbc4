//! Bytes that a connection has received and that have not been consumed yet.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    buffers::Buffer,
    flow::Flow,
    sizes::{LARGE, SIZE},
};

/// Received bytes. Without any, there is no buffer.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Option<Buffer>,
    from: usize,
    to: usize,
    flow: Flow,
}

impl Input {
    /// The bytes, oldest first.
    pub fn bytes(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.from..self.to],
            None => &[],
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Whether the next read may bring more than usual buffers hold.
    pub fn expects_bulk(&self) -> bool {
        self.flow.is_bulk()
    }

    /// So many bytes have been read without it, while it was empty.
    pub fn brought_elsewhere(&mut self, received: usize) {
        self.flow.brought(received, SIZE);
    }

    /// Passes over the first bytes.
    pub fn consume(&mut self, bytes: usize) {
        self.from = self.to.min(self.from + bytes);
        if self.is_empty() {
            self.buffer = None;
            (self.from, self.to) = (0, 0);
        }
    }

    /// Receives more behind what there is, and says how much: 0 when the other side has ended.
    ///
    /// # Errors
    ///
    /// When the connection is broken, or a buffer of [`LARGE`] bytes, or one for bulk, is full of
    /// what has not been consumed.
    pub fn poll_receive<R: AsyncRead + Unpin>(
        &mut self,
        io: &mut R,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // While there is nothing to receive, an empty buffer goes back to its list.
        let mut buffer = match self.buffer.take() {
            Some(buffer) => self.make_room(buffer)?,
            None if self.flow.is_bulk() => Buffer::bulk(),
            None => Buffer::take(),
        };
        let room = buffer.len() - self.to;
        let mut space = ReadBuf::new(&mut buffer[self.to..]);
        let polled = Pin::new(io).poll_read(context, &mut space);
        let received = space.filled().len();
        if self.to + received > 0 {
            self.buffer = Some(buffer);
        }
        ready!(polled)?;
        self.flow.brought(received, room);
        self.to += received;
        Poll::Ready(Ok(received))
    }

    fn make_room(&mut self, mut buffer: Buffer) -> io::Result<Buffer> {
        if self.to < buffer.len() {
            return Ok(buffer);
        }
        if self.from == 0 {
            if buffer.len() >= LARGE {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            return Ok(Buffer::large(&buffer));
        }
        buffer.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn takes_larger_buffers_while_reads_fill_them() {
        let (mut client, mut server) = tokio::io::duplex(1024 * 1024);
        let mut input = Input::default();
        for (sent, reads) in [
            (3 * SIZE, &[SIZE, 2 * SIZE][..]),
            (1, &[1]),
            (2 * SIZE, &[2 * SIZE]),
            (1, &[1]),
            (1, &[1]),
            (1, &[1]),
            (1, &[1]),
            (2 * SIZE, &[SIZE, SIZE]),
        ] {
            client.write_all(&vec![b'a'; sent]).await.unwrap();
            for expected in reads {
                let received = poll_fn(|context| input.poll_receive(&mut server, context)).await;
                assert_eq!(received.unwrap(), *expected);
                input.consume(*expected);
            }
        }
    }

    #[tokio::test]
    async fn receives_and_consumes() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(b"question").await.unwrap();
        let mut input = Input::default();
        let received = poll_fn(|context| input.poll_receive(&mut server, context)).await;
        assert_eq!(received.unwrap(), 8);
        input.consume(5);
        assert_eq!(input.bytes(), b"ion");
        client.write_all(b"!").await.unwrap();
        drop(client);
        poll_fn(|context| input.poll_receive(&mut server, context))
            .await
            .unwrap();
        assert_eq!(input.bytes(), b"ion!");
        input.consume(4);
        assert!(input.buffer.is_none());
        let end = poll_fn(|context| input.poll_receive(&mut server, context)).await;
        assert_eq!(end.unwrap(), 0);
        assert!(input.buffer.is_none());
    }

    #[tokio::test]
    async fn grows_once_and_no_further() {
        let bytes = vec![b'x'; LARGE + 1];
        let mut reader = &bytes[..];
        let mut input = Input::default();
        while input.bytes().len() < LARGE {
            poll_fn(|context| input.poll_receive(&mut reader, context))
                .await
                .unwrap();
        }
        let full = poll_fn(|context| input.poll_receive(&mut reader, context)).await;
        assert!(full.is_err());
    }

    #[tokio::test]
    async fn moves_the_rest_to_the_front_before_it_grows() {
        let bytes = vec![b'x'; SIZE + 10];
        let mut reader = &bytes[..];
        let mut input = Input::default();
        poll_fn(|context| input.poll_receive(&mut reader, context))
            .await
            .unwrap();
        input.consume(SIZE - 1);
        let more = poll_fn(|context| input.poll_receive(&mut reader, context)).await;
        assert_eq!(more.unwrap(), 10);
        assert_eq!(input.bytes().len(), 11);
        assert_eq!(input.buffer.as_ref().map(|buffer| buffer.len()), Some(SIZE));
    }
}
