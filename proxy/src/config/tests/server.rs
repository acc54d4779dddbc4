//! A control plane for one proxy, and its CA.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::{Stream, StreamExt as _, stream};
use hyper::{
    Request as HttpRequest,
    body::Incoming,
    server::conn::http2,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use pillion_certs::{Authority, CertificateRequest, Issuer, Resolver, SpiffeId, server_config};
use pillion_envoy_api::{
    any,
    envoy::service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        aggregated_discovery_service_server::{
            AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
        },
    },
    istio::v1::auth::{
        IstioCertificateRequest, IstioCertificateResponse,
        istio_certificate_service_server::{
            IstioCertificateService, IstioCertificateServiceServer,
        },
    },
};
use pillion_xds::{
    Resource, Snapshot,
    client::{Connect, file},
    resources,
    server::serve_delta,
};
use prost::Message;
use time::{Duration, OffsetDateTime};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming};

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A server, which accepts connections for as long as the value lives.
pub struct Server {
    pub address: String,
    folder: PathBuf,
    authority: Arc<Authority>,
    resources: watch::Sender<Snapshot>,
    seen: Arc<Mutex<Seen>>,
    accepting: JoinHandle<()>,
}

/// What the proxy has said.
#[derive(Default)]
struct Seen {
    authorization: Option<String>,
    refusals: Vec<String>,
    connections: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Ads {
    resources: watch::Receiver<Snapshot>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone)]
struct Ca(Arc<Authority>);

/// A message, encoded.
pub fn bytes(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// Starts one that has nothing yet.
    pub async fn start(test: &str) -> Self {
        let folder = format!("pillion-config-{test}-{}", std::process::id());
        let folder = Path::new(&std::env::temp_dir()).join(folder);
        fs::create_dir_all(&folder).unwrap();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("ca", now, Duration::DAY).unwrap();
        let pair = authority.issue(&["localhost".to_owned()], now, Duration::DAY);
        fs::write(folder.join("root-cert.pem"), authority.certificate()).unwrap();
        fs::write(folder.join("istio-token"), "token\n").unwrap();
        let resolver = Arc::new(Resolver::default());
        resolver.replace(&pair.unwrap());
        let mut config = server_config(resolver).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (resources, receiver) = watch::channel(Snapshot::new());
        let seen = Arc::<Mutex<Seen>>::default();
        let ads = Ads {
            resources: receiver,
            seen: Arc::clone(&seen),
        };
        let authority = Arc::new(authority);
        let services = (ads, Ca(Arc::clone(&authority)));
        let accepting = tokio::spawn(accept(listener, config.into(), services));
        Self {
            address,
            folder,
            authority,
            resources,
            seen,
            accepting,
        }
    }

    /// How a proxy connects.
    pub fn connect(&self) -> Connect {
        Connect {
            address: self.address.clone(),
            roots: Some(file(self.folder.join("root-cert.pem"))),
            token: Some(file(self.folder.join("istio-token"))),
        }
    }

    /// What its CA issues certificates with.
    #[allow(dead_code)] // one of the binaries that have this file has clients of the mesh
    pub fn issuer(&self) -> Issuer {
        issuer(&self.authority)
    }

    /// Has these resources of a type, and no others.
    pub fn set(&self, type_url: &'static str, named: Vec<(&str, Vec<u8>)>) {
        let all = named
            .into_iter()
            .map(|(name, bytes)| resource(type_url, name, bytes));
        let all = resources(all);
        self.resources
            .send_modify(|snapshot| *snapshot = snapshot.clone().with(type_url, all));
    }

    /// Has one more.
    pub fn add(&self, type_url: &'static str, name: &str, bytes: Vec<u8>) {
        self.resources.send_modify(|snapshot| {
            let old = snapshot.get(type_url).cloned().unwrap_or_default();
            let old = old.iter().map(|(name, one)| (name.clone(), one.clone()));
            let mut all: BTreeMap<_, _> = old.collect();
            all.insert(Arc::from(name), Arc::new(resource(type_url, name, bytes)));
            *snapshot = snapshot.clone().with(type_url, Arc::new(all));
        });
    }

    /// The version of a resource.
    pub fn version(&self, type_url: &'static str, name: &str) -> Arc<str> {
        let snapshot = self.resources.borrow();
        let resource = snapshot.get(type_url).and_then(|all| all.get(name));
        Arc::clone(&resource.expect("it has the resource").version)
    }

    /// The token that the proxy has shown.
    pub fn authorization(&self) -> Option<String> {
        self.seen.lock().unwrap().authorization.clone()
    }

    /// The texts of refused responses.
    pub fn refusals(&self) -> Vec<String> {
        self.seen.lock().unwrap().refusals.clone()
    }

    /// Cuts all connections.
    pub fn reset(&self) {
        let mut seen = self.seen.lock().unwrap();
        seen.connections
            .drain(..)
            .for_each(|connection| connection.abort());
    }
}

fn resource(type_url: &'static str, name: &str, bytes: Vec<u8>) -> Resource {
    let mut body = any(type_url, &());
    body.value = bytes.into();
    Resource::new(name, body)
}

async fn accept(listener: TcpListener, config: Arc<rustls::ServerConfig>, (ads, ca): (Ads, Ca)) {
    let acceptor = TlsAcceptor::from(config);
    let seen = Arc::clone(&ads.seen);
    let ads = TowerToHyperService::new(AggregatedDiscoveryServiceServer::new(ads));
    let ca = TowerToHyperService::new(IstioCertificateServiceServer::new(ca));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, ads, ca) = (acceptor.clone(), ads.clone(), ca.clone());
        let connection = tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request: HttpRequest<Incoming>| {
                let (ads, ca) = (ads.clone(), ca.clone());
                async move {
                    match request.uri().path().starts_with("/envoy.") {
                        true => ads.call(request).await,
                        false => ca.call(request).await,
                    }
                }
            });
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        seen.lock().unwrap().connections.push(connection);
    }
}

fn issuer(authority: &Authority) -> Issuer {
    Issuer::from_pem(authority.certificate(), authority.key()).unwrap()
}

#[tonic::async_trait]
impl IstioCertificateService for Ca {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let request = CertificateRequest::from_pem(&request.into_inner().csr);
        let request = request.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let id = SpiffeId::new("cluster.local", "shop", "web").unwrap();
        let now = OffsetDateTime::now_utc();
        let Self(authority) = self;
        let issued = issuer(authority).issue(&request, &id, now, Duration::DAY);
        let mut cert_chain = issued.unwrap().chain;
        cert_chain.push(authority.certificate().to_owned());
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
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
        let token = request.metadata().get("authorization");
        let token = token.map(|value| value.to_str().unwrap().to_owned());
        self.seen.lock().unwrap().authorization = token;
        let (sender, mut receiver) = mpsc::channel(1);
        let (resources, seen) = (self.resources.clone(), Arc::clone(&self.seen));
        let requests = request.into_inner().inspect(move |request| {
            let error = request
                .as_ref()
                .ok()
                .and_then(|request| request.error_detail.as_ref());
            if let Some(error) = error {
                seen.lock().unwrap().refusals.push(error.message.clone());
            }
        });
        tokio::spawn(async move { serve_delta(requests, resources, sender, &()).await });
        let responses = stream::poll_fn(move |context| receiver.poll_recv(context));
        Ok(Response::new(Box::pin(responses)))
    }
}
