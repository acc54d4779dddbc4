//! The application that the W3C's tests ask for: a POST has a list of calls, which it makes, with the headers of traces as
//! they came.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    header::{CONTENT_TYPE, HOST},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

/// A call to make.
#[derive(Debug, Deserialize)]
struct Call {
    url: String,
    /// What it says.
    arguments: Value,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Serves until the pod ends.
pub async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let service = service_fn(answer);
            // A client that goes is no failure.
            let _ = server::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Full::new(Bytes::from_static(b"null")));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    if let Err(error) = make_calls(&head.headers, body).await {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        *response.body_mut() = Full::new(Bytes::from(error.to_string()));
    }
    Ok(response)
}

async fn make_calls(incoming: &HeaderMap, body: Incoming) -> Result<(), Failure> {
    let body = body.collect().await?.to_bytes();
    let calls: Vec<Call> = serde_json::from_slice(&body)?;
    for call in calls {
        make(incoming, &call).await?;
    }
    Ok(())
}

async fn make(incoming: &HeaderMap, call: &Call) -> Result<(), Failure> {
    let url: Uri = call.url.parse()?;
    let host = url.authority().ok_or("a URL without a host")?.as_str();
    let stream = TcpStream::connect(host).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/json");
    for name in ["traceparent", "tracestate", "x-request-id"] {
        for value in incoming.get_all(name) {
            request = request.header(name, value);
        }
    }
    let body = Full::new(Bytes::from(serde_json::to_vec(&call.arguments)?));
    let answer = sender.send_request(request.body(body)?).await?;
    if !answer.status().is_success() {
        return Err(format!("{} answered {}", call.url, answer.status()).into());
    }
    answer.into_body().collect().await?;
    Ok(())
}
