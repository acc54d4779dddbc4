//! Secrets for a stock Envoy: its certificate with the key (`default`) and the mesh's roots (`ROOTCA`), as Istio's agent
//! serves them.

use std::{collections::BTreeMap, convert::Infallible, future::ready, net::SocketAddr, sync::Arc};

use futures::StreamExt as _;
use http_body_util::StreamBody;
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use pillion_envoy_api::{
    Any, MessageDecoder, any,
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, TlsCertificate, secret::Type,
        },
        service::discovery::v3::{DiscoveryRequest, DiscoveryResponse},
    },
    type_url,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tonic::{Status, Streaming, body::Body};

/// Where Envoy asks, as `envoy.yaml` says.
pub const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 15009);
/// The only method.
const STREAM: &str = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";

/// What is served, by name.
#[derive(Debug, Clone)]
pub struct Secrets(Arc<BTreeMap<String, Any>>);

impl Secrets {
    /// A certificate with its key, and the roots that are trusted, all in PEM.
    pub fn new((chain, key): (String, String), roots: &str) -> Self {
        let certificate = TlsCertificate {
            certificate_chain: Some(inline(chain)),
            private_key: Some(inline(key)),
            ..TlsCertificate::default()
        };
        let trusted = CertificateValidationContext {
            trusted_ca: Some(inline(roots.to_owned())),
            ..CertificateValidationContext::default()
        };
        let secrets = [
            ("default", Type::TlsCertificate(certificate)),
            ("ROOTCA", Type::ValidationContext(trusted)),
        ];
        let secrets = secrets.map(|(name, content)| {
            let secret = Secret {
                name: name.to_owned(),
                r#type: Some(content),
            };
            (name.to_owned(), any(type_url::SECRET, &secret))
        });
        Self(Arc::new(secrets.into()))
    }

    /// `None` for what acknowledges an answer: nothing changes.
    fn answer(&self, asked: &DiscoveryRequest) -> Option<DiscoveryResponse> {
        if let Some(refused) = &asked.error_detail {
            println!("Envoy refuses {:?}: {refused:?}", asked.resource_names);
        }
        let is_first = asked.response_nonce.is_empty();
        let names = asked.resource_names.iter();
        is_first.then(|| DiscoveryResponse {
            version_info: "1".to_owned(),
            resources: names.filter_map(|name| self.0.get(name).cloned()).collect(),
            type_url: type_url::SECRET.to_owned(),
            nonce: "1".to_owned(),
            ..DiscoveryResponse::default()
        })
    }
}

fn inline(pem: String) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(pem.into_bytes().into())),
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, secrets: Secrets) {
    while let Ok((stream, _)) = listener.accept().await {
        let secrets = secrets.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(request, secrets.clone());
                async move { Ok::<_, Infallible>(answer) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            // Envoy ends it.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: Request<Incoming>, secrets: Secrets) -> Response<Body> {
    if request.uri().path() != STREAM {
        return Status::unimplemented("secrets are served only by StreamSecrets").into_http();
    }
    let decoder = MessageDecoder::<DiscoveryRequest>::default();
    let requests = Streaming::new_request(decoder, request.into_body(), None, None);
    let frames = requests.filter_map(move |asked| {
        let answered = asked.ok().and_then(|asked| secrets.answer(&asked));
        ready(answered.map(|answered| Ok::<_, Status>(Frame::data(framed(&answered)))))
    });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

/// The message as gRPC has it: uncompressed, with its length before it.
fn framed(message: &DiscoveryResponse) -> Bytes {
    let mut frame = vec![0; 5];
    message.encode(&mut frame).unwrap();
    let length = u32::try_from(frame.len() - 5).unwrap();
    frame[1..5].copy_from_slice(&length.to_be_bytes());
    frame.into()
}
