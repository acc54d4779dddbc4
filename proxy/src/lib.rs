//! Pillion's proxy: it captures a pod's traffic and carries it.
//!
//! It knows no Kubernetes: what it does follows from its arguments, its environment and,
//! later, the resources that a control plane serves over xDS.

mod agent;
mod backoff;
mod bounds;
pub mod cli;
mod clock;
mod config;
mod export;
mod exposition;
mod gateway;
mod http1;
mod http2;
mod identity;
mod init;
mod kind;
mod message;
mod metrics;
mod net;
mod order;
mod pipeline;
mod pool;
mod process;
mod records;
mod service_links;
mod sidecar;
mod sniff;
mod tables;
mod tcp;
mod timestamp;
mod trace;
mod traffic;
mod transport;

/// What tests and fuzz targets of other crates drive.
#[cfg(feature = "test-util")]
pub mod test_util {
    pub use crate::agent::{AnsweredSecrets, SecretsPlay, SecretsStep};
    pub use crate::config::{check_resource, read_roots};
    pub use crate::export::{AnsweredLine, CollectorAnswer, NotTaken, read_answer};
    pub use crate::http1::{
        Event, Head, Trailers, read_requests, read_responses, rewrite_request, rewrite_response,
    };
    pub use crate::identity::read_ca_answer;
    pub use crate::pipeline::{Edit, Edits, Fate, Play, Setting, client_cert_element};
    pub use crate::sniff::{MAX_BYTES, Protocol, sniff};
    pub use crate::trace::{PassedContext, pass_context};
}
