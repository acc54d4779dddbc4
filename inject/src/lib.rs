//! A pod in, a JSON Patch out.
//!
//! Pure: no I/O, no clock, no Kubernetes client. The pod stays the raw JSON
//! that the API server sent, so that fields which Pillion does not know survive.
//!
//! [`inject`] makes the patch by a [`Config`], and [`uninject`] takes an injection
//! back.

mod already_injected;
mod annotation_fault;
mod annotation_validation;
mod annotations;
mod app_probes;
mod capture;
mod config;
mod context;
mod decision;
mod draft;
mod fault;
mod findings;
mod guard;
mod guards;
mod images;
mod inject;
mod injection_record;
pub mod json;
mod loading;
mod merge;
mod order;
mod outcome;
mod overlay;
mod overrides;
mod patch;
mod pod;
mod pod_plan;
mod pod_validation;
mod probes;
mod prometheus;
mod proxy_config_annotation;
mod proxy_env;
mod proxy_ports;
mod quantity;
mod quote;
mod refusal;
mod rendering;
mod settings;
mod sizes;
mod skip_reason;
mod steps;
mod target;
mod template;
#[cfg(feature = "test-util")]
pub mod test_util;
mod uninject;
mod unsupported;
mod user_volumes;
mod value_checks;
mod workload;
pub mod yaml;

pub use annotation_fault::AnnotationFault;
pub use annotations::{PROXY_CONFIG, STATUS};
pub use config::{Config, fields::camel_case, policy::NativeSidecars};
pub use fault::{ConfigError, ConfigKey, Fault};
pub use findings::Findings;
pub use guard::{Action, Bypass, Guard};
pub use inject::inject;
pub use loading::{Builtin, Sources};
pub use outcome::{Injection, Outcome};
pub use pod_plan::PodPlan;
pub use refusal::Refusal;
pub use skip_reason::SkipReason;
pub use target::Target;
pub use uninject::uninject;
pub use unsupported::Unsupported;
pub use workload::Workload;

#[cfg(test)]
mod tests;
