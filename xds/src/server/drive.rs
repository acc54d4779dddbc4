//! Streams with their connections.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use pillion_envoy_api::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tonic::Status;

use super::{DeltaStream, Observer, Reply, SotwStream, StreamError};
use crate::Snapshot;

/// How long a client may take until its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(15);

/// How long a client may take to make room for the last status.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How many requests are read in each second. The others wait where they are.
const REQUESTS_PER_SECOND: usize = 200;

/// How many resources a request may make the server walk, to count as one.
const WALK: usize = 1_000;

/// Serves a stream of `DeltaAggregatedResources`: what comes out at `responses` is to be
/// sent, at last perhaps a status. Returns when the stream has ended, from whichever side.
///
/// The newest snapshot is served. While the client does not read, nothing piles up. The gRPC
/// service that the requests come from should accept messages of up to
/// [`MAX_REQUEST_BYTES`](crate::limits::MAX_REQUEST_BYTES).
pub async fn serve_delta(
    requests: impl Stream<Item = Result<DeltaDiscoveryRequest, Status>>,
    snapshots: watch::Receiver<Snapshot>,
    responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    observer: &dyn Observer,
) {
    serve(requests, snapshots, responses, (observer, DeltaStream::new)).await;
}

/// Serves a stream of `StreamAggregatedResources`, as [`serve_delta`] serves the other.
pub async fn serve_sotw(
    requests: impl Stream<Item = Result<DiscoveryRequest, Status>>,
    snapshots: watch::Receiver<Snapshot>,
    responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    observer: &dyn Observer,
) {
    serve(requests, snapshots, responses, (observer, SotwStream::new)).await;
}

/// One of the two variants of the protocol.
trait Variant {
    type Request;
    type Response;

    fn type_url(request: &Self::Request) -> &str;
    fn request(&mut self, request: &Self::Request) -> Result<Option<Reply>, StreamError>;
    fn is_resumed(&self, type_url: &str) -> bool;
    fn update(&mut self, snapshot: Snapshot);
    fn is_ready(&self) -> bool;
    fn sent_version(&self, type_url: &str, name: &str) -> Option<Arc<str>>;
    fn take_walked(&mut self) -> usize;
    fn own_bytes(&self) -> usize;
    fn next(&mut self, observer: &dyn Observer) -> Option<Self::Response>;
}

macro_rules! variant {
    ($stream:ty, $request:ty, $response:ty) => {
        impl Variant for $stream {
            type Request = $request;
            type Response = $response;

            fn type_url(request: &$request) -> &str {
                &request.type_url
            }

            fn is_resumed(&self, type_url: &str) -> bool {
                self.types().is_resumed(type_url)
            }

            fn request(&mut self, request: &$request) -> Result<Option<Reply>, StreamError> {
                self.request(request)
            }

            fn update(&mut self, snapshot: Snapshot) {
                self.update(snapshot);
            }

            fn is_ready(&self) -> bool {
                self.is_ready()
            }

            fn sent_version(&self, type_url: &str, name: &str) -> Option<Arc<str>> {
                self.sent_version(type_url, name)
            }

            fn take_walked(&mut self) -> usize {
                self.take_walked()
            }

            fn own_bytes(&self) -> usize {
                self.own_bytes()
            }

            fn next(&mut self, observer: &dyn Observer) -> Option<$response> {
                self.next(observer)
            }
        }
    };
}

variant!(DeltaStream, DeltaDiscoveryRequest, DeltaDiscoveryResponse);
variant!(SotwStream, DiscoveryRequest, DiscoveryResponse);

async fn serve<V: Variant>(
    requests: impl Stream<Item = Result<V::Request, Status>>,
    mut snapshots: watch::Receiver<Snapshot>,
    responses: mpsc::Sender<Result<V::Response, Status>>,
    (observer, new): (&dyn Observer, fn(Snapshot) -> V),
) {
    let mut requests = pin!(requests);
    let mut stream = new(snapshots.borrow_and_update().clone());
    let end = async {
        let Ok(first) = timeout(FIRST_REQUEST, requests.next()).await else {
            return Some(Status::deadline_exceeded(
                "the stream began without a request",
            ));
        };
        let mut next = first;
        let mut pace = Pace::new();
        loop {
            match next {
                None => return None,
                Some(Err(status)) => return Some(status),
                Some(Ok(request)) => {
                    match stream.request(&request) {
                        Err(error) => return Some(error.into()),
                        Ok(None) => {}
                        Ok(Some(reply)) => reply.tell(observer, &|name: &str| {
                            stream.sent_version(&reply.type_url, name)
                        }),
                    }
                    let type_url = V::type_url(&request);
                    if stream.is_resumed(type_url) {
                        observer.resumed(type_url);
                    }
                }
            }
            if !observer.has_room(stream.own_bytes()) {
                return Some(Status::resource_exhausted(
                    "the client, or all clients together, subscribe to more names that this server does not have than it \
                     has memory for",
                ));
            }
            pace.count(1 + stream.take_walked() / WALK);
            next = loop {
                tokio::select! {
                    biased;
                    permit = responses.reserve(), if stream.is_ready() => {
                        let Ok(permit) = permit else { return None };
                        if let Some(response) = stream.next(observer) {
                            permit.send(Ok(response));
                        }
                    }
                    changed = snapshots.changed() => {
                        if changed.is_err() {
                            return Some(Status::unavailable("the server is shutting down"));
                        }
                        stream.update(snapshots.borrow_and_update().clone());
                    }
                    request = pace.pass(requests.next()) => break request,
                    () = responses.closed() => return None,
                }
            };
        }
    };
    let status = end.await;
    // It takes no memory while its client is told why it has ended.
    drop(stream);
    let _ = observer.has_room(0);
    if let Some(status) = status {
        // The client may have gone, or not read: the stream ends all the same.
        let _ = timeout(LAST_WORD, responses.send(Err(status))).await;
    }
}

/// Holds requests back that come too fast.
struct Pace {
    /// When the next second begins.
    renewed: Instant,
    left: usize,
}

impl Pace {
    fn new() -> Self {
        Self {
            renewed: Instant::now() + Duration::from_secs(1),
            left: REQUESTS_PER_SECOND,
        }
    }

    /// Counts a request that is as much work as so many.
    fn count(&mut self, requests: usize) {
        self.left = self.left.saturating_sub(requests);
    }

    /// Waits for something, after the pause that is due.
    async fn pass<T>(&mut self, next: impl Future<Output = T>) -> T {
        if self.left == 0 {
            sleep_until(self.renewed).await;
        }
        let now = Instant::now();
        if now >= self.renewed {
            self.renewed = now + Duration::from_secs(1);
            self.left = REQUESTS_PER_SECOND;
        }
        next.await
    }
}
