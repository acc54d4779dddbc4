//! The sockets on which Envoy speaks with its agent: HTTP/2, for gRPC.

use std::{
    convert::Infallible, fs, io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::UnixListener, sync::Semaphore, time::sleep};
use tonic::body::Body;

/// Connections at a time; Envoy needs one for each of its workers at most.
const CONNECTIONS: usize = 128;
/// Streams of a connection.
const STREAMS: u32 = 128;
/// The bytes that may be on their way in a stream.
const WINDOW: u32 = 1 << 20;
/// The most bytes of headers.
const MAX_HEADERS: u32 = 16 << 10;
/// After a failure to accept: there may be no descriptors for a while.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a socket, which only the proxy's user may open.
pub(super) fn open(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    // Nobody comes before: its folder is the agent's own.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers what comes, for as long as the process runs.
pub(super) async fn serve<F, A>(listener: UnixListener, answer: F)
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection of Envoy's");
                sleep(PAUSE).await;
                continue;
            }
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .initial_stream_window_size(WINDOW)
                .initial_connection_window_size(WINDOW)
                .max_header_list_size(MAX_HEADERS);
            let served = builder.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection of Envoy's has failed");
            }
            drop(place);
        });
    }
}
