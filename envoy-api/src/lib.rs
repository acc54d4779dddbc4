//! The part of Envoy's API v3 that Pillion uses: messages, and the service that sends them. Beside
//! it, OpenTelemetry's messages for spans of traces, and the service that takes them, and those of the service
//! of Istio's CA that issues certificates.
//!
//! The modules have the names of Envoy's packages, for example
//! [`envoy::config::listener::v3::Listener`]. They are generated from `proto/`, whose files
//! have Envoy's names and numbers and lack what Pillion does not use. Messages that are
//! encoded twice give the same bytes, because maps are sorted.
//!
//! - [`Any`], [`any`]: a message with its type, whose bytes are shared.
//! - [`type_url`]: the types that an [`Any`] can have.
//! - [`unknown_fields`]: what a message has that these types lack, and that decoding drops.
//! - [`to_json`]: a message as JSON, for people.
//!
//! ```
//! use pillion_envoy_api::{any, envoy::config::cluster::v3::Cluster, type_url};
//!
//! # fn main() -> Result<(), pillion_envoy_api::Error> {
//! let cluster = Cluster {
//!     name: "reviews".to_owned(),
//!     ..Cluster::default()
//! };
//! let packed = any(type_url::CLUSTER, &cluster);
//! assert!(pillion_envoy_api::unknown_fields(&packed.type_url, &packed.value)?.is_empty());
//! assert_eq!(packed.unpack::<Cluster>(type_url::CLUSTER)?, cluster);
//! # Ok(())
//! # }
//! ```

mod any;
mod bounds;
mod codec;
mod error;
mod json;
mod schema;
pub mod type_url;
mod types;
mod unknown;
mod wire;

/// What `tests/generated` writes.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
mod generated {
    include!("gen/packages.rs");
}

pub use any::{Any, any};
pub use bounds::MAX_ELEMENTS;
pub use codec::MessageDecoder;
pub use error::Error;
pub use generated::{envoy, google, istio, opentelemetry};
pub use json::{Json, to_json};
pub use types::is_known;
pub use unknown::{MAX_PATHS, unknown_fields};
