//! Small applications on real sockets, each on threads of its own until the test's end.

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader, Write as _},
    net::{IpAddr, TcpListener},
    sync::Arc,
    thread,
};

use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Somebody who listens and says nothing.
pub fn tcp(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap()
}

/// What an application of [`http`] is asked.
pub struct Asked {
    pub path: String,
    /// The whole head.
    pub head: String,
    pub peer: IpAddr,
}

/// An HTTP/1.1 server. The function returns the status, further fields with their lines'
/// ends, and the body.
pub fn http(
    address: &str,
    answer: impl Fn(&Asked) -> (u16, String, String) + Send + Sync + 'static,
) {
    let listener = TcpListener::bind(address).unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        while let Ok((mut stream, peer)) = listener.accept() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).unwrap_or(0) == 0 {
                        return;
                    }
                }
                let asked = Asked {
                    path: head.split(' ').nth(1).unwrap().to_owned(),
                    head,
                    peer: peer.ip(),
                };
                let (status, fields, body) = answer(&asked);
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} Said\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
                );
                // The proxy may have seen enough.
                let _ = stream.write_all(text.as_bytes());
            });
        }
    });
}

/// An HTTPS server with a certificate that nobody has reason to trust.
pub fn https(address: &str, body: &'static str) {
    let listener = TcpListener::bind(address).unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["elsewhere.example".to_owned()]);
    let certified = certified.unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(listener, move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(async |_: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                    body.as_bytes(),
                ))))
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        }
    });
}

/// A gRPC server with `grpc.health.v1.Health` for the services "" (healthy) and "sick";
/// for "none" it acts as one without that protocol.
pub fn grpc(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    serve(listener, async |stream| {
        let service = service_fn(health);
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
}

type Frames =
    StreamBody<futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn health(request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let service = String::from_utf8_lossy(body.get(7..).unwrap_or_default()).into_owned();
    let (message, status, text) = match service.as_str() {
        "" => (Some(1), "0", ""),
        "sick" => (Some(2), "0", ""),
        "none" => (None, "12", ""),
        _ => (None, "5", "no such service"),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers.insert("grpc-message", text.parse().unwrap());
    let response = Response::builder().header("content-type", "application/grpc");
    let frames = |frames: Vec<_>| StreamBody::new(futures::stream::iter(frames));
    let Some(message) = message else {
        let mut response = response.body(frames(Vec::new())).unwrap();
        response.headers_mut().extend(trailers);
        return Ok(response);
    };
    let message = Bytes::from(vec![0, 0, 0, 0, 2, 8, message]);
    let both = vec![Ok(Frame::data(message)), Ok(Frame::trailers(trailers))];
    Ok(response.body(frames(both)).unwrap())
}

/// Accepts connections on a thread with a runtime of its own.
fn serve<F>(listener: TcpListener, handle: impl Fn(tokio::net::TcpStream) -> F + Send + 'static)
where
    F: Future<Output = ()> + 'static,
{
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(handle(stream));
            }
        });
    });
}
