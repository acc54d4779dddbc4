//! Asking a port of a pod that only its own containers reach, through the API server's
//! `pods/portforward`: the caller's permissions decide who may, and nothing is exposed.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures::FutureExt;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
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
        bail!("{path} answers {status}: {text}");
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
