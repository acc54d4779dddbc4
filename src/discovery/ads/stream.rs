//! One stream: who it is, what it may see, and when it ends.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use pillion_envoy_api::envoy::{
    config::core::v3::{Node, node::UserAgentVersionType},
    service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
};
use pillion_serve::Peer;
use pillion_xds::{
    Snapshot,
    server::{Response, serve_delta, serve_sotw},
};
use prost::{Message, Name};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming};

use super::{
    memory::Memory,
    observer::{StreamObserver, Throttles},
    streams::{Admitted, STREAMS, Streams},
};
use crate::{
    discovery::{
        client::Connect,
        identity::{Authenticator, Identity, Refusal, bearer},
        metrics::Metrics,
        proxies::{Tell, Tracked},
        update::Update,
    },
    model::Key,
};

/// How long a pod may take to be known: watches lag behind by less.
const UNKNOWN: Duration = Duration::from_secs(10);
/// How long a client without TLS may take until its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(15);
/// How long a client may take to make room for the last status.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Ads {
    /// Checks tokens; without it, a client is the pod that its node id names.
    authenticator: Option<Arc<Authenticator>>,
    streams: Streams,
    memory: Memory,
    updates: mpsc::Sender<Update>,
    metrics: Arc<Metrics>,
    throttles: Arc<Throttles>,
    tell: Tell,
    stop: CancellationToken,
}

/// What comes of a stream, and at last perhaps a status.
pub(super) type Answers<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

/// A stream, for which a pod's name is known, or is in its first request.
struct Opened {
    identity: Option<Identity>,
    address: IpAddr,
}

impl Ads {
    /// A service whose streams end when `stop` is cancelled.
    pub fn new(
        authenticator: Arc<Authenticator>,
        updates: mpsc::Sender<Update>,
        metrics: Arc<Metrics>,
        tell: Tell,
        stop: CancellationToken,
    ) -> Self {
        Self {
            authenticator: Some(authenticator),
            ..Self::of_anyone(updates, metrics, tell, stop)
        }
    }

    /// A service without authentication, whose streams end when `stop` is cancelled.
    pub fn of_anyone(
        updates: mpsc::Sender<Update>,
        metrics: Arc<Metrics>,
        tell: Tell,
        stop: CancellationToken,
    ) -> Self {
        Self {
            authenticator: None,
            streams: Streams::default(),
            memory: Memory::default(),
            updates,
            metrics,
            throttles: Arc::default(),
            tell,
            stop,
        }
    }

    /// Returns a copy of this service that does not authenticate its clients. It must only be served on loopback.
    pub fn without_authentication(&self) -> Self {
        Self {
            authenticator: None,
            ..self.clone()
        }
    }

