//! A proxy's end of a stream.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use futures::stream::poll_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_envoy_api::{
    Any,
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_rustls::TlsConnector;
use tonic::{Request, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(120);

/// A stream, and all that it has brought.
pub struct Proxy {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
    resources: BTreeMap<(String, String), Any>,
}

impl Proxy {
    /// Connects with a token, trusting these roots.
    pub async fn connect(
        address: SocketAddr,
        roots: &str,
        token: Option<&str>,
    ) -> Result<Self, Status> {
        let config = pillion_certs::client_config(roots, &[b"h2"]).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(address.ip().to_string()).unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .expect("a certificate of the mesh's CA");
        let connected =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = connected.unwrap();
        tokio::spawn(connection);
        let service = tower::service_fn(move |request| {
            let mut sender = sender.clone();
            async move { sender.send_request(request).await }
        });
        let origin = format!("https://{address}").parse().unwrap();
        let mut client = AggregatedDiscoveryServiceClient::with_origin(service, origin)
            .max_decoding_message_size(16 << 20);
        let (requests, mut receiver) = mpsc::channel(64);
        let mut request = Request::new(poll_fn(move |context| receiver.poll_recv(context)));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        let responses = client
            .delta_aggregated_resources(request)
            .await?
            .into_inner();
        Ok(Self {
            requests,
            responses,
            resources: BTreeMap::new(),
        })
    }

    /// Subscribes to resources of a type; the node says something else than the token.
    pub async fn subscribe(&self, type_url: &str, names: &[&str]) {
        let request = DeltaDiscoveryRequest {
            node: Some(Node {
                id: "sidecar~10.9.9.9~forged.kube-system~kube-system.svc.cluster.local".to_owned(),
                ..Node::default()
            }),
            type_url: type_url.to_owned(),
            resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }

    /// Reads until something is there.
    pub async fn until<T>(&mut self, what: &str, find: impl Fn(&Self) -> Option<T>) -> T {
        loop {
            if let Some(found) = find(self) {
                return found;
            }
            let names: Vec<_> = self.resources.keys().map(|(_, name)| name).collect();
            let read = timeout(PATIENCE, self.responses.message()).await;
            let response = match read {
                Ok(Ok(Some(response))) => response,
                other => panic!("no {what}: {other:?}; have {names:?}"),
            };
            self.take(response).await;
        }
    }

    /// Reads one response of a type and refuses it; others are accepted.
    pub async fn refuse(&mut self, type_url: &str, reason: &str) {
        loop {
            let read = timeout(PATIENCE, self.responses.message()).await;
            let response = read.unwrap().unwrap().unwrap();
            if response.type_url != type_url {
                self.take(response).await;
                continue;
            }
            let nack = DeltaDiscoveryRequest {
                type_url: response.type_url,
                response_nonce: response.nonce,
                error_detail: Some(pillion_envoy_api::google::rpc::Status {
                    code: 3,
                    message: reason.to_owned(),
                    ..Default::default()
                }),
                ..DeltaDiscoveryRequest::default()
            };
            return self.requests.send(nack).await.unwrap();
        }
    }

    async fn take(&mut self, response: DeltaDiscoveryResponse) {
        let type_url = response.type_url;
        for resource in response.resources {
            let key = (type_url.clone(), resource.name);
            self.resources.insert(key, resource.resource.unwrap());
        }
        for name in response.removed_resources {
            self.resources.remove(&(type_url.clone(), name));
        }
        let ack = DeltaDiscoveryRequest {
            type_url,
            response_nonce: response.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        // The stream may have ended.
        let _ = self.requests.send(ack).await;
    }

    /// Reads until the stream ends; what it ended with.
    pub async fn end(&mut self) -> Status {
        loop {
            match timeout(PATIENCE, self.responses.message())
                .await
                .expect("the stream's end")
            {
                Ok(Some(response)) => self.take(response).await,
                Ok(None) => return Status::ok("the stream ended"),
                Err(status) => return status,
            }
        }
    }

    /// A resource.
    pub fn get<M: prost::Message + Default>(
        &self,
        type_url: &'static str,
        name: &str,
    ) -> Option<M> {
        let key = (type_url.to_owned(), name.to_owned());
        Some(self.resources.get(&key)?.unpack(type_url).unwrap())
    }

    /// The names of the resources of a type.
    pub fn names(&self, type_url: &str) -> Vec<&str> {
        let of_type = self.resources.keys().filter(|(one, _)| one == type_url);
        of_type.map(|(_, name)| name.as_str()).collect()
    }
}
