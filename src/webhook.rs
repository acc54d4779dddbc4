//! The HTTPS server around [`crate::inject`].

mod current;
mod readiness;

pub use current::Current;
pub use readiness::{Condition, Readiness};
