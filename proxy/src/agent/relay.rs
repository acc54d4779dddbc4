//! Takes Envoy's streams of configuration to the control plane, and adds the pod's token.
//!
//! A stream of Envoy's is a stream on a connection of its own, with the token of then. What goes over it is not
//! looked at: bytes are passed on as they come, and no faster than the other side takes them.

use std::{
    future::poll_fn,
    mem::{self, Discriminant},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{CONTENT_TYPE, TE},
    uri::PathAndQuery,
};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use pillion_xds::client::{Calls, Connect, ConnectError, Connection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tonic::{Status, body::Body, client::GrpcService};

/// The method of the incremental variant.
const DELTA: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
/// The method of the variant "state of the world".
const SOTW: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
/// Streams at a time. Envoy has one; the one before it may still be ending.
const STREAMS: usize = 4;
/// For the beginning of an answer, which comes before the first resource.
const PATIENCE: Duration = Duration::from_secs(15);

/// The way to the control plane.
#[derive(Debug)]
pub(super) struct Relay {
    server: Connect,
    streams: Arc<Semaphore>,
    /// Why the control plane can't be reached, if it can't: that is told once.
    trouble: Mutex<Option<Discriminant<ConnectError>>>,
}

impl Relay {
    pub fn new(server: Connect) -> Self {
        Self {
            server,
            streams: Arc::new(Semaphore::new(STREAMS)),
            trouble: Mutex::default(),
        }
    }

    /// Answers a request of Envoy's.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self.pass_on(request).await {
            Ok(response) => response,
            Err(status) => status.into_http(),
        }
    }

    async fn pass_on<B>(&self, request: Request<B>) -> Result<Response<Body>, Status>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let path = match request.uri().path() {
            DELTA => DELTA,
            SOTW => SOTW,
            _ => return Err(Status::unimplemented("only streams of ADS are relayed")),
        };
        let Ok(place) = Arc::clone(&self.streams).try_acquire_owned() else {
            let text = format!("{STREAMS} streams are open already");
            return Err(Status::resource_exhausted(text));
        };
        let opened = Connection::open(&self.server).await;
        self.tell(opened.as_ref().err());
        let connection = opened.map_err(|error| {
            let text = format!("no connection to {}: {error}", self.server.address);
            Status::unavailable(text)
        })?;
        let outgoing = outgoing(&connection, path, Body::new(request.into_body()))?;
        let mut calls = connection.calls();
        let broken = |error: hyper::Error| {
            let text = format!("the connection to {} broke: {error}", self.server.address);
            Status::unavailable(text)
        };
        let asking = async {
            poll_fn(|context| <Calls as GrpcService<Body>>::poll_ready(&mut calls, context))
                .await?;
            <Calls as GrpcService<Body>>::call(&mut calls, outgoing).await
        };
        let answered = timeout(PATIENCE, asking).await.map_err(|_| {
            let (to, seconds) = (&self.server.address, PATIENCE.as_secs());
            Status::unavailable(format!("no answer from {to} within {seconds} s"))
        })?;
        let (head, body) = answered.map_err(broken)?.into_parts();
        let mut response = Response::new(Body::new(Relayed {
            body,
            _connection: connection,
            _place: place,
        }));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    /// Has the log say once why there is no connection, and that there is one again. Envoy tries again by itself.
    fn tell(&self, error: Option<&ConnectError>) {
        let kind = error.map(mem::discriminant);
        // A value is whole after any panic.
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *trouble, kind);
        let server = self.server.address.as_str();
        match error {
            Some(error) if before != kind => tracing::warn!(
                server,
                "not connected to the control plane: {error}; Envoy keeps what it has, and tries again"
            ),
            None if before.is_some() => {
                tracing::info!(server, "connected to the control plane again");
            }
            _ => {}
        }
    }
}

/// The same request to the control plane, with the token. Nothing that Envoy says of itself goes along.
fn outgoing(
    connection: &Connection,
    path: &'static str,
    body: Body,
) -> Result<Request<Body>, Status> {
    let mut parts = connection.origin().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(path));
    let uri = Uri::from_parts(parts).map_err(|error| Status::internal(error.to_string()))?;
    let (metadata, ..) = connection.request(()).into_parts();
    let mut request = Request::post(uri)
        .body(body)
        .map_err(|error| Status::internal(error.to_string()))?;
    let headers = request.headers_mut();
    *headers = metadata.into_headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Ok(request)
}

