//! The method `CreateCertificate`.

use std::{error::Error, io, num::NonZero, sync::Arc, thread, time::Duration};

use hyper::{Request as HttpRequest, Response as HttpResponse, body::Body, body::Bytes};
use pillion_certs::CertificateRequest;
use pillion_envoy_api::{
    MessageDecoder,
    istio::v1::auth::{IstioCertificateRequest, IstioCertificateResponse},
};
use pillion_serve::Peer;
use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use tonic::{Status, Streaming, metadata::MetadataMap};

use super::{
    audit::Audit,
    lifetimes::Lifetimes,
    rates::Rates,
    refusal::Refusal,
    requester::{Origin, Requester, Share, Tokens, identify},
    response::{frame, response},
    signing::Signing,
};
use crate::{
    discovery::{accounts::Accounts, metrics::Metrics},
    reviews::pool::{Pool, Unfinished},
};

/// The method's path.
pub(in crate::discovery) const CREATE: &str =
    "/istio.v1.auth.IstioCertificateService/CreateCertificate";

/// The largest message, which is read only of callers who have proved who they are.
const MAX_MESSAGE: usize = 64 * 1024;
/// How many requests of callers who have proved who they are may be under way. More are told to try again, and an
/// address has a limit for all of its requests.
const PLACES: usize = 4_096;
/// How long a request may take in all.
const LONGEST: Duration = Duration::from_secs(10);
/// The most threads that sign.
const MAX_THREADS: usize = 4;

/// The service. Clones are the same one.
#[derive(Debug, Clone)]
pub(in crate::discovery) struct Ca(Arc<Service>);

#[derive(Debug)]
struct Service {
    tokens: Tokens,
    accounts: Accounts,
    signing: watch::Receiver<Option<Arc<Signing>>>,
    lifetimes: Lifetimes,
    rates: Rates<Share>,
    places: Semaphore,
    pool: Pool,
    audit: Audit,
}

/// A certificate that is ready to be sent.
struct Certificate {
    frame: Bytes,
    serial: String,
    not_after: OffsetDateTime,
    lifetime: time::Duration,
}

impl Ca {
    /// Starts the threads that sign.
    ///
    /// # Errors
    ///
    /// Returns an error if the system can't start a thread.
    pub fn start(
        (tokens, accounts): (Tokens, Accounts),
        signing: watch::Receiver<Option<Arc<Signing>>>,
        lifetimes: Lifetimes,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self(Arc::new(Service {
            tokens,
            accounts,
            signing,
            lifetimes,
            rates: Rates::default(),
            places: Semaphore::new(PLACES),
            pool: Pool::named("sign", cores.min(MAX_THREADS))?,
            audit: Audit::new(metrics),
        })))
    }

    /// Answers a request.
    pub async fn call<B>(
        &self,
        request: HttpRequest<B>,
    ) -> Result<HttpResponse<tonic::body::Body>, Status>
    where
        B: Body + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let peer = parts.extensions.get::<Peer>();
        let origin = Origin::of(peer);
        let metadata = MetadataMap::from_headers(parts.headers);
        let decoder = MessageDecoder::<IstioCertificateRequest>::default();
        let message = Streaming::new_request(decoder, body, None, Some(MAX_MESSAGE));
        let mut requester = None;
        let created = self
            .0
            .create((&origin, peer), &metadata, message, &mut requester);
        let created = timeout(LONGEST, created).await;
        match (created.unwrap_or(Err(Refusal::Late)), &requester) {
            (Ok(certificate), Some(requester)) => {
                let validity = (certificate.lifetime, certificate.not_after);
                self.0
                    .audit
                    .issued(&origin, requester, &certificate.serial, validity);
                Ok(response(certificate.frame))
            }
            (created, requester) => {
                let refusal = created.err().unwrap_or(Refusal::NoProof);
                self.0.audit.refused(&origin, requester.as_ref(), &refusal);
                Err(refusal.status())
            }
        }
    }
}

impl Service {
    /// Creates a certificate; `requester` is who gets it, as soon as that is known.
    async fn create(
        &self,
        (origin, peer): (&Origin, Option<&Peer>),
        metadata: &MetadataMap,
        mut message: Streaming<IstioCertificateRequest>,
        requester: &mut Option<Requester>,
    ) -> Result<Certificate, Refusal> {
        let of_address = peer.map(|peer| peer.requests().try_acquire()).transpose();
        let _of_address = of_address.map_err(|_| Refusal::Crowded)?;
        let signing = self.signing.borrow().clone();
        let signing = signing.ok_or(Refusal::NoAuthority)?;
        let proofs = (&self.tokens, &self.accounts);
        let proved = identify(metadata, origin, proofs, &signing, &self.pool).await?;
        // Whoever proves nothing can't take them all.
        let _place = self.places.try_acquire().map_err(|_| Refusal::Crowded)?;
        let requester = requester.insert(proved);
        if let Some(peer) = peer {
            peer.record_useful();
        }
        let taken = self.rates.take(requester.share.clone());
        taken.map_err(Refusal::TooOften)?;
        let message = match message.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return Err(Refusal::Malformed("there is no message".to_owned())),
            Err(status) => return Err(Refusal::Malformed(status.message().to_owned())),
        };
        let lifetime = self.lifetimes.granted(message.validity_duration);
        let id = requester.id.clone();
        let sign = move || {
            let request = CertificateRequest::from_pem(&message.csr)?;
            let now = OffsetDateTime::now_utc();
            let issued = signing.issuer.issue(&request, &id, now, lifetime);
            let issued = issued.map_err(Refusal::Signing)?;
            let mut cert_chain = issued.chain;
            cert_chain.push(signing.roots.to_pem());
            Ok(Certificate {
                frame: frame(&IstioCertificateResponse { cert_chain }),
                serial: issued.serial,
                not_after: issued.not_after,
                lifetime: lifetime.min(issued.not_after - now),
            })
        };
        match self.pool.run(origin.caller, LONGEST, sign).await {
            Ok(signed) => signed,
            Err(Unfinished::Late) => Err(Refusal::Late),
            Err(Unfinished::Panicked) => Err(Refusal::Failed),
        }
    }
}
