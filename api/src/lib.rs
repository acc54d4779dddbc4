//! Istio's kinds: `VirtualService`, `DestinationRule`, `Gateway` and `ServiceEntry` of
//! `networking.istio.io`, and `Telemetry` of `telemetry.istio.io`.
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
mod percentage;
mod re2;
mod schema;
mod service_entry;
mod string_match;
mod structure;
mod telemetry;
mod validation;
mod virtual_service;

pub use crds::crds;
pub use destination_rule::*;
pub use duration::{Duration, DurationError};
pub use fault::{Fault, Warning, WarningKind};
pub use gateway::*;
pub use not_built::NotBuilt;
pub use object::{AnyObject, Kind, Metadata, Object};
pub use parse::parse;
pub use pattern::{Pattern, PatternError};
pub use percentage::{Percentage, PercentageError};
pub use service_entry::*;
pub use string_match::StringMatch;
pub use telemetry::*;
pub use validation::custom_tags;
pub use virtual_service::*;
