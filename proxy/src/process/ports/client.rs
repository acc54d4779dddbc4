//! A client of the pod's own servers.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::Empty;
use tokio_rustls::TlsConnector;

use super::{
    redirect::{NotUrl, Redirect, Target, redirect},
    request::{Answer, RequestError, exchange, open, secure},
};
use crate::process::app_probes::Scheme;

/// Requests until a redirect is followed no more, as in Go's HTTP client.
const MAX_REQUESTS: usize = 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("more than {MAX_REQUESTS} redirects")]
    Redirects,
    #[error(transparent)]
    Location(#[from] NotUrl),
    #[error("redirected to HTTPS, which is not spoken here")]
    NoTls,
    #[error("the request can't be written: {0}")]
    Invalid(#[from] axum::http::Error),
}

/// How a server is asked.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub address: IpAddr,
    pub from: Option<IpAddr>,
    pub tls: Option<&'a TlsConnector>,
    /// For each connection; the caller bounds the whole.
    pub within: Duration,
}

impl Client<'_> {
    /// Asks, and follows redirects to the same address. Reads at most `limit` bytes of
    /// the answer's body.
    pub async fn get(
        &self,
        mut target: Target,
        mut headers: HeaderMap,
        limit: usize,
    ) -> Result<Answer, ClientError> {
        for _ in 0..MAX_REQUESTS {
            let answer = self.send(&target, headers.clone(), limit).await?;
            let Some(Redirect::Here(next, authority)) = redirect(&target, &answer, self.address)?
            else {
                return Ok(answer);
            };
            let host = authority.map(|authority| HeaderValue::from_str(authority.as_str()));
            if let Some(Ok(host)) = host {
                headers.insert(header::HOST, host);
            }
            target = next;
        }
        Err(ClientError::Redirects)
    }

    async fn send(
        &self,
        target: &Target,
        headers: HeaderMap,
        limit: usize,
    ) -> Result<Answer, ClientError> {
        let mut request = Request::get(target.path.as_str()).body(Empty::new())?;
        *request.headers_mut() = headers;
        let address = SocketAddr::new(self.address, target.port);
        let stream = open(address, self.from, self.within).await?;
        let answer = match target.scheme {
            Scheme::Http => exchange(stream, request, limit).await?,
            Scheme::Https => {
                let tls = self.tls.ok_or(ClientError::NoTls)?;
                exchange(secure(stream, address, tls).await?, request, limit).await?
            }
        };
        Ok(answer)
    }
}
