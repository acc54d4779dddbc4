//! What the parts of one resource have in common.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{citations::Citations, fault::Fault};

/// Regular expressions of one resource. A short text may need much memory.
const MAX_PATTERNS: usize = 4_096;

/// A resource while it is compiled: what it cites, and what it has used up.
#[derive(Debug, Default)]
pub(super) struct Scope {
    cites: RefCell<Citations>,
    patterns: Cell<usize>,
}

impl Scope {
    /// Notes that a cluster is cited.
    pub fn cluster(&self, field: &'static str, name: &str) -> Result<Arc<str>, Fault> {
        check_name(field, name)?;
        Ok(self.cites.borrow_mut().cluster(name))
    }

    /// The same for a route configuration.
    pub fn route_configuration(&self, field: &'static str, name: &str) -> Result<Arc<str>, Fault> {
        check_name(field, name)?;
        Ok(self.cites.borrow_mut().route_configuration(name))
    }

    /// Counts a regular expression.
    pub fn pattern(&self, field: &'static str) -> Result<(), Fault> {
        let patterns = self.patterns.get() + 1;
        self.patterns.set(patterns);
        match patterns > MAX_PATTERNS {
            true => {
                let reason = format!("has more than {MAX_PATTERNS} regular expressions before it");
                Err(Fault::new(field, reason))
            }
            false => Ok(()),
        }
    }

    /// All that was cited.
    pub fn into_cites(self) -> Citations {
        self.cites.into_inner()
    }
}

/// The longest name of a resource.
const MAX_NAME: usize = 4_096;

fn check_name(field: &'static str, name: &str) -> Result<(), Fault> {
    match name.len() {
        0 => Err(Fault::new(field, "is empty")),
        1..=MAX_NAME => Ok(()),
        _ => Err(Fault::new(field, format!("has more than {MAX_NAME} bytes"))),
    }
}
