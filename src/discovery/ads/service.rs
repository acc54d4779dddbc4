//! The service as HTTP sees it.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::{Request as HttpRequest, Response as HttpResponse, body::Body};
use pillion_envoy_api::{
    MessageDecoder,
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
};
use pillion_xds::{limits::MAX_REQUEST_BYTES, server::answer};
use tonic::{Request, Status, Streaming, metadata::MetadataMap};

use super::stream::{Ads, Variant};

const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// Serves the two methods. tonic's own server would keep a copy of the largest response for each stream.
#[derive(Debug, Clone)]
pub(super) struct Service(pub Ads);

impl<B> tonic::codegen::Service<HttpRequest<B>> for Service
where
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = HttpResponse<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let ads = self.0.clone();
        Box::pin(async move {
            let answered = match request.uri().path() {
                DELTA => answer_to::<DeltaDiscoveryRequest, B>(&ads, request).await,
                SOTW => answer_to::<DiscoveryRequest, B>(&ads, request).await,
                path => Err(Status::unimplemented(format!("there is no method {path}"))),
            };
            Ok(answered.unwrap_or_else(Status::into_http))
        })
    }
}

async fn answer_to<Q, B>(
    ads: &Ads,
    request: HttpRequest<B>,
) -> Result<HttpResponse<tonic::body::Body>, Status>
where
    Q: Variant,
    B: Body + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let decoder = MessageDecoder::<Q>::default();
    let requests = Streaming::new_request(decoder, body, None, Some(MAX_REQUEST_BYTES));
    let metadata = MetadataMap::from_headers(parts.headers);
    let request = Request::from_parts(metadata, parts.extensions, requests);
    Ok(answer(ads.begin(request).await?))
}
