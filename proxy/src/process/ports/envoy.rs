//! Questions and orders to the administrator's port of an Envoy in this pod.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use tokio::time::timeout;

use super::request::{RequestError, exchange, open};
use crate::process::port_numbers;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is read of an answer.
const MAX_BYTES: usize = 256 * 1024;

/// Why Envoy has not answered.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct NoAnswer(Why);

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the request can't be written: {0}")]
    Invalid(#[from] axum::http::Error),
    #[error("no answer within {PATIENCE:?}")]
    Silent,
}

/// Sends a request, and returns the status and the text that comes back.
///
/// # Errors
///
/// When Envoy does not answer in time, or not at all.
pub(crate) async fn ask_envoy(
    method: Method,
    path: &'static str,
) -> Result<(StatusCode, String), NoAnswer> {
    let asked = Box::pin(ask(method, path));
    match timeout(PATIENCE, asked).await {
        Ok(answered) => answered.map_err(NoAnswer),
        Err(_) => Err(NoAnswer(Why::Silent)),
    }
}

async fn ask(method: Method, path: &'static str) -> Result<(StatusCode, String), Why> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port_numbers::ADMIN));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONNECTION, "close")
        .body(Empty::new())?;
    let stream = open(address, None, PATIENCE).await?;
    let answer = exchange(stream, request, MAX_BYTES).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    Ok((answer.head.status, text))
}
