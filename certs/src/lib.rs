//! Pillion's certificates: all use of rustls' configuration and of rcgen.
//!
//! - [`Authority`]: a CA that issues serving certificates.
//! - [`Pair`]: a certificate chain with its key, checked to belong together.
//! - [`Bundle`]: root certificates, as Kubernetes' `caBundle` holds them.
//! - [`Resolver`]: the certificate that a running server presents, swapped
//!   without a restart.
//!
//! There is no clock in here: who needs the time passes it in.

mod authority;
mod bundle;
mod error;
mod pair;
mod resolver;
mod validity;

pub use authority::{Authority, Names};
pub use bundle::{Bundle, Root};
pub use error::Error;
pub use pair::Pair;
pub use resolver::{Resolver, install_provider, server_config};
pub use validity::Validity;
