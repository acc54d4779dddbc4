//! Mutual TLS between injected pods: what goes over the wire, who gets in where, and what changes under load.

mod commands;
mod edge;
mod modes;
mod peers;
mod plaintext;
mod renewal;
mod trio;
mod wire;
