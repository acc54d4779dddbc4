//! Asking a port of a pod that only its own containers reach, through the API server's
//! `pods/portforward`: the caller's permissions decide who may, and nothing is exposed.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::FutureExt;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::time::timeout;

use super::proxied_pod::PodName;
use crate::text::{printable, shorten};

/// How long the API server and the kubelet may take to connect.
const CONNECT: Duration = Duration::from_secs(15);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);
/// The largest answer, in bytes: that of a proxy with tens of thousands of clusters.
const LARGEST: usize = 64 << 20;
/// The longest text of an error, in bytes.
const ERROR: usize = 1_024;

/// An answer with another status than 200.
#[derive(Debug, thiserror::Error)]
#[error("{path} answers {status}: {text}")]
struct OtherStatus {
    path: String,
    status: StatusCode,
    text: String,
}

/// Whether the port has been reached, and has answered that there is nothing at this path.
pub(super) fn is_not_found(error: &anyhow::Error) -> bool {
    let other: Option<&OtherStatus> = error.downcast_ref();
    other.is_some_and(|other| other.status == StatusCode::NOT_FOUND)
}

/// Returns what a pod's port answers to `GET path`.
///
/// # Errors
///
/// Returns an error if the port can't be reached, for one for lack of permission, or answers
/// with another status than 200.
pub(super) async fn get(
    client: &Client,
    pod: &PodName,
    port: u16,
    path: &str,
) -> anyhow::Result<Bytes> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    let ports = [port];
    let forwarder = timeout(CONNECT, api.portforward(&pod.name, &ports)).await;
    let mut forwarder = forwarder
        .map_err(|_| {
            anyhow!("the API server does not connect to the pod {pod} within {CONNECT:?}")
        })?
        .map_err(|error| refused(error, pod))?;
    let stream = forwarder.take_stream(port);
    let stream = stream.context("the port is not forwarded")?;
    let failure = forwarder.take_error(port);
    let answer = timeout(ANSWER, exchange(TokioIo::new(stream), path)).await;
    forwarder.abort();
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) if error.is::<OtherStatus>() => {
            Err(error).with_context(|| format!("the pod {pod} refuses the request at port {port}"))
        }
        Ok(Err(error)) => {
            // Only the kubelet knows why, if it has said so.
            let reason = failure.and_then(FutureExt::now_or_never).flatten();
            let error = reason.map_or(error, |reason| anyhow!("{}", clean(&reason)));
            Err(error).with_context(|| {
                format!("the pod {pod} does not answer at port {port} of its loopback address")
            })
        }
        Err(_) => bail!("the pod {pod} does not answer at port {port} within {ANSWER:?}"),
    }
}

async fn exchange(
    stream: TokioIo<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>,
    path: &str,
) -> anyhow::Result<Bytes> {
    let (mut sender, connection) = http1::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body
        .map_err(|error| anyhow!("cannot read the answer to {path}: {error}"))?
        .to_bytes();
    connection.abort();
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let text = clean(text.lines().next().unwrap_or_default());
        return Err(anyhow::Error::new(OtherStatus {
            path: path.to_owned(),
            status,
            text,
        }));
    }
    Ok(body)
}

/// A text of a pod or a node that goes to the terminal.
fn clean(text: &str) -> String {
    printable(shorten(text.trim(), ERROR))
}

/// Why the API server does not forward the port.
fn refused(error: kube::Error, pod: &PodName) -> anyhow::Error {
    let status = match &error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let text = match status {
        401 => "the API server does not know you: log in again".to_owned(),
        403 => format!(
            "you may not forward ports of pods in the namespace {}: this needs the verbs get and create for \
             pods/portforward",
            pod.namespace
        ),
        404 => format!("there is no pod {pod}"),
        _ => format!("cannot forward a port of the pod {pod}"),
    };
    anyhow::Error::from(error).context(text)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// What is made of the answer of a port.
    async fn asked(answer: &'static str) -> anyhow::Result<Bytes> {
        let (ours, mut theirs) = duplex(4_096);
        let serve = async move {
            let mut request = [0; 4_096];
            let read = theirs.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /tracing HTTP/1.1\r\n"));
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs
        };
        let (answer, _) = tokio::join!(exchange(TokioIo::new(ours), "/tracing"), serve);
        answer
    }

    #[tokio::test]
    async fn tells_what_is_not_there_from_other_failures() {
        let ok = asked("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
        assert_eq!(&*ok.unwrap(), b"hi");
        let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 12\r\n\r\ninvalid path";
        let error = asked(none).await.unwrap_err().context("asked");
        assert!(is_not_found(&error), "{error:?}");
        assert_eq!(
            error.root_cause().to_string(),
            "/tracing answers 404 Not Found: invalid path"
        );
        let failed = asked("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n").await;
        assert!(!is_not_found(&failed.unwrap_err()));
    }
}
