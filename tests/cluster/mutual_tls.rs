//! Mutual TLS between injected pods: what goes over the wire, who gets in where, and what changes under load.

#[path = "../apiserver/discovery/authorities.rs"]
mod authorities;
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
