//! An Envoy that asks for secrets, which is played for fuzz targets: everything happens in memory, and no
//! time passes.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use pillion_certs::{
    Authority, Bundle, CertificateRequest, Error, Issuer, SpiffeId,
    mesh::{Identity, Trust, WorkloadKey},
};
use time::OffsetDateTime;
use tokio::{
    runtime::Builder,
    sync::{mpsc, watch},
    time::timeout,
};
use tonic::{Status, body::Body};

use super::secrets::{DELTA, SOTW, Secrets};
use crate::identity::{Credentials, EnvoyKey};

/// For how long nothing comes any more, when all has been read. That time does not pass.
const SILENCE: Duration = Duration::from_secs(2);

/// What Envoy does, or what happens to it.
#[derive(Debug, Clone)]
pub enum SecretsStep {
    /// It sends these bytes.
    Send(Bytes),
    /// It reads all that there is.
    Read,
    /// The certificate is renewed.
    Renew,
}

/// What Envoy was answered.
#[derive(Debug, Default)]
pub struct AnsweredSecrets {
    /// The messages, as gRPC frames them.
    pub bytes: Vec<u8>,
    /// The status, if the stream has ended.
    pub status: Option<Status>,
}

/// An agent.
#[derive(Debug)]
pub struct SecretsPlay {
    /// They take turns.
    credentials: [Arc<Credentials>; 2],
}

impl SecretsPlay {
    /// One whose CA is called `cluster.local`.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no certificate.
    pub fn new(now: OffsetDateTime) -> Result<Self, Error> {
        let day = time::Duration::DAY;
        let authority = Authority::generate("played", now, day)?;
        let issuer = Issuer::from_pem(authority.certificate(), authority.key())?;
        let roots = Bundle::from_pem(authority.certificate())?;
        let issued = |generation| {
            let key = WorkloadKey::generate()?;
            let request = CertificateRequest::from_pem(&key.request()?)
                .map_err(|error| Error::Workload(error.to_string()))?;
            let id = SpiffeId::new("cluster.local", "shop", "web")?;
            let issued = issuer.issue(&request, &id, now, day)?;
            Ok::<_, Error>(Arc::new(Credentials {
                identity: Arc::new(Identity::new(&issued.chain, &key)?),
                for_envoy: Some(EnvoyKey::new(&key)),
                trust: Arc::new(Trust::new(&roots, ["cluster.local".to_owned()])?),
                generation,
            }))
        };
        Ok(Self {
            credentials: [issued(1)?, issued(2)?],
        })
    }

    /// Opens a stream, of the incremental variant or of the other.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no runtime.
    pub fn ask(&self, is_delta: bool, steps: &[SecretsStep]) -> io::Result<AnsweredSecrets> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        Ok(runtime.block_on(self.answered(is_delta, steps)))
    }

    async fn answered(&self, is_delta: bool, steps: &[SecretsStep]) -> AnsweredSecrets {
        let [first, second] = &self.credentials;
        let (renewed, credentials) = watch::channel(Some(Arc::clone(first)));
        let secrets = Secrets::follow(credentials);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let sent = stream::poll_fn(move |context| receiver.poll_recv(context));
        let frames = sent.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let mut request = Request::new(Body::new(StreamBody::new(frames)));
        let path = if is_delta { DELTA } else { SOTW };
        *request.uri_mut() = http::Uri::from_static(path);
        let mut body = secrets.answer(request).into_body();
        let mut answered = AnsweredSecrets::default();
        for step in steps {
            match step {
                // The stream may have ended.
                SecretsStep::Send(bytes) => drop(sender.send(bytes.clone())),
                SecretsStep::Read => read(&mut body, &mut answered).await,
                SecretsStep::Renew => renewed.send_modify(|current| {
                    let is_first = current.as_ref().is_some_and(|it| Arc::ptr_eq(it, first));
                    *current = Some(Arc::clone(if is_first { second } else { first }));
                }),
            }
        }
        drop(sender);
        read(&mut body, &mut answered).await;
        answered
    }
}

async fn read(body: &mut Body, answered: &mut AnsweredSecrets) {
    while answered.status.is_none() {
        match timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => answered.bytes.extend_from_slice(&data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    answered.status = Status::from_header_map(&trailers);
                }
            },
            Ok(Some(Err(status))) => answered.status = Some(status),
            Ok(None) | Err(_) => return,
        }
    }
}