    async fn open<T>(&self, request: &Request<T>) -> Result<Opened, Status> {
        let peer = request.extensions().get::<Peer>();
        let address = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.address().ip());
        let identity = match &self.authenticator {
            Some(authenticator) => {
                let token = bearer(request.metadata()).unwrap_or_default();
                let identified = authenticator.identify(token, address).await;
                let identity = identified.map_err(|refusal| refused(&refusal, address))?;
                if let Some(peer) = peer {
                    peer.record_useful();
                }
                Some(identity)
            }
            None => None,
        };
        Ok(Opened { identity, address })
    }

    /// Begins a stream, which a task of its own serves.
    pub(super) async fn begin<Q: Variant>(
        &self,
        request: Request<Streaming<Q>>,
    ) -> Result<Answers<Q::Response>, Status> {
        let opened = self.open(&request).await?;
        // Refused at once, it counts as a request that was of no use.
        let admitted = opened
            .identity
            .as_ref()
            .map(|identity| self.admit(identity));
        let admitted = admitted.transpose()?;
        let (responses, receiver) = mpsc::channel(1);
        let answers = answers(receiver, request.extensions().get::<Peer>());
        tokio::spawn(
            self.clone()
                .run((opened, admitted), request.into_inner(), responses),
        );
        Ok(answers)
    }

    /// Counts a stream of a pod.
    fn admit(&self, identity: &Identity) -> Result<Admitted, Status> {
        self.streams.admit(&identity.pod).ok_or_else(|| {
            let text = format!("the pod has {STREAMS} streams already");
            Status::resource_exhausted(text)
        })
    }

    /// Serves a stream until either side ends it.
    async fn run<Q: Variant>(
        self,
        (opened, admitted): (Opened, Option<Admitted>),
        mut requests: Streaming<Q>,
        responses: mpsc::Sender<Result<Q::Response, Status>>,
    ) {
        let mut first = None;
        let identity = match opened.identity {
            Some(identity) => Ok(identity),
            None => match timeout(FIRST_REQUEST, requests.next()).await {
                Ok(Some(Ok(request))) => {
                    let named = named(request.node());
                    first = Some(Ok(request));
                    named
                }
                _ => return,
            },
        };
        let requests: Requests<Q> = Box::pin(stream::iter(first).chain(requests));
        let status = match identity {
            Ok(identity) => match admitted.map_or_else(|| self.admit(&identity), Ok) {
                Ok(_admitted) => {
                    let (address, responses) = (opened.address, responses.clone());
                    self.serve(identity, address, requests, responses).await
                }
                Err(status) => Some(status),
            },
            Err(status) => Some(status),
        };
        if let Some(status) = status {
            // The client may have gone, or not read: the stream ends all the same.
            let _ = timeout(LAST_WORD, responses.send(Err(status))).await;
        }
    }

    /// Returns the last status, if it has not been sent.
    async fn serve<Q: Variant>(
        &self,
        identity: Identity,
        address: IpAddr,
        requests: Requests<Q>,
        responses: mpsc::Sender<Result<Q::Response, Status>>,
    ) -> Option<Status> {
        let _open = self.metrics.stream();
        let (sender, mut snapshots) = watch::channel(Snapshot::new());
        let gone = CancellationToken::new();
        let connect = Connect {
            pod: identity.pod.clone(),
            uid: identity.uid.clone(),
            snapshots: sender,
            gone: gone.clone(),
        };
        if self.updates.send(Update::Connect(connect)).await.is_err() {
            return Some(stopping());
        }
        let pod = &identity.pod;
        let tracked = Tracked::new(&self.tell, pod, address, snapshots.clone());
        let tracked = Arc::new(tracked);
        let requests = with_version(requests, Arc::clone(&tracked));
        let observer = StreamObserver {
            pod: identity.pod.clone(),
            address,
            metrics: Arc::clone(&self.metrics),
            throttles: Arc::clone(&self.throttles),
            tracked,
            charge: self.memory.charge(&identity.pod),
        };
        let served = async {
            match timeout(UNKNOWN, snapshots.changed()).await {
                Ok(Ok(())) => Q::serve(requests, snapshots, responses, &observer).await,
                Ok(Err(_)) => return Some(stopping()),
                Err(_) => {
                    let text = format!("the pod {} is not known yet; try again", identity.pod);
                    return Some(Status::unavailable(text));
                }
            }
            None
        };
        tokio::select! {
            biased;
            () = gone.cancelled() => {
                Some(Status::unauthenticated(format!("the pod {} is gone", identity.pod)))
            }
            () = self.stop.cancelled() => Some(stopping()),
            () = sleep(identity.lasts) => {
                Some(Status::unauthenticated("the token has expired; connect again with a new one"))
            }
            status = served => status,
        }
    }
}

fn stopping() -> Status {
    Status::unavailable("this replica is stopping; connect to another one")
}

fn refused(refusal: &Refusal, address: IpAddr) -> Status {
    tracing::debug!(peer = %address, %refusal, "refused a proxy");
    match refusal {
        Refusal::Unavailable => Status::unavailable(refusal.to_string()),
        Refusal::NoToken | Refusal::Rejected(_) | Refusal::NoPod => {
            Status::unauthenticated(refusal.to_string())
        }
    }
}

