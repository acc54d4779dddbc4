//! Bytes from one connection to another, both ways.
//!
//! An end of one direction is passed on while the other goes on (half-close), and a
//! reset as a reset.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep_until},
};

use crate::net::{buffers::Buffer, socket::reset_when_dropped};

/// How many times a direction is read before others have their turn.
const TURNS: u32 = 16;

/// Bytes that have been passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// From the client to the server.
    pub sent: u64,
    /// From the server to the client.
    pub received: u64,
}

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides closed.
    Closed,
    /// The client broke off.
    ClientReset,
    /// The server broke off.
    ServerReset,
    /// Nothing was sent for too long.
    Idle,
}

/// Passes bytes on until both sides have closed, one has broken off, or neither has
/// sent anything for `idle`.
pub(crate) async fn relay(client: TcpStream, server: TcpStream, idle: Duration) -> (Bytes, End) {
    let mut relay = Relay {
        client,
        server,
        up: Direction::default(),
        down: Direction::default(),
    };
    let mut deadline = pin!(sleep_until(Instant::now() + idle));
    let mut seen = 0;
    let end = poll_fn(|context| {
        if let Poll::Ready(end) = relay.poll(context) {
            return Poll::Ready(end);
        }
        // The clock is looked at when it rings, and not for each piece of data.
        while deadline.as_mut().poll(context).is_ready() {
            let passed = relay.up.passed + relay.down.passed;
            if passed == seen {
                return Poll::Ready(End::Idle);
            }
            seen = passed;
            deadline.as_mut().reset(Instant::now() + idle);
        }
        Poll::Pending
    })
    .await;
    let bytes = Bytes {
        sent: relay.up.passed,
        received: relay.down.passed,
    };
    match end {
        End::Closed => {}
        End::ClientReset => reset_when_dropped(&relay.server),
        End::ServerReset => reset_when_dropped(&relay.client),
        End::Idle => {
            reset_when_dropped(&relay.client);
            reset_when_dropped(&relay.server);
        }
    }
    (bytes, end)
}

struct Relay {
    client: TcpStream,
    server: TcpStream,
    up: Direction,
    down: Direction,
}

impl Relay {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let up = self.up.poll(&mut self.client, &mut self.server, context);
        if let Poll::Ready(Err(broken)) = up {
            return Poll::Ready(match broken {
                Broken::Reading => End::ClientReset,
                Broken::Writing => End::ServerReset,
            });
        }
        let down = self.down.poll(&mut self.server, &mut self.client, context);
        if let Poll::Ready(Err(broken)) = down {
            return Poll::Ready(match broken {
                Broken::Reading => End::ServerReset,
                Broken::Writing => End::ClientReset,
            });
        }
        if up.is_ready() && down.is_ready() {
            Poll::Ready(End::Closed)
        } else {
            Poll::Pending
        }
    }
}

/// The side of a direction that broke off.
enum Broken {
    Reading,
    Writing,
}

/// One of the two directions.
#[derive(Default)]
struct Direction {
    /// What has been read and not written; an idle direction has no buffer.
    held: Option<Held>,
    state: State,
    passed: u64,
}

struct Held {
    buffer: Buffer,
    from: usize,
    to: usize,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The reading side has ended; the writing side has to be told.
    Ending,
    Ended,
}

impl Direction {
    fn poll(
        &mut self,
        reader: &mut TcpStream,
        writer: &mut TcpStream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        for _ in 0..TURNS {
            if self.held.is_some() {
                ready!(self.write(writer, context)).map_err(|_| Broken::Writing)?;
            }
            match self.state {
                State::Open => ready!(self.read(reader, context)).map_err(|_| Broken::Reading)?,
                State::Ending => {
                    let shut = ready!(Pin::new(&mut *writer).poll_shutdown(context));
                    self.state = State::Ended;
                    shut.map_err(|_| Broken::Writing)?;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn read(&mut self, reader: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut buffer = Buffer::take();
        let mut space = ReadBuf::new(&mut buffer);
        // While there is nothing to read, the buffer goes back at the end of this function.
        ready!(Pin::new(reader).poll_read(context, &mut space))?;
        match space.filled().len() {
            0 => self.state = State::Ending,
            to => {
                self.held = Some(Held {
                    buffer,
                    from: 0,
                    to,
                });
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, writer: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(held) = &mut self.held {
            let rest = &held.buffer[held.from..held.to];
            let written = ready!(Pin::new(&mut *writer).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            held.from += written;
            self.passed += u64::try_from(written).unwrap_or(u64::MAX);
            if held.from == held.to {
                self.held = None;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (left, right) = tokio::join!(TcpStream::connect(address), listener.accept());
        (left.unwrap(), right.unwrap().0)
    }

    /// A client, a server, and the relay between them.
    async fn relayed(
        idle: Duration,
    ) -> (TcpStream, TcpStream, tokio::task::JoinHandle<(Bytes, End)>) {
        let (client, accepted) = pair().await;
        let (connected, server) = pair().await;
        (
            client,
            server,
            tokio::spawn(relay(accepted, connected, idle)),
        )
    }

    #[tokio::test]
    async fn each_half_is_closed_by_itself() {
        let (mut client, mut server, relay) = relayed(LONG).await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut question = Vec::new();
        server.read_to_end(&mut question).await.unwrap();
        assert_eq!(question, b"question");
        server.write_all(b"answer!").await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer!");
        let bytes = Bytes {
            sent: 8,
            received: 7,
        };
        assert_eq!(relay.await.unwrap(), (bytes, End::Closed));
    }

    #[tokio::test]
    async fn megabytes_go_through_both_ways_at_once() {
        let (client, server, relay) = relayed(LONG).await;
        let sent: Vec<u8> = (0..5_000_000_u32).map(|byte| byte as u8).collect();
        let side = |stream: TcpStream, sent: Vec<u8>| async move {
            let (mut reader, mut writer) = stream.into_split();
            let mut got = Vec::new();
            let write = async {
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let (read, ()) = tokio::join!(reader.read_to_end(&mut got), write);
            read.unwrap();
            got
        };
        let (left, right) = tokio::join!(
            tokio::spawn(side(client, sent.clone())),
            tokio::spawn(side(server, sent.clone()))
        );
        assert!(left.unwrap() == sent && right.unwrap() == sent);
        assert_eq!(relay.await.unwrap().1, End::Closed);
    }

    #[tokio::test]
    async fn a_reset_is_passed_on_as_a_reset() {
        let (client, mut server, relay) = relayed(LONG).await;
        reset_when_dropped(&client);
        drop(client);
        let error = server.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(relay.await.unwrap().1, End::ClientReset);

        let (mut client, server, relay) = relayed(LONG).await;
        reset_when_dropped(&server);
        drop(server);
        let error = client.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(relay.await.unwrap().1, End::ServerReset);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends() {
        let (_client, _server, relay) = relayed(LONG).await;
        assert_eq!(relay.await.unwrap().1, End::Idle);
    }
}
