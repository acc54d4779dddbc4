//! Pillion's certificates: all use of rustls' configuration and of rcgen.
//!
//! - [`Authority`]: a CA that issues serving certificates.
//! - [`Pair`]: a certificate chain with its key, checked to belong together.
//! - [`Bundle`]: root certificates, as Kubernetes' `caBundle` holds them.
//! - [`Resolver`]: the certificate that a running server presents, swapped
//!   without a restart.
//! - [`Clients`]: the client certificates that a running server accepts.
//! - [`unverified_client_config`]: for health checks, which take any certificate.
//!
//! There is no clock in here: who needs the time passes it in.

mod authority;
mod bundle;
mod clients;
mod error;
mod pair;
mod resolver;
mod unverified;
mod validity;

pub use authority::{Authority, Names};
pub use bundle::{Bundle, Root};
pub use clients::Clients;
pub use error::Error;
pub use pair::Pair;
pub use resolver::{Resolver, install_provider, mutual_server_config, server_config};
pub use unverified::unverified_client_config;
pub use validity::Validity;
