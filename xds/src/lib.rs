//! The protocol of Envoy's aggregated discovery service (xDS, "ADS"), for both ends, without
//! knowing what a resource is.
//!
//! - [`Resource`], [`Snapshot`]: what a server has for one client. Versions are hashes of the
//!   content, so all servers agree on them, and a client that comes back is sent what changed.
//! - [`server`]: the incremental and the state-of-the-world variants.
//! - [`client`]: the incremental variant.
//!
//! Both ends are state machines without connections, clocks or tasks; small drivers give them
//! all three. Whatever the peer sends, memory and work are bounded ([`limits`]).

pub mod client;
mod layers;
pub mod limits;
mod refusals;
mod resource;
pub mod server;
mod snapshot;

pub use layers::Layers;
pub use refusals::{RefusedResource, refused_resources};
pub use resource::{Resource, Resources, resources};
pub use snapshot::Snapshot;
