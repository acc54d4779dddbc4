//! The workload's certificate with its key, and the roots of the mesh, as Envoy asks for them (SDS).

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use hyper::body::Body as HttpBody;
use pillion_envoy_api::{
    MessageDecoder, any,
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier},
        extensions::transport_sockets::tls::v3::{
            CertificateValidationContext, Secret, TlsCertificate, secret::Type,
        },
        service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest},
    },
    type_url,
};
use pillion_xds::{
    Resource, Snapshot, resources,
    server::{self, serve_delta, serve_sotw},
};
use prost::{Message, Name};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming, body::Body};

use crate::{
    config::{CERTIFICATE, ROOTS},
    identity::Credentials,
};

/// The method of the variant "state of the world", which what discovery sends asks for.
pub(super) const SOTW: &str = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
/// The method of the incremental variant.
pub(super) const DELTA: &str = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";
/// The longest request: Envoy names itself, with all of its extensions.
const MAX_REQUEST: usize = 1 << 20;

/// Gives Envoy the newest.
#[derive(Debug, Clone)]
pub(super) struct Secrets(watch::Receiver<Snapshot>);

impl Secrets {
    /// Follows the credentials. There is nothing before there are some.
    pub fn follow(mut credentials: watch::Receiver<Option<Arc<Credentials>>>) -> Self {
        let (sender, snapshots) = watch::channel(Snapshot::new());
        // It ends with the credentials, or when nobody wants them any more.
        tokio::spawn(async move {
            loop {
                let newest = credentials.borrow_and_update().clone();
                if let Some(snapshot) = newest.as_deref().and_then(snapshot) {
                    sender.send_replace(snapshot);
                }
                tokio::select! {
                    changed = credentials.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Self(snapshots)
    }

    /// Answers a request of Envoy's.
    pub fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match request.uri().path() {
            SOTW => self.stream(
                request,
                |requests: Streaming<DiscoveryRequest>, snapshots, responses| async move {
                    serve_sotw(by_name(requests), snapshots, responses, &()).await;
                },
            ),
            DELTA => self.stream(
                request,
                |requests: Streaming<DeltaDiscoveryRequest>, snapshots, responses| async move {
                    serve_delta(by_name(requests), snapshots, responses, &()).await;
                },
            ),
            _ => Status::unimplemented("only secrets are served here").into_http(),
        }
    }

    /// Serves a stream on a task of its own, once there is something.
    fn stream<B, Q, R, S>(
        &self,
        request: Request<B>,
        serve: impl FnOnce(Streaming<Q>, watch::Receiver<Snapshot>, Sender<R>) -> S + Send + 'static,
    ) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        Q: Message + Name + Default + 'static,
        R: server::Response + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let decoder = MessageDecoder::<Q>::default();
        let body = request.into_body();
        let requests = Streaming::new_request(decoder, body, None, Some(MAX_REQUEST));
        let (sender, mut receiver) = mpsc::channel(1);
        let mut snapshots = self.0.clone();
        tokio::spawn(async move {
            let is_there = async {
                let has = |snapshot: &Snapshot| snapshot.get(type_url::SECRET).is_some();
                snapshots.wait_for(has).await.is_ok()
            };
            let is_there = tokio::select! {
                is_there = is_there => is_there,
                () = sender.closed() => false,
            };
            if is_there {
                serve(requests, snapshots, sender).await;
            }
        });
        server::answer(stream::poll_fn(move |context| receiver.poll_recv(context)))
    }
}

/// Where the answers of a stream go.
type Sender<R> = mpsc::Sender<Result<R, Status>>;

/// A request for secrets.
trait Asks {
    fn type_url(&self) -> &str;
    /// The names that it asks for.
    fn names(&self) -> &[String];
}

impl Asks for DiscoveryRequest {
    fn type_url(&self) -> &str {
        &self.type_url
    }

    fn names(&self) -> &[String] {
        &self.resource_names
    }
}

impl Asks for DeltaDiscoveryRequest {
    fn type_url(&self) -> &str {
        &self.type_url
    }

    fn names(&self) -> &[String] {
        &self.resource_names_subscribe
    }
}

/// Refuses requests for all that there is, which a first one without names is, too: the key goes to
/// whoever asks for it by its name.
fn by_name<Q: Asks>(
    requests: impl Stream<Item = Result<Q, Status>>,
) -> impl Stream<Item = Result<Q, Status>> {
    requests.enumerate().map(|(place, request)| {
        let request = request?;
        if request.type_url() != type_url::SECRET {
            return Err(Status::invalid_argument("only secrets are served here"));
        }
        let names = request.names();
        if place == 0 && names.is_empty() || names.iter().any(|name| name == "*") {
            let text = format!("ask for secrets by their names: {CERTIFICATE}, {ROOTS}");
            return Err(Status::invalid_argument(text));
        }
        Ok(request)
    })
}

/// What Envoy is given, if the key is for it.
fn snapshot(credentials: &Credentials) -> Option<Snapshot> {
    let key = credentials.for_envoy.as_ref()?;
    let certificate = Type::TlsCertificate(TlsCertificate {
        certificate_chain: Some(inline(credentials.identity.chain_pem())),
        private_key: Some(inline(key.pem().to_owned())),
        ..TlsCertificate::default()
    });
    let roots = Type::ValidationContext(CertificateValidationContext {
        trusted_ca: Some(inline(credentials.trust.roots().to_pem())),
        ..CertificateValidationContext::default()
    });
    let secrets = [(CERTIFICATE, certificate), (ROOTS, roots)];
    let secrets = secrets.map(|(name, r#type)| {
        let secret = Secret {
            name: name.to_owned(),
            r#type: Some(r#type),
        };
        Resource::new(name, any(type_url::SECRET, &secret))
    });
    Some(Snapshot::new().with(type_url::SECRET, resources(secrets)))
}

fn inline(text: String) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(text.into_bytes().into())),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use pillion_certs::Bundle;
    use pillion_envoy_api::envoy::service::discovery::v3::{
        DeltaDiscoveryResponse, DiscoveryResponse,
    };
    use tonic::Code;

