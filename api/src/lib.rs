//! Istio's traffic kinds: `VirtualService`, `DestinationRule`, `Gateway` and `ServiceEntry`.
//!
//! Types with the field names of Istio's API `networking.istio.io` (v1, v1beta1 and v1alpha3,
//! which are the same), reading and checking of objects, and the CRDs. There is no Kubernetes
//! client here, no clock, and no input or output.

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
mod re2;
mod schema;
mod service_entry;
mod string_match;
mod structure;
mod validation;
mod virtual_service;

pub use crds::crds;
pub use destination_rule::*;
pub use duration::{Duration, DurationError};
pub use fault::{Fault, Warning, WarningKind};
pub use gateway::*;
pub use not_built::NotBuilt;
pub use object::{AnyObject, GROUP, Kind, Metadata, Object, VERSIONS};
pub use parse::parse;
pub use pattern::{Pattern, PatternError};
pub use service_entry::*;
pub use string_match::StringMatch;
pub use virtual_service::*;
