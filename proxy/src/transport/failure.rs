//! Why there is no TLS on a connection.

use std::{io, time::Duration};

use pillion_certs::{Error, mesh::PeerFault};
use rustls::PeerIncompatible;
use time::OffsetDateTime;

use super::{certificate_files::CertificateFault, root_files::RootsFault};
use crate::net::tls_alert::TlsAlert;

/// Why a handshake has failed, in words for operators.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFailure {
    /// This end has nothing to prove itself with.
    #[error(
        "this proxy has no certificate yet: the control plane's CA has not issued one; the log of istio-proxy says why"
    )]
    NoIdentity,
    /// This end's certificate has ended.
    #[error(
        "this proxy's certificate expired at {0}: the control plane's CA has not renewed it; the log of istio-proxy says why"
    )]
    Expired(OffsetDateTime),
    /// This end can't do what the tables say.
    #[error("this proxy can't speak TLS: {0}")]
    Config(#[from] Error),
    /// This end does not know whom to trust.
    #[error("{0}")]
    Roots(#[from] RootsFault),
    /// This end does not have what it is to show to servers outside the mesh.
    #[error("{0}")]
    Certificate(#[from] CertificateFault),
    /// The other end is refused, or does not speak TLS.
    #[error("{0}")]
    Peer(Box<PeerFault>),
    /// The other end objects.
    #[error("{0}")]
    Alert(TlsAlert),
    /// The other end takes too long.
    #[error("the handshake was not done within {0:?}")]
    TimedOut(Duration),
    /// The other end closed the connection.
    #[error("the peer closed the connection during the handshake: does it speak TLS at this port?")]
    Closed,
    /// The connection broke, or what came breaks the rules of TLS.
    #[error("the handshake failed: {0}")]
    Io(io::Error),
}

impl TlsFailure {
    /// A short name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NoIdentity => "tls_no_identity",
            Self::Expired(_) => "tls_own_expired",
            Self::Config(_) => "tls_configuration",
            Self::Roots(_) => "tls_roots",
            Self::Certificate(_) => "tls_client_certificate",
            Self::Peer(fault) => match **fault {
                PeerFault::Plaintext => "tls_plaintext",
                PeerFault::OldTls => "tls_version",
                _ => "tls_peer_refused",
            },
            Self::Alert(_) => "tls_alert",
            Self::TimedOut(_) => "tls_timeout",
            Self::Closed => "tls_closed",
            Self::Io(_) => "tls_handshake",
        }
    }

    /// Whether somebody is to hear of it who looks after the mesh. Whoever connects and leaves tells
    /// nothing.
    pub fn is_remarkable(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

impl From<PeerFault> for TlsFailure {
    fn from(fault: PeerFault) -> Self {
        Self::Peer(Box::new(fault))
    }
}

impl From<io::Error> for TlsFailure {
    fn from(error: io::Error) -> Self {
        if let Some(alert) = TlsAlert::of_io(&error) {
            return Self::Alert(alert);
        }
        let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        // Before TLS 1.2, nobody said it.
        const OLD: PeerIncompatible = PeerIncompatible::SignatureAlgorithmsExtensionRequired;
        if of_tls == Some(&rustls::Error::PeerIncompatible(OLD)) {
            return PeerFault::OldTls.into();
        }
        if let Some(fault) = PeerFault::of_io(&error) {
            return fault.into();
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}
