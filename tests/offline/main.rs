//! What needs no API server: the webhook on a loopback port, the built binary on
//! manifests, the chart as helm renders it, and what holds for any pod.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../apiserver/discovery/ask.rs"]
mod ask;
mod ca;
mod chart;
mod cli;
mod demo;
mod hostile_text;
mod layers;
mod properties;
mod webhook;
