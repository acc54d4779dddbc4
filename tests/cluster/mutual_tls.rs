//! Mutual TLS between injected pods: what goes over the wire, who gets in where, and what changes under load.

mod commands;
mod edge;
mod modes;
mod openssl;
mod peers;
mod plaintext;
mod renewal;
pub mod trio;
mod turnover;
mod wire;
