//! A connection whose client and servers are played, for fuzz targets: everything happens in
//! memory, in an order that the player decides, and no time passes.

mod setting;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    task::{coop::Unconstrained, unconstrained, yield_now},
};
use tokio_util::sync::CancellationToken;

use super::{ClientCertField, Connection, Edge, Worker, serve_http1, serve_http2};
use crate::{
    net::{
        input::Input,
        memory::{Player, Taking, pair},
        network::Network,
        stream::Stream,
    },
    records::{Records, Workload},
    tables::{Current, Publisher},
    traffic::{Direction, Traffic},
};

pub use self::setting::{Edit, Edits, Setting};
pub use crate::net::memory::Fate;

/// Nothing takes so many turns without waiting for anybody.
const TURNS: usize = 1_000_000;
/// A connection of HTTP/2 to a server is a task of its own, and wakes itself a few times.
const CALM: u32 = 8;
/// Who the client is.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));
/// Where it was going.
const ORIGINAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 9080);

/// A proxy with one client.
#[derive(Debug)]
pub struct Play {
    client: Player,
    serving: Serving,
    network: Network,
    runtime: LocalRuntime,
}

/// The proxy's side of the client's connection.
struct Serving {
    future: Unconstrained<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    is_over: bool,
    /// After so many turns in which nothing has happened, tasks beside it are at rest, too.
    calm: u32,
}

#[derive(Debug)]
struct Woken(AtomicBool);

impl Play {
    /// Begins with a client that has connected and said nothing.
    ///
    /// # Panics
    ///
    /// When there can't be a runtime.
    pub fn new(setting: Setting) -> Self {
        // The same ids of requests each time.
        fastrand::seed(1);
        let taking = Taking {
            most: match setting.piece {
                0 => usize::MAX,
                most => most.into(),
            },
            hesitates: setting.piece != 0,
        };
        let network = Network::new(taking);
        let (end, client) = pair(taking);
        let stream = Stream::Memory(end);
        let mut builder = Builder::new_current_thread();
        let builder = builder.enable_time().start_paused(true);
        let Ok(runtime) = builder.build_local(LocalOptions::default()) else {
            unreachable!("a runtime without sockets and threads");
        };
        let connection = Connection {
            direction: Direction::Outbound,
            peer: SocketAddr::new(CLIENT, 40_000),
            original: ORIGINAL,
            is_bound: setting.gateway,
            secured: None,
            client_cert: ClientCertField::default(),
        };
        let http2 = setting.http2;
        let calm = match setting.http2_servers {
            true => CALM,
            false => 0,
        };
        let worker = worker(setting);
        let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let input = Input::default();
            if !http2 {
                return serve_http1(&worker, &connection, stream, input).await;
            }
            let traffic = Arc::new(Traffic::new(1000));
            if let Some((open, _evicted)) = traffic.enter(CLIENT) {
                let served = serve_http2(&worker, &connection, &open, stream, input);
                let _end = served.await;
            }
        });
        let mut play = Self {
            client,
            serving: Serving {
                future: unconstrained(future),
                woken: Arc::new(Woken(AtomicBool::new(true))),
                is_over: false,
                calm,
            },
            network,
            runtime,
        };
        play.settle();
        play
    }

    /// Has the client send something.
    pub fn client_sends(&mut self, bytes: &[u8]) {
        self.client.send(bytes);
        self.settle();
    }

    /// Has the client send nothing more.
    pub fn client_ends(&mut self) {
        self.client.end();
        self.settle();
    }

    /// What the client has received.
    pub fn to_client(&self) -> Vec<u8> {
        self.client.received()
    }

    /// What has become of the client's connection.
    pub fn client_fate(&self) -> Fate {
        self.client.fate()
    }

    /// Whether the proxy has nothing more to do with the client.
    pub fn is_over(&self) -> bool {
        self.serving.is_over
    }

    /// What a server has received by the connection with that number; `None` if there are not
    /// so many.
    pub fn to_server(&self, number: usize) -> Option<Vec<u8>> {
        Some(self.network.server(number)?.received())
    }

    /// How many bytes that are.
    pub fn bytes_to_server(&self, number: usize) -> Option<usize> {
        Some(self.network.server(number)?.received_bytes())
    }

    /// How much the proxy has not read of what the server has sent by that connection.
    pub fn unread_of_server(&self, number: usize) -> usize {
        let server = self.network.server(number);
        server.map_or(0, |server| server.unread())
    }

    /// Has the server send something by that connection.
    pub fn server_sends(&mut self, number: usize, bytes: &[u8]) {
        if let Some(server) = self.network.server(number) {
            server.send(bytes);
            self.settle();
        }
    }

    /// Has the server send nothing more by that connection.
    pub fn server_ends(&mut self, number: usize) {
        if let Some(server) = self.network.server(number) {
            server.end();
            self.settle();
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        let Self {
            serving, runtime, ..
        } = self;
        runtime.block_on(async {
            tokio::time::advance(time).await;
            serving.woken.0.store(true, Relaxed);
            serving.settle().await;
        });
    }

    /// Has the proxy do what it can without hearing from anybody.
    fn settle(&mut self) {
        let Self {
            serving, runtime, ..
        } = self;
        runtime.block_on(serving.settle());
    }
}

impl Serving {
    async fn settle(&mut self) {
        let mut calm = 0;
        for _ in 0..TURNS {
            if self.is_over || !self.woken.0.swap(false, Relaxed) {
                if calm == self.calm {
                    return;
                }
                calm += 1;
            } else {
                calm = 0;
                self.poll_once().await;
            }
            // What lets others go first is woken by the runtime.
            yield_now().await;
        }
        unreachable!("the proxy goes round in a circle");
    }

    async fn poll_once(&mut self) {
        std::future::poll_fn(|_| {
            let waker = Waker::from(Arc::clone(&self.woken));
            let polled = Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker));
            self.is_over = polled.is_ready();
            Poll::Ready(())
        })
        .await;
    }
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Serving");
        debug
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

fn worker(setting: Setting) -> Rc<Worker> {
    let gateway = setting.gateway;
    let (_publisher, tables) = Publisher::new(setting.tables(ORIGINAL.port()));
    let recorder = Records::new(Workload::default(), None).recorder();
    let edge = gateway.then(Edge::default);
    let drain = CancellationToken::new();
    Rc::new(Worker::new(
        Current::new(&tables),
        recorder,
        drain,
        true,
        edge,
    ))
}
