//! Which rules capture a pod's traffic: a pure function of the settings.
//!
//! The rules are Istio's, one by one and in its order, so that whoever knows them finds
//! them again, and so that other tools which look for them do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    rules::{Chain, Family, Match, Ruleset, Table, Target},
    values::{Cidr, Id, Interface, Port, Selection},
};

/// Whose outbound traffic is captured, by the group of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerGroups {
    /// Everybody's but these groups'.
    AllBut(Vec<Id>),
    /// Only these groups'.
    Only(Vec<Id>),
}

/// What is captured, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The proxy's port for outbound traffic.
    pub proxy_port: Port,
    /// The proxy's port for inbound traffic.
    pub inbound_capture_port: Port,
    /// A port of the proxy that peers connect to directly.
    pub inbound_tunnel_port: Port,
    /// The proxy's own users, whose traffic passes.
    pub proxy_uids: Vec<Id>,
    /// The proxy's own groups, whose traffic passes.
    pub proxy_gids: Vec<Id>,
    /// The ports of which inbound traffic is captured.
    pub inbound_ports: Selection<Port>,
    /// The ports whose inbound traffic passes when all other is captured.
    pub inbound_excluded_ports: Vec<Port>,
    /// The ranges to which outbound traffic is captured.
    pub outbound_ranges: Selection<Cidr>,
    /// The ranges to which outbound traffic passes.
    pub outbound_excluded_ranges: Vec<Cidr>,
    /// The ports to which outbound traffic is captured wherever it goes.
    pub outbound_ports: Vec<Port>,
    /// The ports to which outbound traffic passes.
    pub outbound_excluded_ports: Vec<Port>,
    /// The interfaces on which nothing is captured.
    pub excluded_interfaces: Vec<Interface>,
    /// The interfaces whose inbound traffic is treated as outbound.
    pub rerouted_interfaces: Vec<Interface>,
    /// Whose outbound traffic is captured.
    pub owner_groups: OwnerGroups,
    /// What of IPv4 counts as loopback.
    pub loopback_range: Cidr,
    /// Whether packets of unknown connections are dropped.
    pub drop_invalid: bool,
}

/// The address from which the proxy calls the application, so that these calls pass.
#[must_use]
pub fn passthrough_address(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)),
        Family::V6 => IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6)),
    }
}

impl Capture {
    /// The rules for one family. Ranges of the other one are left out.
    #[must_use]
    pub fn rules(&self, family: Family) -> Ruleset {
        let mut rules = Builder {
            capture: self,
            family,
            rules: Ruleset::default(),
        };
        rules.interfaces();
        rules.invalid();
        rules.chains();
        rules.inbound();
        rules.outbound();
        rules.rules
    }

    /// What counts as loopback.
    fn loopback(&self, family: Family) -> Cidr {
        match family {
            Family::V4 => self.loopback_range,
            Family::V6 => Cidr::host(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        }
    }

    /// Whether a connection of the proxy's user to this port of the address that it
    /// calls applications from is captured. [`super::validation`] makes one.
    #[must_use]
    pub fn captures_probe(&self, family: Family, port: Port) -> bool {
        let address = passthrough_address(family);
        let interface = |interface: &Interface| interface.matches("lo");
        !self.excluded_interfaces.iter().any(interface)
            && !self.outbound_excluded_ports.contains(&port)
            && !self.loopback(family).contains(address)
            && port != self.inbound_tunnel_port
            && !self.proxy_uids.is_empty()
    }

    fn captures_loopback(&self) -> bool {
        match &self.outbound_ranges {
            Selection::All => false,
            Selection::Only(ranges) => ranges.iter().any(|range| range.is_loopback()),
        }
    }
}

struct Builder<'a> {
    capture: &'a Capture,
    family: Family,
    rules: Ruleset,
}

