//! The two methods as HTTP sees them.

use std::error::Error;

use hyper::{Request as HttpRequest, Response as HttpResponse, body::Body};
use pillion_envoy_api::{
    MessageDecoder,
    envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
};
use pillion_xds::{limits::MAX_REQUEST_BYTES, server::answer};
use tonic::{Request, Status, Streaming, metadata::MetadataMap};

use super::stream::{Ads, Variant};

/// The method of the incremental variant.
pub(in crate::discovery) const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/// The method of the variant "state of the world".
pub(in crate::discovery) const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

impl Ads {
    /// Answers a request to one of the two methods.
    pub async fn call<B>(
        &self,
        request: HttpRequest<B>,
    ) -> Result<HttpResponse<tonic::body::Body>, Status>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if request.uri().path() == SOTW {
            answer_to::<DiscoveryRequest, B>(self, request).await
        } else {
            answer_to::<DeltaDiscoveryRequest, B>(self, request).await
        }
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