/// What comes back. The connection ends with it.
struct Relayed {
    body: Incoming,
    _connection: Connection,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use pillion_envoy_api::{
        envoy::{
            config::cluster::v3::Cluster,
            service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
        },
        type_url,
    };
    use pillion_xds::client::Provider;

    use super::*;
    use crate::{
        agent::test_util::{Replies, request},
        config::tests::server::{Server, bytes},
    };

    fn asks_for_clusters() -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            type_url: type_url::CLUSTER.to_owned(),
            resource_names_subscribe: vec!["*".to_owned()],
            ..DeltaDiscoveryRequest::default()
        }
    }

    #[tokio::test]
    async fn a_stream_is_passed_on_with_the_token_of_then() {
        let server = Server::start("agent-relay").await;
        let cluster = |name: &str| {
            bytes(&Cluster {
                name: name.to_owned(),
                ..Cluster::default()
            })
        };
        server.set(type_url::CLUSTER, vec![("one", cluster("one"))]);
        let token = Arc::new(Mutex::new("first".to_owned()));
        let newest = Arc::clone(&token);
        let provider: Provider = Arc::new(move || Ok(newest.lock().unwrap().clone()));
        let relay = Relay::new(Connect {
            token: Some(provider),
            ..server.connect()
        });

        let (messages, asked) = request(DELTA, &asks_for_clusters());
        let mut replies = Replies::<DeltaDiscoveryResponse>::of(relay.answer(asked).await);
        let names = |response: &DeltaDiscoveryResponse| {
            let names = response.resources.iter().map(|one| one.name.clone());
            names.collect::<Vec<_>>()
        };
        let first = replies.next().await;
        assert_eq!(names(&first), ["one"]);
        assert_eq!(server.authorization().unwrap(), "Bearer first");
        messages.send(&DeltaDiscoveryRequest {
            type_url: type_url::CLUSTER.to_owned(),
            response_nonce: first.nonce,
            ..DeltaDiscoveryRequest::default()
        });
        server.add(type_url::CLUSTER, "two", cluster("two"));
        assert_eq!(names(&replies.next().await), ["two"]);

        *token.lock().unwrap() = "second".to_owned();
        let (_messages, asked) = request(DELTA, &asks_for_clusters());
        let mut replies = Replies::<DeltaDiscoveryResponse>::of(relay.answer(asked).await);
        assert_eq!(names(&replies.next().await), ["one", "two"]);
        assert_eq!(server.authorization().unwrap(), "Bearer second");
    }

    /// The status of an answer that is nothing else.
    async fn refusal(relay: &Relay, path: &'static str) -> Status {
        let (_messages, asked) = request(path, &asks_for_clusters());
        let answer = relay.answer(asked).await;
        Status::from_header_map(answer.headers()).unwrap()
    }

    #[tokio::test]
    async fn a_control_plane_that_is_away_and_other_methods_are_refused_in_words() {
        let roots: Provider = Arc::new(|| Err(io::Error::other("no file")));
        let relay = Relay::new(Connect {
            address: "127.0.0.1:1".to_owned(),
            roots: Some(roots),
            token: None,
        });
        let status = refusal(&relay, DELTA).await;
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert!(status.message().contains("127.0.0.1:1"), "{status}");
        assert!(status.message().contains("no file"), "{status}");
        let status = refusal(&relay, "/other").await;
        assert_eq!(status.code(), tonic::Code::Unimplemented);
    }

    #[tokio::test]
    async fn streams_are_bounded_and_end_with_envoy() {
        let server = Server::start("agent-relay-bound").await;
        let relay = Relay::new(server.connect());
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let (messages, asked) = request(DELTA, &asks_for_clusters());
            open.push((messages, relay.answer(asked).await));
        }
        let status = refusal(&relay, DELTA).await;
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        drop(open);
        let (_messages, asked) = request(DELTA, &asks_for_clusters());
        let answer = relay.answer(asked).await;
        assert!(!answer.headers().contains_key("grpc-status"));
    }
}
