//! A client that a test plays by hand.

use futures::stream;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_envoy_api::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
    aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
};
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle};
use tonic::{Streaming, body::Body};
use tower::service_fn;

/// A stream, as the client sees it.
pub struct Calls {
    pub requests: mpsc::Sender<DeltaDiscoveryRequest>,
    pub responses: Streaming<DeltaDiscoveryResponse>,
    pub connection: JoinHandle<()>,
}

/// Connects, and sends the first request.
pub async fn connect(address: &str, first: DeltaDiscoveryRequest) -> Calls {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    let send = service_fn(move |request: http::Request<Body>| {
        let mut sender: http2::SendRequest<Body> = sender.clone();
        async move {
            let response: http::Response<Incoming> = sender.send_request(request).await?;
            Ok::<_, hyper::Error>(response)
        }
    });
    let origin = format!("http://{address}").parse().unwrap();
    let mut client = AggregatedDiscoveryServiceClient::with_origin(send, origin);
    let (requests, mut receiver) = mpsc::channel(64);
    requests.send(first).await.unwrap();
    let call = stream::poll_fn(move |context| receiver.poll_recv(context));
    let responses = client.delta_aggregated_resources(call).await.unwrap();
    Calls {
        requests,
        responses: responses.into_inner(),
        connection,
    }
}
