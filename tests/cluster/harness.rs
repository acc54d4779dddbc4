//! What a test of pods that run begins with.
//!
//! ```
//! let Some(shop) = Namespace::injected("shop").await else { return };
//! shop.create(&[pod("web", &[samples("web", &["pillion-samples", "httpbin"])])]).await;
//! shop.wait("pod/web", "condition=Ready").await;
//! ```

mod cluster;
mod counters;
mod eventually;
mod gateway;
mod guard;
mod http;
mod load;
mod namespace;
mod objects;
mod policies;
mod release;
mod shell;
mod sidecar;
mod tap;
mod traces;
mod versions;
mod visitors;

pub use self::{
    counters::{Counters, Reporter},
    eventually::{eventually, eventually_within},
    gateway::Gateway,
    http::{get, get_of, get_with, say},
    load::{Load, Report},
    namespace::Namespace,
    objects::{
        Container, busybox, deployment, pod, sample, samples, server, service, until_answered,
    },
    policies::{MeshPolicy, mode, peer_authentication},
    release::Release,
    shell::{output, run},
    tap::{Flow, Tap},
    traces::{Span, Store, parent, sampling, system},
    versions::{Versions, to},
    visitors::Visitors,
};
