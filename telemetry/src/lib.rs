//! Pillion's telemetry: the log, and the metrics of the process.
//!
//! [`init`] sets up structured logs on standard output, [`Throttle`] bounds the
//! lines that callers can cause at will, and [`Process`] shows the process to
//! Prometheus. It knows nothing of the roles that use it.

#[cfg(any(test, feature = "test-util"))]
mod capture;
mod logging;
mod process;
mod throttle;
mod writer;

#[cfg(any(test, feature = "test-util"))]
pub use capture::logged;
pub use logging::{Adjust, Error, Format, init, init_adjustable};
pub use process::{Memory, Process};
pub use throttle::{HeldBack, Rates, Throttle, network};
pub use tracing::level_filters::LevelFilter;
pub use writer::{Guard, dropped_lines};
