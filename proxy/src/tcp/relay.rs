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
    io::AsyncWrite,
    time::{Instant, sleep_until},
};

use crate::net::{
    input::Input,
    pipe::Pipe,
    stream::{Stream, reset_when_dropped},
    tls_alert::TlsAlert,
    turn::Turn,
};

/// Bytes that have been passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    /// From the client to the server.
    pub received: u64,
    /// From the server to the client.
    pub sent: u64,
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
    /// The server broke off by an alert of TLS.
    ServerAlert(TlsAlert),
    /// Nothing was sent for too long.
    Idle,
    /// Newer tables don't allow the connection any more.
    Left,
}

/// Passes bytes on until both sides have closed, one has broken off, neither has sent anything for
/// `idle`, or `left` is done.
///
/// `received` is what the client has sent already. `passed` hears of bytes as they are
/// passed on.
pub(crate) async fn relay(
    client: Stream,
    received: Input,
    server: Stream,
    (idle, left): (Duration, impl Future<Output = ()>),
    passed: impl Fn(Bytes),
) -> End {
    let mut relay = Relay {
        client,
        server,
        up: Direction::new(received),
        down: Direction::new(Input::default()),
    };
    let mut deadline = pin!(sleep_until(Instant::now() + idle));
    let mut left = pin!(left);
    let mut active = false;
    let end = poll_fn(|context| {
        let polled = relay.poll(context);
        let bytes = relay.take_passed();
        if bytes != Bytes::default() {
            active = true;
            passed(bytes);
        }
        if let Poll::Ready(end) = polled {
            return Poll::Ready(end);
        }
        // The clock is looked at when it rings, and not for each piece of data.
        while deadline.as_mut().poll(context).is_ready() {
            if !std::mem::take(&mut active) {
                return Poll::Ready(End::Idle);
            }
            deadline.as_mut().reset(Instant::now() + idle);
        }
        left.as_mut().poll(context).map(|()| End::Left)
    })
    .await;
    match end {
        End::Closed => {}
        End::ClientReset => reset_when_dropped(&relay.server),
        End::ServerReset | End::ServerAlert(_) => reset_when_dropped(&relay.client),
        End::Idle | End::Left => {
            reset_when_dropped(&relay.client);
            reset_when_dropped(&relay.server);
        }
    }
    end
}

struct Relay {
    client: Stream,
    server: Stream,
    up: Direction,
    down: Direction,
}

impl Relay {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let up = self.up.poll(&mut self.client, &mut self.server, context);
        if let Poll::Ready(Err(broken)) = up {
            return Poll::Ready(match broken {
                Broken::Reading(_) => End::ClientReset,
                Broken::Writing => self.server_is_gone(context),
            });
        }
        let down = self.down.poll(&mut self.server, &mut self.client, context);
        if let Poll::Ready(Err(broken)) = down {
            return Poll::Ready(match broken {
                Broken::Reading(Some(alert)) => End::ServerAlert(alert),
                Broken::Reading(None) => End::ServerReset,
                Broken::Writing => End::ClientReset,
            });
        }
        if up.is_ready() && down.is_ready() {
            Poll::Ready(End::Closed)
        } else {
            Poll::Pending
        }
    }

    /// A server that takes nothing more may have said why.
    fn server_is_gone(&mut self, context: &mut Context<'_>) -> End {
        match self.down.poll(&mut self.server, &mut self.client, context) {
            Poll::Ready(Err(Broken::Reading(Some(alert)))) => End::ServerAlert(alert),
            _ => End::ServerReset,
        }
    }

    /// The bytes that have been passed on since the last time.
    fn take_passed(&mut self) -> Bytes {
        Bytes {
            received: std::mem::take(&mut self.up.passed),
            sent: std::mem::take(&mut self.down.passed),
        }
    }
}

/// The side of a direction that broke off.
enum Broken {
    /// By this alert, if by one.
    Reading(Option<TlsAlert>),
    Writing,
}

/// One of the two directions.
struct Direction {
    /// What has been read and not written; an idle direction has no buffer.
    held: Input,
    /// What the kernel holds in the same way, where there is much.
    piped: Option<Pipe>,
    state: State,
    passed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The reading side has ended; the writing side has to be told.
    Ending,
    Ended,
}

