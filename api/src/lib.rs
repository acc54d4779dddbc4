//! Istio's kinds: `VirtualService`, `DestinationRule`, `Gateway` and `ServiceEntry` of
//! `networking.istio.io`, `Telemetry` of `telemetry.istio.io`, and `PeerAuthentication` of
//! `security.istio.io`.
//!
//! Types with the field names of Istio's API, whose versions are the same, reading and checking of
//! objects, and the CRDs. There is no Kubernetes client here, no clock, and no input or output.

mod absent;
pub mod admission;
mod crds;
mod destination_rule;
mod duration;
mod fault;
mod findings;
mod gateway;
mod misplaced;
mod not_built;
mod object;
mod parse;
mod path;
mod pattern;
mod peer_authentication;
mod percentage;
mod re2;
mod schema;
mod service_entry;
mod string_match;
mod structure;
mod telemetry;
mod validation;
mod virtual_service;
mod workload_selector;

pub use crds::crds;
pub use destination_rule::*;
pub use duration::{Duration, DurationError};
pub use fault::{Fault, Warning, WarningKind};
pub use gateway::*;
pub use not_built::NotBuilt;
pub use object::{AnyObject, Kind, Metadata, Object};
pub use parse::parse;
pub use pattern::{Pattern, PatternError};
pub use peer_authentication::*;
pub use percentage::{Percentage, PercentageError};
pub use service_entry::*;
pub use string_match::StringMatch;
pub use telemetry::*;
pub use validation::{custom_tags, peer_authentication_in_part, port_number};
pub use virtual_service::*;
pub use workload_selector::WorkloadSelector;
