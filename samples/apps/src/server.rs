//! What every server here has: a port, a limit of connections, and a graceful end.

use crate::http::Body;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};

/// Connections that are served at the same time; the next ones wait in the kernel.
const CONNECTIONS: usize = 4096;
/// How long requests that run on SIGTERM may take: less than a pod's 30 seconds.
const DRAIN: Duration = Duration::from_secs(20);
/// How long a connection may stay idle, and a request's head may take: longer than
/// proxies keep idle connections, so that they close first.
const IDLE: Duration = Duration::from_secs(75);

/// Where a server listens.
#[derive(Clone, Copy, clap::Args)]
pub struct Listen {
    /// The port [default: the application's own]
    #[arg(long, env = "PORT")]
    pub port: Option<u16>,
    /// The address [default: all, of IPv6 and IPv4]
    #[arg(long, env = "ADDRESS")]
    pub address: Option<IpAddr>,
}

impl Listen {
    /// Binds the port, or `default`, and says on standard output what was bound.
    pub async fn bind(self, name: &str, default: u16) -> io::Result<TcpListener> {
        let port = self.port.unwrap_or(default);
        let listener = match self.address {
            Some(address) => TcpListener::bind((address, port)).await,
            // A pod may have no IPv6 at all.
            None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
                }
                bound => bound,
            },
        }
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("can't listen on port {port}: {error}"),
            )
        })?;
        println!("{name} listens on {}", listener.local_addr()?);
        Ok(listener)
    }
}

/// Resolves on the first SIGTERM or SIGINT.
pub async fn terminated() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Accepts connections until SIGTERM, and hands each to `serve` in a task of its own.
pub async fn accept<S, F>(listener: TcpListener, serve: S) -> io::Result<()>
where
    S: Fn(TcpStream, SocketAddr) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut end = std::pin::pin!(terminated());
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        tokio::select! {
            ended = &mut end => return ended,
            (slot, accepted) = next => match accepted {
                Ok((stream, peer)) => {
                    let served = serve(stream, peer);
                    tokio::spawn(async move {
                        let _slot = slot;
                        served.await;
                    });
                }
                // A caller that has gone, or no file descriptor: the next may fare better.
                Err(error) => {
                    eprintln!("can't accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Serves HTTP/1.1 and HTTP/2 with prior knowledge until SIGTERM, then waits until the
/// requests that run are answered. A request's extensions hold the caller's `SocketAddr`.
pub async fn http<H, F>(listener: TcpListener, handler: H) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(256);

    accept(listener, |stream, peer| {
        // Small answers are not to wait for the acknowledgement of the last ones.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let answered = handler(request);
            async move { Ok::<_, Infallible>(answered.await) }
        });
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let connection = graceful.watch(connection);
        async move {
            // How a connection ends is its caller's affair.
            let _ = connection.await;
        }
    })
    .await?;

    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        eprintln!(
            "requests ran longer than {} s after SIGTERM; they are cut off",
            DRAIN.as_secs()
        );
    }
    Ok(())
}
