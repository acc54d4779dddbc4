//! The application's probes and hooks, which the injector has pointed at the status port:
//! the kubelet asks the proxy, and the proxy asks the application.

mod grpc;
mod http;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header, request},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{
    client::ClientError,
    request::{Answer, RequestError, open},
};
use crate::{
    net::socket::{INBOUND_SOURCE_V4, INBOUND_SOURCE_V6},
    process::app_probes::{AppProbes, Handler, Probe},
};

/// The probes, and where the application is.
#[derive(Clone)]
pub(super) struct Prober(Arc<Shared>);

struct Shared {
    probes: Arc<AppProbes>,
    application: IpAddr,
    status_port: u16,
    tls: TlsConnector,
}

/// Why a probe fails, besides what the application answers.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("no answer after {} s", .0.as_secs())]
    Timeout(Duration),
    #[error(transparent)]
    Http(#[from] ClientError),
    #[error(transparent)]
    Grpc(#[from] grpc::Failure),
}

impl Prober {
    /// Asks the application at this address of the pod.
    ///
    /// # Errors
    ///
    /// When TLS can't be set up.
    pub fn new(
        probes: Arc<AppProbes>,
        application: IpAddr,
        status_port: u16,
    ) -> Result<Self, rustls::Error> {
        let tls = pillion_certs::unverified_client_config()?;
        Ok(Self(Arc::new(Shared {
            probes,
            application,
            status_port,
            tls: TlsConnector::from(Arc::new(tls)),
        })))
    }

    pub fn routes(&self) -> Router {
        let probe = || {
            let this = self.clone();
            get(async move |request: Request| this.0.answer(request).await)
        };
        Router::new()
            .route("/app-health/{*probe}", probe())
            .route("/app-lifecycle/{*hook}", probe())
    }
}

impl Shared {
    async fn answer(&self, request: Request) -> Response {
        let (head, _) = request.into_parts();
        let path = head.uri.path();
        match self.probes.find(path) {
            Some(Ok(probe)) => {
                // A hook may take long: its future is large enough to live elsewhere.
                match timeout(probe.timeout, Box::pin(self.ask(probe, &head))).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(failure)) => failed(path, &failure),
                    Err(_) => failed(path, &Failure::Timeout(probe.timeout)),
                }
            }
            Some(Err(fault)) => {
                let text =
                    format!("the probe {path} of ISTIO_KUBE_APP_PROBERS is wrong: {fault}\n");
                (StatusCode::NOT_FOUND, text).into_response()
            }
            None => {
                let text = format!("ISTIO_KUBE_APP_PROBERS has no probe {path}\n");
                (StatusCode::NOT_FOUND, text).into_response()
            }
        }
    }

    async fn ask(&self, probe: &Probe, head: &request::Parts) -> Result<Response, Failure> {
        let within = probe.timeout;
        match &probe.handler {
            Handler::Tcp { port } => {
                open(self.address(*port), Some(self.source()), within).await?;
                Ok("connected\n".into_response())
            }
            Handler::Http(get) => Ok(passed_on(self.http(get, head, within).await?)),
            Handler::Grpc { port, service } => {
                let address = self.address(*port);
                let stream = open(address, Some(self.source()), within).await?;
                let agent = head.headers.get(header::USER_AGENT);
                grpc::check(stream, address, service, agent).await?;
                Ok("SERVING\n".into_response())
            }
        }
    }

    fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.application, port)
    }

    /// The rules of capture let this address pass: otherwise a connection to the pod's own
    /// address would come back as one from outside.
    fn source(&self) -> IpAddr {
        match self.application {
            IpAddr::V4(_) => INBOUND_SOURCE_V4.into(),
            IpAddr::V6(_) => INBOUND_SOURCE_V6.into(),
        }
    }
}

fn failed(path: &str, failure: &Failure) -> Response {
    tracing::debug!(path, %failure, "a probe of the application failed");
    let text = format!("the application's probe failed: {failure}\n");
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// The application's status, and what the kubelet shows of its body.
fn passed_on(answer: Answer) -> Response {
    // One that is still here leads elsewhere, which the kubelet takes for health. Passed on,
    // it would have the kubelet go there.
    if answer.head.status.is_redirection() {
        return StatusCode::OK.into_response();
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.head.status;
    let headers = &answer.head.headers;
    // Half of a compressed body can't be read by anyone.
    if !headers.contains_key(header::CONTENT_ENCODING) {
        copy(headers, header::CONTENT_TYPE, response.headers_mut());
        *response.body_mut() = answer.body.into();
    }
    response
}

fn copy(from: &HeaderMap, name: header::HeaderName, to: &mut HeaderMap) {
    if let Some(value) = from.get(&name) {
        to.insert(name, value.clone());
    }
}
