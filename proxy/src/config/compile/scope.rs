//! What the parts of one resource have in common.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{
    citations::Citations,
    fault::{Fault, Faults},
};
use crate::tables::{Action, ClusterChoice, Patterns, VirtualHost};

/// A resource while it is compiled: what it cites, and what of it can't be used.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// The regular expressions of the proxy.
    pub patterns: &'a Patterns,
    cites: RefCell<Citations>,
    /// What is cited by a part that may still be refused.
    trial: RefCell<Option<Citations>>,
    faults: RefCell<Faults>,
    /// Whether requests or connections feel one of them.
    are_felt: Cell<bool>,
    /// Filter chains in whose place others stand.
    refused_chains: Cell<usize>,
}

impl<'a> Scope<'a> {
    /// Nothing is cited yet.
    pub fn new(patterns: &'a Patterns) -> Self {
        Self {
            patterns,
            cites: RefCell::default(),
            trial: RefCell::default(),
            are_felt: Cell::default(),
            refused_chains: Cell::default(),
            faults: RefCell::default(),
        }
    }

    /// Notes that a cluster is cited.
    pub fn cluster(&self, field: &'static str, name: &str) -> Result<Arc<str>, Fault> {
        check_name(field, name)?;
        if let Some(known) = self.cites.borrow().clusters.get(name) {
            return Ok(Arc::clone(known));
        }
        let mut trial = self.trial.borrow_mut();
        Ok(match &mut *trial {
            Some(trial) => trial.cluster(name),
            None => self.cites.borrow_mut().cluster(name),
        })
    }

    /// The same for a route configuration.
    pub fn route_configuration(&self, field: &'static str, name: &str) -> Result<Arc<str>, Fault> {
        check_name(field, name)?;
        Ok(self.cites.borrow_mut().route_configuration(name))
    }

    /// The same for the cluster of a collector of spans.
    pub fn collector(&self, field: &'static str, name: &str) -> Result<Arc<str>, Fault> {
        check_name(field, name)?;
        Ok(self.cites.borrow_mut().collector(name))
    }

    /// Notes what a virtual host cites that is used once more.
    pub fn virtual_host(&self, host: &VirtualHost) {
        let mut cites = self.cites.borrow_mut();
        for route in &host.routes {
            let Action::Forward(forward) = &route.action else {
                continue;
            };
            match &forward.clusters {
                ClusterChoice::One(name) => drop(cites.cluster(name)),
                ClusterChoice::Weighted(clusters) => clusters
                    .iter()
                    .for_each(|cluster| drop(cites.cluster(&cluster.name))),
            }
        }
    }

    /// Compiles a part that is used as a whole or not at all: what it cites is not needed if it
    /// is refused.
    pub fn part<T>(&self, compile: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.trial.replace(Some(Citations::default()));
        let compiled = compile();
        if let (Some(trial), Ok(_)) = (self.trial.take(), &compiled) {
            self.cites.borrow_mut().extend(trial);
        }
        compiled
    }

    /// Notes the fault of a filter chain in whose place another stands.
    pub fn refuse_chain(&self, fault: Fault) {
        self.refused_chains.set(self.refused_chains.get() + 1);
        self.fault(fault);
    }

    /// How many filter chains are refused.
    pub fn refused_chains(&self) -> usize {
        self.refused_chains.get()
    }

    /// Notes the fault of a part in whose place something else stands.
    pub fn fault(&self, fault: Fault) {
        self.are_felt.set(true);
        self.unfelt_fault(fault);
    }

    /// Notes the fault of something that traffic does without.
    pub fn unfelt_fault(&self, fault: Fault) {
        self.faults.borrow_mut().add(fault);
    }

    /// Whether what is left out changes what becomes of traffic.
    pub fn has_felt_faults(&self) -> bool {
        self.are_felt.get()
    }

    /// Compiles what is inside of a field: `outer` puts the field before the paths of all
    /// faults in there, as with `map_err`.
    pub fn within<T>(
        &self,
        outer: impl Fn(Fault) -> Fault,
        compile: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let before = self.faults.borrow().shown();
        let compiled = compile();
        self.faults.borrow_mut().change(before, &outer);
        compiled.map_err(outer)
    }

    /// All that was cited, and the faults of what is left out.
    pub fn finish(self) -> (Citations, Faults) {
        (self.cites.into_inner(), self.faults.into_inner())
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
