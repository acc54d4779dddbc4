//! A control plane that is played: it configures one sidecar, and issues its certificates.

use std::{
    fs,
    pin::Pin,
    sync::{Arc, Mutex, mpsc as sync_mpsc},
    thread,
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
use pillion_certs::{
    Authority, CertificateRequest, Issuer, Resolver, SpiffeId, install_provider, server_config,
};
use pillion_envoy_api::{
    any,
    envoy::{
        config::{
            core::v3::{
                ApiConfigSource, ApiVersion, ConfigSource, DataSource, GrpcService,
                TrafficDirection, TransportSocket,
                api_config_source::ApiType,
                config_source::ConfigSourceSpecifier,
                data_source::Specifier,
                grpc_service::{EnvoyGrpc, TargetSpecifier},
                transport_socket::ConfigType,
            },
            listener::v3::{FilterChain, Listener},
            route::v3::{DirectResponseAction, Route, route::Action},
        },
        extensions::{
            filters::network::http_connection_manager::v3::{
                HttpConnectionManager, http_connection_manager::RouteSpecifier,
            },
            transport_sockets::tls::v3::{
                CertificateValidationContext, CommonTlsContext, DownstreamTlsContext,
                SdsSecretConfig,
                common_tls_context::{CombinedCertificateValidationContext, ValidationContextType},
            },
        },
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_server::{
                AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
            },
        },
    },
    istio::v1::auth::{
        IstioCertificateRequest, IstioCertificateResponse,
        istio_certificate_service_server::{
            IstioCertificateService, IstioCertificateServiceServer,
        },
    },
    type_url,
};
use pillion_xds::{Resource, Snapshot, resources, server::serve_delta};
use time::{Duration, OffsetDateTime};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    pod::POD,
    resources::{address, all, filter, host, original_cluster, router, table},
    running::prepare,
};

/// Where the pod's Envoy listens.
pub const PORT: u16 = 8080;
/// How long the pod's certificates live: they are renewed within the test.
const LIFE: Duration = Duration::seconds(25);

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A control plane. It goes on until this process ends.
pub struct ControlPlane {
    pub root: String,
    authority: Arc<Authority>,
    resources: watch::Sender<Snapshot>,
    seen: Arc<Mutex<Seen>>,
}

/// What the sidecar has said.
#[derive(Default)]
struct Seen {
    authorization: Option<String>,
    node: Option<String>,
}

impl ControlPlane {
    /// Starts one at `localhost:15012`. The files are there by which a sidecar finds it.
    pub fn start() -> Self {
        prepare();
        install_provider();
        let now = OffsetDateTime::now_utc();
        let authority = Authority::generate("ca", now, Duration::DAY).unwrap();
        let root = authority.certificate().to_owned();
        fs::write("/run/secrets/istio/root-cert.pem", &root).unwrap();
        fs::write("/run/secrets/tokens/istio-token", "token\n").unwrap();
        let authority = Arc::new(authority);
        let (resources, receiver) = watch::channel(snapshot("served\n"));
        let seen = Arc::<Mutex<Seen>>::default();
        let service = Played {
            authority: Arc::clone(&authority),
            resources: receiver,
            seen: Arc::clone(&seen),
        };
        let (listens, listening) = sync_mpsc::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(service, listens));
        });
        listening.recv().unwrap();
        Self {
            root,
            authority,
            resources,
            seen,
        }
    }

    /// The mesh's CA.
    pub fn issuer(&self) -> Issuer {
        issuer(&self.authority)
    }

    /// Has Envoy answer with another text.
    pub fn answer_with(&self, text: &str) {
        self.resources.send_replace(snapshot(text));
    }

    /// The token that the sidecar has shown.
    pub fn authorization(&self) -> Option<String> {
        self.seen.lock().unwrap().authorization.clone()
    }

    /// Who the sidecar says it is.
    pub fn node(&self) -> Option<String> {
        self.seen.lock().unwrap().node.clone()
    }
}

fn issuer(authority: &Authority) -> Issuer {
    Issuer::from_pem(authority.certificate(), authority.key()).unwrap()
}

#[derive(Clone)]
struct Played {
    authority: Arc<Authority>,
    resources: watch::Receiver<Snapshot>,
    seen: Arc<Mutex<Seen>>,
}

