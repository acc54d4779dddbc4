//! Connections in memory. Their other ends are played: what is received comes in the pieces
//! that the player sends, and what is sent is taken in small pieces, or not at once.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The proxy's end of a connection in memory.
#[derive(Debug)]
pub(crate) struct End(Rc<Pipe>);

/// The end that is played. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Player(Rc<Pipe>);

/// What the proxy has done with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It may still send something.
    Open,
    /// It has ended what it sends.
    Ended,
    /// It has broken off.
    Reset,
}

/// How the player takes what the proxy sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taking {
    /// So many bytes at a time, at most.
    pub most: usize,
    /// Each time only when it is asked a second time.
    pub hesitates: bool,
}

#[derive(Debug)]
struct Pipe {
    to_proxy: RefCell<VecDeque<u8>>,
    player_ended: Cell<bool>,
    from_proxy: RefCell<Vec<u8>>,
    fate: Cell<Fate>,
    resets: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    taking: Taking,
    hesitated: Cell<bool>,
}

/// Both ends of a connection.
pub(crate) fn pair(taking: Taking) -> (End, Player) {
    let pipe = Rc::new(Pipe {
        to_proxy: RefCell::default(),
        player_ended: Cell::new(false),
        from_proxy: RefCell::default(),
        fate: Cell::new(Fate::Open),
        resets: Cell::new(false),
        reader: RefCell::default(),
        taking,
        hesitated: Cell::new(false),
    });
    (End(Rc::clone(&pipe)), Player(pipe))
}

impl Player {
    /// Sends something.
    pub fn send(&self, bytes: &[u8]) {
        self.0.to_proxy.borrow_mut().extend(bytes);
        self.0.wake();
    }

    /// Sends nothing more.
    pub fn end(&self) {
        self.0.player_ended.set(true);
        self.0.wake();
    }

    /// How much of what was sent the proxy has not read.
    pub fn unread(&self) -> usize {
        self.0.to_proxy.borrow().len()
    }

    /// Everything that the proxy has sent.
    pub fn received(&self) -> Vec<u8> {
        self.0.from_proxy.borrow().clone()
    }

    /// How much the proxy has sent.
    pub fn received_bytes(&self) -> usize {
        self.0.from_proxy.borrow().len()
    }

    /// What the proxy has done with its end.
    pub fn fate(&self) -> Fate {
        self.0.fate.get()
    }
}

impl Pipe {
    fn wake(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn read(&self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<()> {
        let mut bytes = self.to_proxy.borrow_mut();
        if bytes.is_empty() && !self.player_ended.get() {
            self.reader.replace(Some(context.waker().clone()));
            return Poll::Pending;
        }
        let (front, _) = bytes.as_slices();
        let taken = front.len().min(buffer.remaining());
        buffer.put_slice(&front[..taken]);
        bytes.drain(..taken);
        Poll::Ready(())
    }

    /// Takes from the front of all slices together: a piece may end in any of them.
    fn write(&self, context: &Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.fate.get() != Fate::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.taking.hesitates && !self.hesitated.replace(true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.hesitated.set(false);
        let most = self.taking.most.max(1);
        let mut taken = 0;
        for slice in slices {
            let piece = &slice[..slice.len().min(most - taken)];
            self.from_proxy.borrow_mut().extend_from_slice(piece);
            taken += piece.len();
        }
        Poll::Ready(Ok(taken))
    }
}

impl End {
    /// Has the connection break off when it is dropped.
    pub fn reset_when_dropped(&self) {
        self.0.resets.set(true);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let pipe = &self.0;
        if pipe.resets.get() {
            pipe.fate.set(Fate::Reset);
        } else if pipe.fate.get() == Fate::Open {
            // A socket that is closed with something unread breaks off.
            let is_read = pipe.to_proxy.borrow().is_empty();
            pipe.fate
                .set(if is_read { Fate::Ended } else { Fate::Reset });
        }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.read(context, buffer).map(Ok)
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.write(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.write(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.fate.get() == Fate::Open {
            self.0.fate.set(Fate::Ended);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const HESITATING: Taking = Taking {
        most: 2,
        hesitates: true,
    };

    #[tokio::test]
    async fn carries_bytes_both_ways() {
        let (mut stream, player) = pair(HESITATING);
        player.send(b"question");
        let mut first = [0; 4];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!((&first, player.unread()), (b"ques", 4));
        player.end();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"tion");
        stream.write_all(b"answer").await.unwrap();
        assert_eq!(
            (&player.received()[..], player.fate()),
            (&b"answer"[..], Fate::Open)
        );
        stream.shutdown().await.unwrap();
        assert_eq!(player.fate(), Fate::Ended);
        assert!(stream.write_all(b"more").await.is_err());
    }

    #[test]
    fn tells_how_the_proxy_has_ended() {
        let (stream, player) = pair(HESITATING);
        drop(stream);
        assert_eq!(player.fate(), Fate::Ended);
        let (stream, player) = pair(HESITATING);
        stream.reset_when_dropped();
        drop(stream);
        assert_eq!(player.fate(), Fate::Reset);
        let (stream, player) = pair(HESITATING);
        player.send(b"unread");
        drop(stream);
        assert_eq!(player.fate(), Fate::Reset);
    }

    #[tokio::test]
    async fn a_piece_ends_in_any_slice() {
        for (most, taken) in [
            (1, "h"),
            (4, "head"),
            (5, "headb"),
            (usize::MAX, "headbody"),
        ] {
            let hesitates = false;
            let (mut stream, player) = pair(Taking { most, hesitates });
            assert!(stream.is_write_vectored());
            let slices = [IoSlice::new(b"head"), IoSlice::new(b"body")];
            let sent = stream.write_vectored(&slices).await.unwrap();
            assert_eq!(sent, taken.len());
            assert_eq!(player.received(), taken.as_bytes());
        }
    }
}