impl Builder<'_> {
    fn nat(&mut self, chain: Chain, matches: Vec<Match>, target: Target) {
        self.rules.append(Table::Nat, chain, matches, target);
    }

    fn output(&mut self, matches: Vec<Match>, target: Target) {
        self.nat(Chain::IstioOutput, matches, target);
    }

    fn is_here(&self, range: Cidr) -> bool {
        range.is_ipv6() == (self.family == Family::V6)
    }

    fn interfaces(&mut self) {
        for nic in &self.capture.excluded_interfaces {
            self.nat(
                Chain::Prerouting,
                vec![Match::In(nic.clone())],
                Target::Return,
            );
            self.nat(Chain::Output, vec![Match::Out(nic.clone())], Target::Return);
        }
        for nic in &self.capture.rerouted_interfaces {
            let matches = vec![Match::In(nic.clone())];
            self.rules
                .insert(Table::Nat, Chain::Prerouting, matches, Target::Return);
        }
    }

    fn invalid(&mut self) {
        if self.capture.drop_invalid {
            let drop = Target::Jump(Chain::IstioDrop);
            let rules = &mut self.rules;
            rules.append(Table::Mangle, Chain::Prerouting, vec![Match::Invalid], drop);
            rules.append(Table::Mangle, Chain::IstioDrop, vec![], Target::Drop);
        }
    }

    fn chains(&mut self) {
        let capture = self.capture;
        let tunnel = vec![Match::Tcp, Match::ToPort(capture.inbound_tunnel_port)];
        self.nat(Chain::IstioInbound, tunnel, Target::Return);
        let outbound = Target::Redirect(capture.proxy_port);
        self.nat(Chain::IstioRedirect, vec![Match::Tcp], outbound);
        let inbound = Target::Redirect(capture.inbound_capture_port);
        self.nat(Chain::IstioInRedirect, vec![Match::Tcp], inbound);
    }

    fn inbound(&mut self) {
        let capture = self.capture;
        let captured = Target::Jump(Chain::IstioInRedirect);
        let jump = Target::Jump(Chain::IstioInbound);
        match &capture.inbound_ports {
            Selection::Only(ports) if ports.is_empty() => {}
            Selection::Only(ports) => {
                self.nat(Chain::Prerouting, vec![Match::Tcp], jump);
                for port in ports {
                    let matches = vec![Match::Tcp, Match::ToPort(*port)];
                    self.nat(Chain::IstioInbound, matches, captured);
                }
            }
            Selection::All => {
                self.nat(Chain::Prerouting, vec![Match::Tcp], jump);
                for port in &capture.inbound_excluded_ports {
                    let matches = vec![Match::Tcp, Match::ToPort(*port)];
                    self.nat(Chain::IstioInbound, matches, Target::Return);
                }
                self.nat(Chain::IstioInbound, vec![Match::Tcp], captured);
            }
        }
    }

    fn outbound(&mut self) {
        let capture = self.capture;
        self.nat(Chain::Output, vec![], Target::Jump(Chain::IstioOutput));
        // Before connections of the pod to itself are redirected.
        for port in &capture.outbound_excluded_ports {
            self.output(vec![Match::Tcp, Match::ToPort(*port)], Target::Return);
            self.output(vec![Match::Udp, Match::ToPort(*port)], Target::Return);
        }
        let passthrough = Match::From(Cidr::host(passthrough_address(self.family)));
        self.output(vec![out_lo(), passthrough], Target::Return);
        for uid in &capture.proxy_uids {
            self.owner(Match::Uid(*uid), Match::NotUid(*uid));
        }
        for gid in &capture.proxy_gids {
            self.owner(Match::Gid(*gid), Match::NotGid(*gid));
        }
        self.groups();
        let loopback = capture.loopback(self.family);
        // Containers of a pod that talk over localhost mean each other.
        self.output(vec![Match::To(loopback)], Target::Return);
        for range in &capture.outbound_excluded_ranges {
            if self.is_here(*range) {
                self.output(vec![Match::To(*range)], Target::Return);
            }
        }
        let captured = Target::Jump(Chain::IstioRedirect);
        for port in &capture.outbound_ports {
            self.output(vec![Match::Tcp, Match::ToPort(*port)], captured);
        }
        self.ranges(captured);
    }

    /// The proxy's own traffic: what it sends to the pod's own address is inbound, the
    /// rest passes.
    fn owner(&mut self, own: Match, others: Match) {
        let capture = self.capture;
        let to_itself = vec![
            out_lo(),
            Match::NotTo(capture.loopback(self.family)),
            Match::Tcp,
            Match::NotToPort(capture.inbound_tunnel_port),
            own.clone(),
        ];
        self.output(to_itself, Target::Jump(Chain::IstioInRedirect));
        // An application that calls its own pod's address means itself.
        if !capture.captures_loopback() {
            self.output(vec![out_lo(), others], Target::Return);
        }
        self.output(vec![own], Target::Return);
    }

    fn groups(&mut self) {
        match &self.capture.owner_groups {
            OwnerGroups::AllBut(groups) => {
                for group in groups {
                    self.output(vec![Match::Gid(*group)], Target::Return);
                }
            }
            OwnerGroups::Only(groups) => {
                let others = groups.iter().map(|group| Match::NotGid(*group));
                self.output(others.collect(), Target::Return);
            }
        }
    }

    fn ranges(&mut self, captured: Target) {
        let capture = self.capture;
        match &capture.outbound_ranges {
            Selection::All => {
                self.output(vec![], captured);
                for nic in &capture.rerouted_interfaces {
                    self.reroute(vec![Match::In(nic.clone())], captured);
                }
            }
            Selection::Only(ranges) => {
                for range in ranges
                    .iter()
                    .filter(|range| self.is_here(**range))
                    .copied()
                    .collect::<Vec<_>>()
                {
                    for nic in &capture.rerouted_interfaces {
                        let matches = vec![Match::In(nic.clone()), Match::To(range)];
                        self.reroute(matches, captured);
                    }
                    self.output(vec![Match::To(range)], captured);
                }
            }
        }
    }

    fn reroute(&mut self, matches: Vec<Match>, captured: Target) {
        self.rules
            .insert(Table::Nat, Chain::Prerouting, matches, captured);
    }
}

fn out_lo() -> Match {
    Match::Out(Interface::loopback())
}
