//! Bytes that are still to be sent on a connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

use super::{
    buffers::{give_output, take_output},
    sizes::SIZE,
};

/// Bytes that wait to be sent. Without any, there is no buffer.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// Whether anything was sent since [`Output::forget_sent`].
    has_sent: bool,
}

impl Output {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How much may be added before what waits should be sent.
    pub fn room(&self) -> usize {
        SIZE.saturating_sub(self.bytes.len())
    }

    /// Whether anything was sent since the last time that this was forgotten.
    pub fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// Nothing has been sent, from now on.
    pub fn forget_sent(&mut self) {
        self.has_sent = false;
    }

    /// Where to add what is to be sent.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = take_output();
        }
        &mut self.bytes
    }

    /// Sends everything that waits and, behind it, some data, and says how much of the data.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_send_with<W: AsyncWrite + Unpin>(
        &mut self,
        data: &[u8],
        io: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let rest = &self.bytes[self.sent..];
            let io = Pin::new(&mut *io);
            let sent = match rest.is_empty() {
                true => ready!(io.poll_write(context, data))?,
                false => {
                    let both = [IoSlice::new(rest), IoSlice::new(data)];
                    ready!(io.poll_write_vectored(context, &both))?
                }
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.has_sent = true;
            let of_data = sent.saturating_sub(rest.len());
            self.sent += sent - of_data;
            if of_data > 0 {
                self.release();
                return Poll::Ready(Ok(of_data));
            }
        }
    }

    /// Sends everything that waits.
    ///
    /// # Errors
    ///
    /// When the connection is broken.
    pub fn poll_send<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let rest = &self.bytes[self.sent..];
            match ready!(Pin::new(&mut *io).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => {
                    self.sent += sent;
                    self.has_sent = true;
                }
            }
        }
        self.release();
        // TLS may hold some of it.
        Pin::new(io).poll_flush(context)
    }

    /// Gives the buffer back, all of which has been sent.
    fn release(&mut self) {
        self.sent = 0;
        if self.bytes.capacity() > 0 {
            give_output(std::mem::take(&mut self.bytes));
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        give_output(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn sends_in_pieces_and_keeps_no_buffer() {
        let (mut reader, mut writer) = tokio::io::duplex(3);
        let mut output = Output::default();
        output.bytes().extend_from_slice(b"some bytes");
        assert!(!output.is_empty());
        assert_eq!(output.room(), SIZE - 10);
        let mut received = [0; 10];
        let send = poll_fn(|context| output.poll_send(&mut writer, context));
        let (sent, read) = tokio::join!(send, reader.read_exact(&mut received));
        sent.unwrap();
        read.unwrap();
        assert_eq!(&received, b"some bytes");
        assert_eq!((output.is_empty(), output.bytes.capacity()), (true, 0));
    }

    #[tokio::test]
    async fn sends_data_behind_what_waits() {
        for room in [1, 3, 4, 5, 64] {
            let (mut reader, mut writer) = tokio::io::duplex(room);
            let mut output = Output::default();
            output.bytes().extend_from_slice(b"head");
            let send = async {
                let mut rest = &b"the body"[..];
                while !rest.is_empty() {
                    let sent = poll_fn(|context| output.poll_send_with(rest, &mut writer, context));
                    rest = &rest[sent.await.unwrap()..];
                    assert_eq!((output.is_empty(), output.bytes.capacity()), (true, 0));
                }
            };
            let mut received = [0; 12];
            let (read, ()) = tokio::join!(reader.read_exact(&mut received), send);
            read.unwrap();
            assert_eq!(&received, b"headthe body", "{room}");
            assert!(output.has_sent());
        }
    }
}
