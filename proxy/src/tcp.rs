//! Connections whose bytes are passed on as they are.

pub(crate) mod relay;
