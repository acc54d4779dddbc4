//! Connections in memory. Their other ends are played: what is received comes in the pieces
//! that the player sends, and what is sent is taken in small pieces, or not at once.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection of the proxy.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Memory(End),
}

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

thread_local! {
    static NETWORK: RefCell<Option<(Taking, Vec<Player>)>> = const { RefCell::new(None) };
}

/// While it is there, all connections that this thread makes are played.
#[derive(Debug)]
pub(crate) struct Network(());

impl Network {
    /// Has everybody take what is sent to them in this way.
    pub fn new(taking: Taking) -> Self {
        NETWORK.with_borrow_mut(|network| *network = Some((taking, Vec::new())));
        Self(())
    }

    /// The other end of a connection that the proxy has made, by its number.
    pub fn server(&self, number: usize) -> Option<Player> {
        NETWORK.with_borrow(|network| network.as_ref()?.1.get(number).cloned())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        NETWORK.with_borrow_mut(Option::take);
    }
}

/// A connection to a server that is played; `None` where none is.
pub(super) fn connect() -> Option<Stream> {
    NETWORK.with_borrow_mut(|network| {
        let (taking, servers) = network.as_mut()?;
        let (end, player) = pair(*taking);
        servers.push(player);
        Some(end)
    })
}

/// Both ends of a connection.
pub(crate) fn pair(taking: Taking) -> (Stream, Player) {
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
    (Stream::Memory(End(Rc::clone(&pipe))), Player(pipe))
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

    fn write(&self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.fate.get() != Fate::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.taking.hesitates && !self.hesitated.replace(true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.hesitated.set(false);
        let taken = bytes.len().min(self.taking.most.max(1));
        self.from_proxy
            .borrow_mut()
            .extend_from_slice(&bytes[..taken]);
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

impl Stream {
    /// The address of the proxy's end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Memory(End(pipe)) => pipe.read(context, buffer).map(Ok),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Memory(End(pipe)) => pipe.write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Memory(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Memory(End(pipe)) => {
                if pipe.fate.get() == Fate::Open {
                    pipe.fate.set(Fate::Ended);
                }
                Poll::Ready(Ok(()))
            }
        }
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
        if let Stream::Memory(end) = &stream {
            end.reset_when_dropped();
        }
        drop(stream);
        assert_eq!(player.fate(), Fate::Reset);
        let (stream, player) = pair(HESITATING);
        player.send(b"unread");
        drop(stream);
        assert_eq!(player.fate(), Fate::Reset);
    }

    #[test]
    fn a_network_has_the_other_ends() {
        assert!(connect().is_none());
        let network = Network::new(HESITATING);
        assert!(network.server(0).is_none());
        let stream = connect().unwrap();
        assert!(matches!(stream, Stream::Memory(_)));
        assert!(network.server(0).is_some() && network.server(1).is_none());
        drop(network);
        assert!(connect().is_none());
    }
}