async fn serve(played: Played, listens: sync_mpsc::Sender<()>) {
    let now = OffsetDateTime::now_utc();
    let names = ["localhost".to_owned()];
    let pair = played.authority.issue(&names, now, Duration::DAY).unwrap();
    let resolver = Arc::new(Resolver::default());
    resolver.replace(&pair);
    let mut config = server_config(resolver).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("localhost:15012").await.unwrap();
    listens.send(()).unwrap();
    let ads = AggregatedDiscoveryServiceServer::new(played.clone());
    let ca = IstioCertificateServiceServer::new(played);
    let (ads, ca) = (TowerToHyperService::new(ads), TowerToHyperService::new(ca));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, ads, ca) = (acceptor.clone(), ads.clone(), ca.clone());
        tokio::spawn(async move {
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
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Played {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let request = CertificateRequest::from_pem(&request.into_inner().csr);
        let request = request.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let id = SpiffeId::new("cluster.local", "shop", "web").unwrap();
        let now = OffsetDateTime::now_utc();
        let issued = issuer(&self.authority).issue(&request, &id, now, LIFE);
        let mut cert_chain = issued.unwrap().chain;
        cert_chain.push(self.authority.certificate().to_owned());
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Played {
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
            if let Some(node) = request.as_ref().ok().and_then(|it| it.node.as_ref()) {
                seen.lock().unwrap().node = Some(node.id.clone());
            }
        });
        tokio::spawn(async move { serve_delta(requests, resources, sender, &()).await });
        let responses = stream::poll_fn(move |context| receiver.poll_recv(context));
        Ok(Response::new(Box::pin(responses)))
    }
}

/// A port that takes mutual TLS alone, as the control plane configures it, and answers with that text.
fn snapshot(text: &str) -> Snapshot {
    let answer = DirectResponseAction {
        status: 200,
        body: Some(DataSource {
            specifier: Some(Specifier::InlineString(text.to_owned())),
        }),
    };
    let route = Route {
        r#match: all(),
        action: Some(Action::DirectResponse(answer)),
        ..Route::default()
    };
    let manager = HttpConnectionManager {
        stat_prefix: "inbound".to_owned(),
        route_specifier: Some(RouteSpecifier::RouteConfig(table(vec![host(
            &["*"],
            vec![route],
        )]))),
        http_filters: vec![router()],
        ..HttpConnectionManager::default()
    };
    let listener = Listener {
        name: "inbound".to_owned(),
        address: address(POD, PORT),
        filter_chains: vec![FilterChain {
            filters: vec![filter(any(type_url::HTTP_CONNECTION_MANAGER, &manager))],
            transport_socket: Some(mutual_tls()),
            ..FilterChain::default()
        }],
        traffic_direction: TrafficDirection::Inbound.into(),
        ..Listener::default()
    };
    let mut cluster = original_cluster("PassthroughCluster");
    cluster.connect_timeout = crate::resources::seconds(1);
    let listener = Resource::new("inbound", any(type_url::LISTENER, &listener));
    let cluster = Resource::new("PassthroughCluster", any(type_url::CLUSTER, &cluster));
    Snapshot::new()
        .with(type_url::LISTENER, resources([listener]))
        .with(type_url::CLUSTER, resources([cluster]))
}

fn mutual_tls() -> TransportSocket {
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![secret("default")],
            validation_context_type: Some(ValidationContextType::CombinedValidationContext(
                CombinedCertificateValidationContext {
                    default_validation_context: Some(CertificateValidationContext::default()),
                    validation_context_sds_secret_config: Some(secret("ROOTCA")),
                },
            )),
            ..CommonTlsContext::default()
        }),
        require_client_certificate: Some(true),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(
            type_url::DOWNSTREAM_TLS_CONTEXT,
            &context,
        ))),
    }
}

fn secret(name: &str) -> SdsSecretConfig {
    let agent = GrpcService {
        target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
            cluster_name: "sds-grpc".to_owned(),
            ..EnvoyGrpc::default()
        })),
        ..GrpcService::default()
    };
    let source = ApiConfigSource {
        api_type: ApiType::Grpc.into(),
        transport_api_version: ApiVersion::V3.into(),
        grpc_services: vec![agent],
        ..ApiConfigSource::default()
    };
    SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(ConfigSource {
            config_source_specifier: Some(ConfigSourceSpecifier::ApiConfigSource(source)),
            initial_fetch_timeout: crate::resources::seconds(0),
            resource_api_version: ApiVersion::V3.into(),
        }),
    }
}
