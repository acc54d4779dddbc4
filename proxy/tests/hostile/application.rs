//! The pod's application, which knows nothing of enemies.

use std::{convert::Infallible, net::SocketAddr};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};

/// Bytes of `/large`.
pub const LARGE: usize = 1024 * 1024;

/// Serves HTTP/1 and HTTP/2 at these addresses, until the process ends.
pub fn serve(addresses: &[SocketAddr]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut accepting = tokio::task::JoinSet::new();
        for address in addresses {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            accepting.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(async move {
                        let builder = auto::Builder::new(TokioExecutor::new());
                        let served =
                            builder.serve_connection(TokioIo::new(stream), service_fn(answer));
                        // Whoever breaks it off has had enough.
                        let _ = served.await;
                    });
                }
            });
        }
        accepting.join_next().await;
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    // Bodies are read and forgotten.
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    let body = match &path[..] {
        "/large" => Bytes::from(vec![b'x'; LARGE]),
        _ => Bytes::from_static(b"served\n"),
    };
    Ok(Response::new(Full::new(body)))
}
