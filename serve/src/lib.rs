//! What any port of Pillion needs, whatever it serves.
//!
//! A [`Port`] accepts connections, agrees on TLS, bounds what callers may take
//! ([`Limits`]), and hands each request to a service with the [`Peer`] that sent
//! it; told to stop, it drains. [`Readiness`] collects the [`Condition`]s that a
//! role registers, and [`serve_status`] answers the kubelet and Prometheus. What
//! a request means is the service's business.

mod activity;
mod bind;
mod budget;
mod callers;
mod conduct;
mod frame_scanner;
mod frames;
mod limits;
mod listener;
mod metrics;
mod port;
mod readiness;
mod status;
mod tls;
mod watched;

pub use activity::Unsent;
pub use bind::{BindError, bind};
pub use budget::{Budget, Full, Room, Share};
pub use callers::Caller;
pub use frame_scanner::{FrameHead, FrameScanner};
pub use frames::{Allowance, Meter, Reading};
pub use limits::Limits;
pub use listener::Listener;
pub use metrics::{Frame, Phase, PortMetrics};
pub use port::{Peer, Port};
pub use readiness::{Condition, Readiness};
pub use status::{metrics_response, readiness_response, serve_status};
pub use tls::Tls;