/// The pod that a node id names: `sidecar~IP~POD.NAMESPACE~DOMAIN`.
fn named(node: Option<&Node>) -> Result<Identity, Status> {
    let id = node.map(|node| node.id.as_str()).unwrap_or_default();
    let pod = id.split('~').nth(2).and_then(|pod| pod.rsplit_once('.'));
    let (name, namespace) = pod.ok_or_else(|| {
        Status::invalid_argument("the node id must be TYPE~IP~POD.NAMESPACE~DOMAIN")
    })?;
    Ok(Identity {
        pod: Key::new(namespace, name),
        uid: None,
        account: "".into(),
        // Nothing expires.
        lasts: Duration::from_hours(24 * 365),
    })
}

/// The same requests; the first that names a node says which version the proxy has.
fn with_version<Q: Variant>(requests: Requests<Q>, tracked: Arc<Tracked>) -> Requests<Q> {
    let mut is_known = false;
    Box::pin(requests.inspect(move |request| {
        let node = request.as_ref().ok().and_then(Variant::node);
        if let Some(node) = node.filter(|_| !is_known) {
            is_known = true;
            if let Some(UserAgentVersionType::UserAgentVersion(version)) =
                &node.user_agent_version_type
            {
                tracked.version(version);
            }
        }
    }))
}

type Requests<Q> = Pin<Box<dyn Stream<Item = Result<Q, Status>> + Send>>;

/// A request of one of the two variants of the protocol.
pub(super) trait Variant: Message + Name + Default + 'static {
    type Response: Response + 'static;

    /// The node that sent it.
    fn node(&self) -> Option<&Node>;

    /// Serves a stream of such requests until it ends.
    fn serve(
        requests: Requests<Self>,
        snapshots: watch::Receiver<Snapshot>,
        responses: mpsc::Sender<Result<Self::Response, Status>>,
        observer: &StreamObserver,
    ) -> impl Future<Output = ()> + Send;
}

impl Variant for DeltaDiscoveryRequest {
    type Response = DeltaDiscoveryResponse;

    fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    fn serve(
        requests: Requests<Self>,
        snapshots: watch::Receiver<Snapshot>,
        responses: mpsc::Sender<Result<Self::Response, Status>>,
        observer: &StreamObserver,
    ) -> impl Future<Output = ()> + Send {
        serve_delta(requests, snapshots, responses, observer)
    }
}

impl Variant for DiscoveryRequest {
    type Response = DiscoveryResponse;

    fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    fn serve(
        requests: Requests<Self>,
        snapshots: watch::Receiver<Snapshot>,
        responses: mpsc::Sender<Result<Self::Response, Status>>,
        observer: &StreamObserver,
    ) -> impl Future<Output = ()> + Send {
        serve_sotw(requests, snapshots, responses, observer)
    }
}

/// The responses of a stream. The connection counts as busy for as long as it is read.
fn answers<R: Send + 'static>(
    mut receiver: mpsc::Receiver<Result<R, Status>>,
    peer: Option<&Peer>,
) -> Answers<R> {
    let busy = peer.map(Peer::response);
    Box::pin(stream::poll_fn(move |context| {
        let _ = &busy;
        receiver.poll_recv(context)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(id: &str) -> Option<Key> {
        let node = Node {
            id: id.to_owned(),
            ..Node::default()
        };
        named(Some(&node)).ok().map(|identity| identity.pod)
    }

    #[test]
    fn a_node_id_names_the_pod() {
        let id = "sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local";
        assert_eq!(pod(id), Some(Key::new("shop", "web-1")));
        assert_eq!(pod("router~::1~a.b.shop~x"), Some(Key::new("shop", "a.b")));
        for bad in ["", "web-1.shop", "sidecar~10.0.0.1~web-1~x"] {
            assert_eq!(pod(bad), None, "{bad}");
        }
        assert!(named(None).is_err());
    }
}
