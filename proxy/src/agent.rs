//! The agent of a stock Envoy, which carries the pod's traffic in the place of this proxy.
//!
//! The agent is what Envoy lacks to be a sidecar of the mesh: it writes its bootstrap, takes its stream of
//! configuration to the control plane with the pod's token ([`relay`]), has a certificate issued and gives it to
//! Envoy ([`secrets`]), and serves the ports of the kubelet. It starts Envoy, drains it when the pod ends, and ends
//! with it; an Envoy that has ended is not started again here, but by the kubelet, with its agent.

mod args;
mod arguments;
mod bootstrap;
mod drain;
mod envoy;
mod folder;
#[cfg(feature = "test-util")]
mod played;
mod ready;
mod relay;
mod roots;
mod run;
mod secrets;
mod socket;
#[cfg(test)]
mod test_util;

pub use self::args::Args;
#[cfg(feature = "test-util")]
pub use self::played::{AnsweredSecrets, SecretsPlay, SecretsStep};
pub(crate) use self::{args::of_image, run::run};
