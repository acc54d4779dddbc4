//! Sockets: ports, original destinations, buffers.

pub(crate) mod bind;
pub(crate) mod buffers;
pub(crate) mod original_dst;
pub(crate) mod socket;
