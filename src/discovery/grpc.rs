//! The services of the port for proxies, by the paths of their methods.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{Request, Response, body::Body};
use tonic::Status;

use super::{
    ads::{self, Ads},
    ca::{self, Ca},
};

/// Answers requests. tonic's own server would read the whole of a request before it asks who sent
/// it, and keep a copy of the largest response for each stream.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub ads: Ads,
    /// Not there without TLS.
    pub ca: Option<Ca>,
}

impl<B> tonic::codegen::Service<Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { ads, ca } = self.clone();
        Box::pin(async move {
            let answered = match (request.uri().path(), ca) {
                (ads::DELTA | ads::SOTW, _) => ads.call(request).await,
                (ca::CREATE, Some(ca)) => ca.call(request).await,
                (path, _) => Err(Status::unimplemented(format!("there is no method {path}"))),
            };
            Ok(answered.unwrap_or_else(Status::into_http))
        })
    }
}
