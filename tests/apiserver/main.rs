//! The chart and the built injector against a real API server: one control plane
//! for all of these tests, and a namespace and a revision for each of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod admission;
mod certificates;
mod chart;
mod discovery;
mod dry_run;
mod eventually;
mod injector_process;
mod shutdown;
mod tls;
mod turns;

use eventually::eventually;

/// Labels of a namespace whose pods no revision of another test injects.
const OPTED_OUT: &[(&str, &str)] = &[("istio-injection", "disabled")];
