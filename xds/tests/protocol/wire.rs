//! Real connections over loopback: a server whose streams a test plays by hand, one that
//! serves snapshots, and a client's application.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{Stream, stream};
use http::{Request as HttpRequest, Response as HttpResponse};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_envoy_api::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        aggregated_discovery_service_server::{
            AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
        },
    },
};
use pillion_xds::{
    Snapshot,
    client::{Client, Connect, Event, Handle, Update, run},
    limits,
    server::serve_delta,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tonic::{Request, Response, Status, Streaming};
use tower::Service as _;

use crate::support::names;

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what has to come.
pub async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.expect("it never came")
}

/// A stream, as the server sees it.
pub struct Peer {
    pub requests: Streaming<DeltaDiscoveryRequest>,
    pub responses: mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    /// The `authorization` of the call.
    pub authorization: Option<String>,
}

impl Peer {
    /// The next request.
    pub async fn request(&mut self) -> DeltaDiscoveryRequest {
        soon(self.requests.message())
            .await
            .unwrap()
            .expect("a request")
    }

    pub async fn send(&self, response: DeltaDiscoveryResponse) {
        soon(self.responses.send(Ok(response))).await.unwrap();
    }
}

/// Hands streams over to whoever asks for them.
#[derive(Clone)]
struct Handover(mpsc::Sender<Peer>);

fn responses<T: Send + 'static>(mut from: mpsc::Receiver<Result<T, Status>>) -> Responses<T> {
    Box::pin(stream::poll_fn(move |context| from.poll_recv(context)))
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Handover {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("delta only"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let authorization = request.metadata().get("authorization");
        let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
        let (sender, receiver) = mpsc::channel(1);
        let peer = Peer {
            requests: request.into_inner(),
            responses: sender,
            authorization,
        };
        let _ = self.0.send(peer).await;
        Ok(Response::new(responses(receiver)))
    }
}

/// A server whose streams come out one by one.
pub struct Server {
    pub address: String,
    peers: mpsc::Receiver<Peer>,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Serves what this listener accepts from now on.
    pub fn on(listener: TcpListener) -> Self {
        Self::with(listener, |stream| async move { Some(stream) })
    }

    /// Serves what becomes of the connections that this listener accepts.
    pub fn with<S, F>(listener: TcpListener, wrap: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
    {
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (sender, peers) = mpsc::channel(64);
        let connections = Arc::new(Mutex::new(Vec::new()));
        let all = connections.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (stream, handover) = (wrap(stream), Handover(sender.clone()));
                let connection = tokio::spawn(async move {
                    if let Some(stream) = stream.await {
                        serve(stream, handover).await;
                    }
                });
                all.lock().unwrap().push(connection);
            }
        });
        Self {
            address,
            peers,
            connections,
            accepting,
        }
    }

    /// The next stream.
    pub async fn accept(&mut self) -> Peer {
        soon(self.peers.recv()).await.unwrap()
    }

    /// Ends all connections without a word.
    pub fn reset(&self) {
        for one in self.connections.lock().unwrap().drain(..) {
            one.abort();
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handover: Handover) {
    let service = AggregatedDiscoveryServiceServer::new(handover)
        .max_decoding_message_size(limits::MAX_REQUEST_BYTES);
    let answer = service_fn(move |request: HttpRequest<Incoming>| {
        let mut service = service.clone();
        async move {
            let response: HttpResponse<tonic::body::Body> = service.call(request).await?;
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), answer)
        .await;
}

/// Serves every stream of a server from snapshots. Returns how many are being served.
pub fn serve_snapshots(
    mut server: Server,
    snapshots: watch::Receiver<Snapshot>,
) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Some(peer) = server.peers.recv().await {
            let (snapshots, count) = (snapshots.clone(), counted.clone());
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                serve_delta(peer.requests, snapshots, peer.responses, &()).await;
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    count
}

/// An application that takes what it gets.
pub struct Application {
    pub handle: Handle,
    pub events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Application {
    /// A client that subscribes to these names.
    pub fn start(connect: Connect, type_url: &'static str, all: &[&str]) -> Self {
        let mut client = Client::new(Node::default());
        client.subscribe(type_url, names(all)).unwrap();
        let (handle, events, task) = run(connect, client);
        Self {
            handle,
            events,
            task: tokio::spawn(task),
        }
    }

    /// Without TLS.
    pub fn plain(address: &str, type_url: &'static str, all: &[&str]) -> Self {
        let connect = Connect {
            address: address.to_owned(),
            roots: None,
            token: None,
        };
        Self::start(connect, type_url, all)
    }

    pub async fn event(&mut self) -> Event {
        soon(self.events.recv()).await.unwrap()
    }

    /// The next update, which is not answered.
    pub async fn update(&mut self) -> Update {
        loop {
            match self.event().await {
                Event::Update(update) => return update,
                Event::Connected => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Why the client was disconnected.
    pub async fn disconnected(&mut self) -> String {
        loop {
            match self.event().await {
                Event::Disconnected { reason, .. } => return reason,
                Event::Connected => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Accepts the next update, and shows it.
    pub async fn take(&mut self) -> Vec<String> {
        let update = self.update().await;
        self.handle.ack(update.type_url, update.nonce.clone()).await;
        let changed = update.changed.iter().map(|one| {
            let content = String::from_utf8_lossy(&one.body.value);
            format!("{}={content}", one.name)
        });
        let removed = update.removed.iter();
        changed
            .chain(removed.map(|name| format!("-{name}")))
            .collect()
    }
}
