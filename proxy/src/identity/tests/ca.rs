//! A control plane's CA that is played.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use pillion_certs::{
    Authority, CertificateRequest, Clients, Issuer, Resolver, SpiffeId, mutual_server_config,
    server_config,
};
use pillion_envoy_api::istio::v1::auth::{
    IstioCertificateRequest, IstioCertificateResponse,
    istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
};
use pillion_xds::client::{Connect, file};
use time::{Duration, OffsetDateTime};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status};

/// What it does with requests.
#[derive(Clone)]
pub enum Play {
    /// It issues a certificate of this life for an identity of this trust domain.
    Issue(&'static str, Duration),
    /// It issues one that is valid from then on.
    IssueFrom(OffsetDateTime),
    /// It issues one for another key than the one that asks.
    AnotherKey,
    /// It answers with these texts.
    Answer(Vec<String>),
    Refuse(Status),
}

/// A CA, which accepts connections for as long as the value lives.
pub struct Ca {
    pub authority: Authority,
    address: String,
    folder: PathBuf,
    played: Arc<Mutex<Played>>,
    accepting: JoinHandle<()>,
}

struct Played {
    issuer: Issuer,
    play: Play,
    root: String,
    now: fn() -> OffsetDateTime,
    /// The tokens of all requests; `None` for those without.
    tokens: Vec<Option<String>>,
}

#[derive(Clone)]
struct Service(Arc<Mutex<Played>>);

impl Drop for Ca {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Ca {
    /// Starts one that issues certificates of a day.
    pub async fn start(test: &str, now: fn() -> OffsetDateTime) -> Self {
        let before = now() - Duration::days(2);
        let authority = Authority::generate("ca", before, Duration::days(365)).unwrap();
        Self::start_with(test, now, authority, false).await
    }

    /// One that takes only clients with a certificate, if it is so.
    pub async fn start_with(
        test: &str,
        now: fn() -> OffsetDateTime,
        authority: Authority,
        is_mutual: bool,
    ) -> Self {
        let folder = format!("pillion-identity-{test}-{}", std::process::id());
        let folder = Path::new(&std::env::temp_dir()).join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("root-cert.pem"), authority.certificate()).unwrap();
        fs::write(folder.join("istio-token"), "first\n").unwrap();
        let names = ["127.0.0.1".to_owned()];
        // TLS looks at the real clock.
        let real = OffsetDateTime::now_utc();
        let pair = authority.issue(&names, real, Duration::days(1)).unwrap();
        let resolver = Arc::new(Resolver::default());
        resolver.replace(&pair);
        let mut config = if is_mutual {
            let clients = Clients::new([]);
            clients.trust(authority.certificate()).unwrap();
            mutual_server_config(resolver, Arc::new(clients)).unwrap()
        } else {
            server_config(resolver).unwrap()
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let played = Arc::new(Mutex::new(Played {
            issuer: Issuer::from_pem(authority.certificate(), authority.key()).unwrap(),
            play: Play::Issue("cluster.local", Duration::days(1)),
            root: authority.certificate().to_owned(),
            now,
            tokens: Vec::new(),
        }));
        let service = Service(Arc::clone(&played));
        let accepting = tokio::spawn(accept(listener, Arc::new(config).into(), service));
        Self {
            authority,
            address,
            folder,
            played,
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

    /// What it does from now on.
    pub fn play(&self, play: Play) {
        self.played.lock().unwrap().play = play;
    }

    /// The tokens of all requests until now.
    pub fn tokens(&self) -> Vec<Option<String>> {
        self.played.lock().unwrap().tokens.clone()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.tokens().len()
    }

    /// The kubelet writes another token.
    pub fn write_token(&self, token: &str) {
        fs::write(self.folder.join("istio-token"), token).unwrap();
    }

    pub fn remove_token(&self) {
        fs::remove_file(self.folder.join("istio-token")).unwrap();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, service: Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, service) = (acceptor.clone(), service.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = IstioCertificateServiceServer::new(service);
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                .await;
        });
    }
}

#[tonic::async_trait]
impl IstioCertificateService for Service {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let token = request.metadata().get("authorization");
        let token = token.map(|value| value.to_str().unwrap().to_owned());
        let mut played = self.0.lock().unwrap();
        played.tokens.push(token);
        let cert_chain = played.answer(&request.into_inner().csr)?;
        Ok(Response::new(IstioCertificateResponse { cert_chain }))
    }
}

impl Played {
    fn answer(&self, csr: &str) -> Result<Vec<String>, Status> {
        let now = (self.now)();
        match self.play.clone() {
            Play::Issue(trust_domain, life) => Ok(self.issue(csr, trust_domain, now, life)),
            Play::IssueFrom(from) => Ok(self.issue(csr, "cluster.local", from, Duration::days(1))),
            Play::AnotherKey => {
                let key = pillion_certs::mesh::WorkloadKey::generate().unwrap();
                let csr = key.request().unwrap();
                Ok(self.issue(&csr, "cluster.local", now, Duration::days(1)))
            }
            Play::Answer(texts) => Ok(texts),
            Play::Refuse(status) => Err(status),
        }
    }

    fn issue(
        &self,
        csr: &str,
        trust_domain: &str,
        now: OffsetDateTime,
        life: Duration,
    ) -> Vec<String> {
        let request = CertificateRequest::from_pem(csr).unwrap();
        let id = SpiffeId::new(trust_domain, "shop", "web").unwrap();
        let issued = self.issuer.issue(&request, &id, now, life).unwrap();
        let mut chain = issued.chain;
        chain.push(self.root.clone());
        chain
    }
}
