//! The faults and warnings of one object, collected on a walk through it.

use crate::{
    fault::{Fault, Warning, WarningKind},
    path::{Path, Segment},
};

/// The most faults and the most warnings that are told of one object.
const MOST: usize = 20;

/// What a walk has found, and where it is.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    path: Path,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
    untold_faults: usize,
}

impl Findings {
    /// Goes to a field or an element for as long as `visit` takes.
    pub(crate) fn at<R>(
        &mut self,
        segment: impl Into<Segment>,
        visit: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.path.0.push(segment.into());
        let result = visit(self);
        self.path.0.pop();
        result
    }

    /// Goes to each element of a list.
    pub(crate) fn each<'a, T>(
        &mut self,
        field: &str,
        list: &'a [T],
        mut visit: impl FnMut(&mut Self, &'a T),
    ) {
        self.at(field, |findings| {
            for (index, element) in list.iter().enumerate() {
                findings.at(index, |findings| visit(findings, element));
            }
        });
    }

    /// Goes to each value of a map.
    pub(crate) fn each_key<'a, T: 'a>(
        &mut self,
        field: &str,
        map: impl IntoIterator<Item = (&'a String, &'a T)>,
        mut visit: impl FnMut(&mut Self, &str, &T),
    ) {
        self.at(field, |findings| {
            for (key, value) in map {
                findings.at(Segment::key(key), |findings| visit(findings, key, value));
            }
        });
    }

    /// Goes to a field if it is set.
    pub(crate) fn some<T>(
        &mut self,
        field: &str,
        value: Option<&T>,
        visit: impl FnOnce(&mut Self, &T),
    ) {
        if let Some(value) = value {
            self.at(field, |findings| visit(findings, value));
        }
    }

    /// The field where the walk is can't be accepted.
    pub(crate) fn fault(&mut self, message: impl Into<String>) {
        if self.faults.len() < MOST {
            self.faults.push(Fault {
                path: self.path.to_string(),
                message: message.into(),
            });
        } else {
            self.untold_faults += 1;
        }
    }

    /// Like [`Findings::fault`], but builds the message only if it will be reported: some
    /// messages take time to build.
    pub(crate) fn fault_with(&mut self, message: impl FnOnce(&Path) -> String) {
        if self.faults.len() < MOST {
            let message = message(&self.path);
            self.fault(message);
        } else {
            self.untold_faults += 1;
        }
    }

    /// The field where the walk is can be accepted, and is likely a mistake.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.warn_of(WarningKind::Other, message);
    }

    /// As [`Findings::warn`], of a kind of mistake.
    pub(crate) fn warn_of(&mut self, kind: WarningKind, message: impl Into<String>) {
        if self.warnings.len() < MOST {
            self.warnings.push(Warning {
                kind,
                path: self.path.to_string(),
                message: message.into(),
            });
        }
    }

    /// Whether there is a fault so far.
    pub(crate) fn is_faulty(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The warnings, or the faults if there are any.
    pub(crate) fn finish(mut self) -> Result<Vec<Warning>, Vec<Fault>> {
        if self.faults.is_empty() {
            return Ok(self.warnings);
        }
        if self.untold_faults > 0 {
            let message = format!("{} more faults are not listed", self.untold_faults);
            self.faults.push(Fault {
                path: "spec".to_owned(),
                message,
            });
        }
        Err(self.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_bounded_number_of_faults() {
        let mut findings = Findings::default();
        findings.each("spec", &[(); 50], |findings, ()| findings.fault("no"));
        let faults = findings.finish().unwrap_err();
        assert_eq!(faults.len(), MOST + 1);
        assert_eq!(faults[19].to_string(), "spec[19]: no");
        assert_eq!(
            faults[20].to_string(),
            "spec: 30 more faults are not listed"
        );
    }
}
