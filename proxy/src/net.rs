//! Sockets and what is received from them.

pub(crate) mod bind;
pub(crate) mod buffers;
pub(crate) mod flow;
pub(crate) mod input;
#[cfg(feature = "test-util")]
pub(crate) mod memory;
#[cfg(feature = "test-util")]
pub(crate) mod network;
pub(crate) mod original_dst;
pub(crate) mod output;
pub(crate) mod pipe;
pub(crate) mod read_ahead;
pub(crate) mod sizes;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod tls_alert;
pub(crate) mod turn;
