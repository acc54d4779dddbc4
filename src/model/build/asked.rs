//! What TLS DestinationRules ask of clients.

use std::collections::{BTreeMap, BTreeSet};

use pillion_api::{ClientTlsMode, ClientTlsSettings, Subset, TrafficPolicy};

use crate::model::objects::Labels;

/// How many settings of a rule are compared with ports. Nothing is said of more ports.
const COMPARED: usize = 1 << 20;

/// Which of some TLS modes a DestinationRule asks for at each port.
pub(super) struct Asked<'a> {
    policy: Option<&'a TrafficPolicy>,
    subsets: &'a [Subset],
    /// The name of a mode, if it is one of those.
    name: fn(ClientTlsMode) -> Option<&'static str>,
    /// What was found so far: the hosts of a wildcard mostly have the same ports.
    modes: BTreeMap<u16, BTreeSet<&'static str>>,
    /// How many more ports are looked at.
    left: usize,
}

impl<'a> Asked<'a> {
    /// Looks for the modes that have a `name`.
    pub fn new(
        policy: Option<&'a TrafficPolicy>,
        subsets: &'a [Subset],
        name: fn(ClientTlsMode) -> Option<&'static str>,
    ) -> Self {
        let mut asked = Self {
            policy,
            subsets,
            name,
            modes: BTreeMap::new(),
            left: 0,
        };
        let settings = asked.policies();
        let settings = settings.map(|policy| policy.port_level_settings.len() + 1);
        asked.left = COMPARED / settings.sum::<usize>().max(1);
        asked
    }

    /// The policies of the rule and of its subsets.
    fn policies(&self) -> impl Iterator<Item = &'a TrafficPolicy> {
        let subsets = self.subsets.iter();
        let subsets = subsets.filter_map(|subset| subset.traffic_policy.as_ref());
        self.policy.into_iter().chain(subsets)
    }

    /// Whether it asks for one of the modes at all.
    pub fn is_anywhere(&self) -> bool {
        self.policies().any(|policy| {
            let ports = policy.port_level_settings.iter();
            let ports = ports.filter_map(|port| port.tls.as_ref());
            let mut all = policy.tls.iter().chain(ports);
            all.any(|tls| (self.name)(tls.mode).is_some())
        })
    }

    /// The modes that the rule or one of its subsets asks for at a port.
    pub fn modes_at(&mut self, port: u16) -> BTreeSet<&'static str> {
        if let Some(modes) = self.modes.get(&port) {
            return modes.clone();
        }
        if !self.may_compare() {
            return BTreeSet::new();
        }
        let modes: BTreeSet<_> = self.names(port, |_| true).collect();
        self.modes.insert(port, modes.clone());
        modes
    }

    /// Whether one of the modes is for endpoints with these labels at a port.
    pub fn is_for(&mut self, port: u16, labels: &Labels) -> bool {
        let selects = |subset: &Subset| {
            let mut own = subset.labels.iter();
            own.all(|(name, value)| labels.get(name) == Some(value))
        };
        self.may_compare() && self.names(port, selects).next().is_some()
    }

    /// Counts a port that is looked at, unless there were too many.
    fn may_compare(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    /// The modes that the rule and those subsets ask for at a port.
    fn names(
        &self,
        port: u16,
        is_meant: impl Fn(&Subset) -> bool,
    ) -> impl Iterator<Item = &'static str> {
        let of_all = tls(None, self.policy, port);
        let subsets = self.subsets.iter().filter(move |subset| is_meant(subset));
        let subsets = subsets.map(move |subset| tls(of_all, subset.traffic_policy.as_ref(), port));
        let all = [of_all].into_iter().chain(subsets).flatten();
        all.filter_map(|tls| (self.name)(tls.mode))
    }
}

/// The settings for a port: those of the policy, or else of the wider one. Settings of a policy for a single port
/// replace all others.
fn tls<'a>(
    wider: Option<&'a ClientTlsSettings>,
    policy: Option<&'a TrafficPolicy>,
    port: u16,
) -> Option<&'a ClientTlsSettings> {
    let Some(policy) = policy else { return wider };
    let mut ports = policy.port_level_settings.iter();
    let of_port = ports.find(|own| own.port.is_some_and(|own| own.number == port));
    match of_port {
        Some(own) => own.tls.as_ref(),
        None => policy.tls.as_ref().or(wider),
    }
}
