//! Reviews and handshakes all the while, none of which may fail.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};

use super::installation::Installation;
use crate::{injector_process::Ports, tls::handshake};

/// The load on all replicas.
pub struct Load {
    stop: Arc<AtomicBool>,
    admitted: Arc<AtomicUsize>,
    admissions: Vec<JoinHandle<()>>,
    handshakes: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl Load {
    /// Begins.
    pub fn start(installation: &Arc<Installation>, ports: Vec<Ports>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let admitted = Arc::new(AtomicUsize::new(0));
        let admissions = (0..ports.len())
            .map(|replica| {
                tokio::spawn(admit(
                    installation.clone(),
                    replica,
                    stop.clone(),
                    admitted.clone(),
                ))
            })
            .collect();
        let handshakes = tokio::spawn(shake_hands(installation.clone(), ports, stop.clone()));
        Self {
            stop,
            admitted,
            admissions,
            handshakes,
        }
    }

    /// Checks that nothing has failed yet.
    pub fn goes_on(&self) {
        let ended = self.admissions.iter().any(JoinHandle::is_finished);
        assert!(!ended, "an admission failed");
        assert!(!self.handshakes.is_finished(), "a handshake failed");
    }

    /// Ends; how many pods were admitted, and the certificates that were presented.
    pub async fn stop(self) -> (usize, BTreeSet<Vec<u8>>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.admissions {
            task.await.unwrap();
        }
        let presented = self.handshakes.await.unwrap();
        (self.admitted.load(Ordering::Relaxed), presented)
    }
}

async fn admit(
    installation: Arc<Installation>,
    replica: usize,
    stop: Arc<AtomicBool>,
    admitted: Arc<AtomicUsize>,
) {
    while !stop.load(Ordering::Relaxed) {
        match installation.admit(replica).await {
            Ok(injected) => assert!(injected),
            Err(error) => panic!("replica {replica}: an admission failed: {error}"),
        }
        admitted.fetch_add(1, Ordering::Relaxed);
    }
}

/// API servers keep their connections; these come anew, with the bundle of now.
async fn shake_hands(
    installation: Arc<Installation>,
    ports: Vec<Ports>,
    stop: Arc<AtomicBool>,
) -> BTreeSet<Vec<u8>> {
    let mut presented = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let bundles = installation.ca_bundles().await;
        for ports in &ports {
            match handshake(ports.webhook, &bundles[0]).await {
                Ok(certificate) => presented.insert(certificate.to_vec()),
                Err(error) => panic!("{}: a handshake failed: {error:#}", ports.webhook),
            };
        }
        sleep(Duration::from_millis(50)).await;
    }
    presented
}
