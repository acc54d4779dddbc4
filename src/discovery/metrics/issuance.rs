//! What is counted of the certificates of workloads.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What proved who got a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::discovery) enum Proof {
    /// The token of a pod.
    Token,
    /// The workload's present certificate.
    Certificate,
}

impl Proof {
    /// Its name in the log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

/// Why somebody got no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::discovery) enum Reason {
    /// Neither a token nor a certificate was presented.
    NoProof,
    /// The token is refused.
    Token,
    /// The certificate is refused, or its account has no pod.
    Certificate,
    /// The account has no SPIFFE ID.
    Identity,
    /// The same workload asked too often.
    TooOften,
    /// Too many requests were under way, or one took too long.
    Crowded,
    /// The API server could not be asked about the token, or has not listed its pods yet.
    Unavailable,
    /// There is no CA that can sign.
    NoAuthority,
    /// The request itself is refused.
    Request,
    /// Signing failed.
    Failed,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::NoProof,
        Self::Token,
        Self::Certificate,
        Self::Identity,
        Self::TooOften,
        Self::Crowded,
        Self::Unavailable,
        Self::NoAuthority,
        Self::Request,
        Self::Failed,
    ];

    /// Its name in the log and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoProof => "no_proof",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Identity => "identity",
            Self::TooOften => "too_often",
            Self::Crowded => "crowded",
            Self::Unavailable => "unavailable",
            Self::NoAuthority => "no_authority",
            Self::Request => "request",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProofLabels {
    proof: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// The certificates of workloads.
#[derive(Debug)]
pub(super) struct Issuance {
    issued: Family<ProofLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
}

impl Default for Issuance {
    fn default() -> Self {
        let issuance = Self {
            issued: Family::default(),
            refused: Family::default(),
        };
        // The rate of a series that first appears with 1 is 0: create them now.
        for proof in [Proof::Token, Proof::Certificate] {
            drop(issuance.issued.get_or_create(&labels(proof)));
        }
        for reason in Reason::ALL {
            let reason = reason.as_str();
            drop(issuance.refused.get_or_create(&ReasonLabels { reason }));
        }
        issuance
    }
}

fn labels(proof: Proof) -> ProofLabels {
    ProofLabels {
        proof: proof.as_str(),
    }
}

impl Issuance {
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "pillion_discovery_certificates_issued",
            "Certificates that were issued to workloads, by what proved who they are",
            self.issued.clone(),
        );
        registry.register(
            "pillion_discovery_certificates_refused",
            "Certificates that were asked for and not issued, by reason",
            self.refused.clone(),
        );
    }

    pub fn issued(&self, proof: Proof) {
        self.issued.get_or_create(&labels(proof)).inc();
    }

    pub fn refused(&self, reason: Reason) {
        let reason = reason.as_str();
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }
}