    use super::*;
    use crate::{
        agent::test_util::{Replies, request},
        transport::test_util::Mesh,
    };

    fn asks_for(name: &str) -> DiscoveryRequest {
        DiscoveryRequest {
            type_url: type_url::SECRET.to_owned(),
            resource_names: vec![name.to_owned()],
            ..DiscoveryRequest::default()
        }
    }

    /// The only secret of an answer.
    fn secret(response: &DiscoveryResponse) -> Secret {
        let [resource] = response.resources.as_slice() else {
            panic!("{response:?}");
        };
        resource.unpack(type_url::SECRET).unwrap()
    }

    fn text(source: Option<DataSource>) -> String {
        let Some(Specifier::InlineBytes(bytes)) = source.unwrap().specifier else {
            panic!("it is not inline");
        };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn certificate(response: &DiscoveryResponse) -> (String, String) {
        let secret = secret(response);
        assert_eq!(secret.name, "default");
        let Some(Type::TlsCertificate(certificate)) = secret.r#type else {
            panic!("it is no certificate");
        };
        (
            text(certificate.certificate_chain),
            text(certificate.private_key),
        )
    }

    #[tokio::test]
    async fn a_certificate_is_given_once_it_is_there_and_when_it_is_renewed() {
        let mesh = Mesh::new();
        let (sender, credentials) = watch::channel(None);
        let secrets = Secrets::follow(credentials);
        let (messages, asked) = request(SOTW, &asks_for("default"));
        let mut replies = Replies::<DiscoveryResponse>::of(secrets.answer(asked));
        let first = mesh.credentials("web", 1);
        sender.send_replace(Some(Arc::clone(&first)));
        let response = replies.next().await;
        let (chain, key) = certificate(&response);
        assert_eq!(chain, first.identity.chain_pem());
        assert_eq!(key, first.for_envoy.as_ref().unwrap().pem());
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
        messages.send(&DiscoveryRequest {
            response_nonce: response.nonce,
            version_info: response.version_info,
            ..asks_for("default")
        });

        let second = mesh.credentials("web", 2);
        sender.send_replace(Some(Arc::clone(&second)));
        let (chain, key) = certificate(&replies.next().await);
        assert_eq!(chain, second.identity.chain_pem());
        assert_eq!(key, second.for_envoy.as_ref().unwrap().pem());
    }

    #[tokio::test]
    async fn the_roots_are_given_without_a_key() {
        let mesh = Mesh::new();
        let credentials = mesh.credentials("web", 1);
        let (_sender, receiver) = watch::channel(Some(credentials));
        let secrets = Secrets::follow(receiver);
        let (_messages, asked) = request(SOTW, &asks_for("ROOTCA"));
        let mut replies = Replies::<DiscoveryResponse>::of(secrets.answer(asked));
        let response = replies.next().await;
        let Some(Type::ValidationContext(context)) = secret(&response).r#type else {
            panic!("{response:?}");
        };
        let roots = |text: &str| Bundle::from_pem(text).unwrap();
        assert_eq!(roots(&text(context.trusted_ca)), roots(mesh.roots()));
    }

    #[tokio::test]
    async fn the_incremental_variant_gives_the_same_and_nothing_else() {
        let (_sender, receiver) = watch::channel(Some(Mesh::new().credentials("web", 1)));
        let secrets = Secrets::follow(receiver);
        let asks = DeltaDiscoveryRequest {
            type_url: type_url::SECRET.to_owned(),
            resource_names_subscribe: vec!["default".to_owned(), "other".to_owned()],
            ..DeltaDiscoveryRequest::default()
        };
        let (_messages, asked) = request(DELTA, &asks);
        let mut replies = Replies::<DeltaDiscoveryResponse>::of(secrets.answer(asked));
        let response = replies.next().await;
        let names: Vec<_> = response.resources.iter().map(|one| &one.name).collect();
        assert_eq!(names, ["default"]);
    }

    #[tokio::test]
    async fn other_methods_are_refused() {
        let (_sender, receiver) = watch::channel(None);
        let secrets = Secrets::follow(receiver);
        let (_messages, asked) = request("/other", &asks_for("default"));
        let answer = secrets.answer(asked);
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
    }

    #[tokio::test]
    async fn nothing_is_given_to_who_does_not_name_it() {
        let (_sender, receiver) = watch::channel(Some(Mesh::new().credentials("web", 1)));
        let secrets = Secrets::follow(receiver);
        let no_names = DiscoveryRequest {
            resource_names: Vec::new(),
            ..asks_for("")
        };
        let other_type = DiscoveryRequest {
            type_url: type_url::CLUSTER.to_owned(),
            ..asks_for("default")
        };
        for asks in [no_names, asks_for("*"), other_type] {
            let (_messages, asked) = request(SOTW, &asks);
            let body = secrets.answer(asked).into_body().collect().await.unwrap();
            let trailers = body.trailers().cloned().unwrap();
            let status = Status::from_header_map(&trailers).unwrap();
            assert_eq!(status.code(), Code::InvalidArgument, "{asks:?}");
            assert!(body.to_bytes().is_empty());
        }
    }
}
