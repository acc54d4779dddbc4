//! How a proxy gets its certificate.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use pillion_certs::mesh::WorkloadKey;
use pillion_envoy_api::istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse};
use prost::Message as _;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

const METHOD: &str = "istio.v1.auth.IstioCertificateService/CreateCertificate";
/// What stands before a message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Who asks whom.
#[derive(Debug)]
pub(crate) struct Asker {
    /// The CA.
    pub address: SocketAddr,
    /// Whom its certificate has to come from.
    pub tls: Arc<ClientConfig>,
    /// The address that is asked from: each pod has its own.
    pub from: SocketAddr,
    /// The pod's token.
    pub token: String,
}

impl Asker {
    /// Asks once, over a connection of its own and for a key of its own.
    pub async fn ask(&self) -> anyhow::Result<()> {
        let request = IstioCertificateRequest {
            csr: WorkloadKey::generate()?.request()?,
            ..IstioCertificateRequest::default()
        };
        let socket = TcpSocket::new_v4()?;
        // A second try may come from the same port.
        socket.set_reuseaddr(true)?;
        socket.bind(self.from)?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(self.address.ip());
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(name, stream).await?;
        let (mut calls, connection) = h2::client::handshake(stream).await?;
        let connection = tokio::spawn(connection);
        let answer = self.call(&mut calls, framed(&request)).await;
        connection.abort();
        let answer = answer?;
        let message = answer.get(PREFIX..).context("the answer is cut")?;
        let chain = IstioCertificateResponse::decode(message)?.cert_chain;
        anyhow::ensure!(chain.len() >= 2, "a certificate or its roots are missing");
        Ok(())
    }

    async fn call(
        &self,
        calls: &mut h2::client::SendRequest<Bytes>,
        message: Bytes,
    ) -> anyhow::Result<Bytes> {
        let request = http::Request::post(format!("https://{}/{METHOD}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", self.token))
            .body(())?;
        let (response, mut sender) = calls.send_request(request, false)?;
        sender.send_data(message, true)?;
        let response = response.await?;
        succeeded(response.headers())?;
        let mut body = response.into_body();
        let mut answer = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece?;
            body.flow_control().release_capacity(piece.len())?;
            answer.extend_from_slice(&piece);
        }
        if let Some(trailers) = body.trailers().await? {
            succeeded(&trailers)?;
        }
        Ok(answer.freeze())
    }
}

fn framed(request: &IstioCertificateRequest) -> Bytes {
    let length = request.encoded_len();
    let mut message = BytesMut::with_capacity(PREFIX + length);
    message.put_u8(0);
    message.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // It has room for all of it.
    let _ = request.encode(&mut message);
    message.freeze()
}

/// Fails by the status that fields tell, if they do and it is one of failure.
fn succeeded(fields: &http::HeaderMap) -> anyhow::Result<()> {
    let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(status) => anyhow::bail!(
            "status {status}: {}",
            text("grpc-message").unwrap_or_default()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_before_it() {
        let request = IstioCertificateRequest {
            csr: "request".to_owned(),
            ..IstioCertificateRequest::default()
        };
        let message = framed(&request);
        assert_eq!(&message[..PREFIX], [0, 0, 0, 0, 9]);
        assert_eq!(
            IstioCertificateRequest::decode(&message[PREFIX..]).unwrap(),
            request
        );
    }

    #[test]
    fn a_status_of_failure_is_told() {
        let fields = |status: &str| {
            let mut fields = http::HeaderMap::new();
            fields.insert("grpc-status", status.parse().unwrap());
            fields.insert("grpc-message", "too many".parse().unwrap());
            fields
        };
        succeeded(&http::HeaderMap::new()).unwrap();
        succeeded(&fields("0")).unwrap();
        let error = succeeded(&fields("8")).unwrap_err().to_string();
        assert_eq!(error, "status 8: too many");
    }
}