impl Direction {
    fn new(held: Input) -> Self {
        Self {
            held,
            piped: None,
            state: State::Open,
            passed: 0,
        }
    }

    fn poll(
        &mut self,
        reader: &mut Stream,
        writer: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        let mut turn = Turn::new();
        while turn.goes_on() {
            turn.pass(self.holds());
            ready!(self.write(writer, context)).map_err(|_| Broken::Writing)?;
            match self.state {
                State::Open => {
                    let received = ready!(self.receive(reader, writer, context));
                    let broken = |error| Broken::Reading(TlsAlert::of_io(&error));
                    if received.map_err(broken)? == 0 {
                        self.state = State::Ending;
                    }
                }
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

    /// How many bytes have been read and not written.
    fn holds(&self) -> usize {
        let piped = self.piped.as_ref().map_or(0, Pipe::holds);
        self.held.bytes().len() + piped
    }

    /// Reads more when everything has been written. The kernel passes bytes on that nobody has to look at.
    fn receive(
        &mut self,
        reader: &mut Stream,
        writer: &Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let sockets = reader.plain().zip(writer.plain());
        let sockets = sockets.filter(|_| self.held.expects_bulk());
        let piped = sockets.and_then(|(reader, _)| Some((reader, Pipe::take()?)));
        let Some((socket, mut pipe)) = piped else {
            return self.held.poll_receive(reader, context);
        };
        let filled = pipe.poll_fill(socket, context);
        if let Poll::Ready(Ok(received)) = filled {
            self.held.brought_elsewhere(received);
        }
        // While there is nothing to read, an empty pipe goes back to its list.
        self.piped = (pipe.holds() > 0).then_some(pipe);
        filled
    }

    /// Writes everything that has been read.
    fn write(&mut self, writer: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.holds() > 0 {
            let written = match (&mut self.piped, writer.plain()) {
                (Some(pipe), Some(socket)) => ready!(pipe.poll_empty(socket, context))?,
                _ => {
                    let bytes = self.held.bytes();
                    let written = ready!(Pin::new(&mut *writer).poll_write(context, bytes))?;
                    self.held.consume(written);
                    written
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.passed += u64::try_from(written).unwrap_or(u64::MAX);
        }
        self.piped = None;
        // TLS may hold some of it.
        Pin::new(writer).poll_flush(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        task::spawn_local,
    };

    use super::*;
    use crate::net::{socket::reset_when_dropped, stream::of_tcp};

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
        relayed_until(idle, pending()).await
    }

    async fn relayed_until(
        idle: Duration,
        left: impl Future<Output = ()> + 'static,
    ) -> (TcpStream, TcpStream, tokio::task::JoinHandle<(Bytes, End)>) {
        let (client, accepted) = pair().await;
        let (connected, server) = pair().await;
        let relayed = async move {
            let passed = Cell::new(Bytes::default());
            let count = |bytes: Bytes| {
                let before = passed.get();
                passed.set(Bytes {
                    received: before.received + bytes.received,
                    sent: before.sent + bytes.sent,
                });
            };
            let (accepted, connected) = (of_tcp(accepted), of_tcp(connected));
            let end = relay(accepted, Input::default(), connected, (idle, left), count).await;
            (passed.get(), end)
        };
        (client, server, spawn_local(relayed))
    }

    #[tokio::test(flavor = "local")]
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
            received: 8,
            sent: 7,
        };
        assert_eq!(relay.await.unwrap(), (bytes, End::Closed));
    }

    #[tokio::test(flavor = "local")]
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

    #[tokio::test(flavor = "local")]
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

    #[tokio::test(flavor = "local", start_paused = true)]
    async fn an_idle_connection_ends() {
        let (_client, _server, relay) = relayed(LONG).await;
        assert_eq!(relay.await.unwrap().1, End::Idle);
    }

    #[tokio::test(flavor = "local")]
    async fn a_connection_that_may_not_go_on_is_reset_on_both_sides() {
        let (leave, left) = tokio::sync::oneshot::channel();
        let left = async move { left.await.unwrap_or_default() };
        let (mut client, mut server, relay) = relayed_until(LONG, left).await;
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        leave.send(()).unwrap();
        for end in [&mut client, &mut server] {
            let error = end.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        assert_eq!(relay.await.unwrap().1, End::Left);
    }
}
