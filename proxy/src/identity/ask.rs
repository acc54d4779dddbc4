//! One question to the CA.

#[cfg(test)]
mod still;

use std::{sync::Arc, time::Duration};

use pillion_certs::mesh::{Identity, WorkloadKey};
use pillion_envoy_api::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
};
use pillion_xds::client::{Connect, Connection};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    answer::{self, Answer, MAX_BYTES},
    credentials::EnvoyKey,
    failure::Failure,
    trust_domains::TrustDomains,
};

/// How long the CA may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is asked, and by whom.
#[derive(Debug)]
pub(super) struct Question {
    pub server: Connect,
    /// The workload's present one, which proves who asks where there is no token.
    pub identity: Option<Arc<Identity>>,
    pub trust_domains: TrustDomains,
    /// Whether the answer has the key for an Envoy.
    pub for_envoy: bool,
    pub now: fn() -> OffsetDateTime,
}

impl Question {
    /// Asks for a certificate of a new key.
    pub async fn ask(mut self) -> Result<Answer, Failure> {
        #[cfg(test)]
        let _still = still::stop_time();
        let key = WorkloadKey::generate().map_err(Failure::Key)?;
        let request = IstioCertificateRequest {
            csr: key.request().map_err(Failure::Key)?,
            ..IstioCertificateRequest::default()
        };
        let identity = self.identity.take();
        let identity = identity.filter(|identity| self.may_prove(identity));
        if identity.is_some() {
            self.server.token = None;
        }
        let connection = Connection::open_as(&self.server, identity.as_deref()).await?;
        let mut service =
            IstioCertificateServiceClient::with_origin(connection.calls(), connection.origin())
                .max_decoding_message_size(MAX_BYTES);
        let answered = service.create_certificate(connection.request(request));
        let answered = timeout(PATIENCE, answered).await;
        let answered = answered.map_err(|_| Failure::Silent(PATIENCE))?;
        let elements = answered.map_err(|status| Failure::Status(Box::new(status)))?;
        let elements = elements.into_inner().cert_chain;
        let mut answer = answer::read(elements, &key, &self.trust_domains, (self.now)())?;
        answer.for_envoy = self.for_envoy.then(|| EnvoyKey::new(&key));
        Ok(answer)
    }

    /// Whether the certificate proves who asks: there is no token, and it has not expired.
    fn may_prove(&self, identity: &Identity) -> bool {
        let has_token = match &self.server.token {
            Some(token) => token().is_ok(),
            None => false,
        };
        !has_token && !identity.validity().has_ended((self.now)())
    }
}
