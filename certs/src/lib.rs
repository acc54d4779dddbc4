//! Pillion's certificates: everything that uses rustls' configuration or rcgen.
//!
//! - [`Authority`]: a CA that issues serving certificates.
//! - [`Pair`]: a certificate chain and its private key, which has been checked to match.
//! - [`Bundle`]: root certificates, as Kubernetes' `caBundle` holds them.
//! - [`Resolver`]: the certificate that a running server presents, which can be replaced
//!   without a restart.
//! - [`Clients`]: the client certificates that a running server accepts.
//! - [`asking_server_config`], [`verify_workload`]: the certificates that clients may present, and what these prove.
//! - [`SpiffeId`]: a workload's identity.
//! - [`MOST_ABOVE`]: how many CAs a chain may have.
//! - [`Issuer`]: a CA that issues the certificates of workloads, from a [`CertificateRequest`].
//! - [`mesh`]: mutual TLS between workloads.
//! - [`client_config`]: for clients that trust given roots.
//! - [`unverified_client_config`], [`unverified_client_config_for`], [`unverified_client_config_with`]: for health
//!   checks and loads, which take any certificate.
//!
//! ```
//! use pillion_certs::{Authority, Bundle};
//! use time::{Duration, OffsetDateTime};
//!
//! # fn main() -> Result<(), pillion_certs::Error> {
//! let now = OffsetDateTime::now_utc();
//! let authority = Authority::generate("example CA", now, Duration::days(365))?;
//! let names = ["webhook.example.svc".to_owned()];
//! let pair = authority.issue(&names, now, Duration::days(90))?;
//!
//! let roots = Bundle::from_pem(authority.certificate())?;
//! pair.check_accepted(&names, &roots, now)?;
//! # Ok(())
//! # }
//! ```
//!
//! The crate does not read the clock: callers pass in the time. Only rustls itself does, and the
//! keys of session tickets, which age by the monotonic clock.

mod alternative_names;
mod authority;
mod bundle;
mod chain;
mod client;
mod clients;
mod der;
mod error;
mod hexadecimal;
mod issuer;
pub mod mesh;
mod pair;
mod presented;
mod public_key;
mod request;
mod resolver;
mod shown;
mod spiffe;
mod unverified;
mod validity;

pub use authority::{Authority, Names};
pub use bundle::{Bundle, Root};
pub use chain::MOST_ABOVE;
pub use client::client_config;
pub use clients::Clients;
pub use error::Error;
pub use issuer::{Issued, Issuer};
pub use pair::Pair;
pub use presented::{Unproven, asking_server_config, verify_workload};
pub use request::{CertificateRequest, RequestError};
pub use resolver::{Resolver, install_provider, mutual_server_config, server_config};
pub use spiffe::SpiffeId;
pub use unverified::{
    unverified_client_config, unverified_client_config_for, unverified_client_config_with,
};
pub use validity::Validity;
