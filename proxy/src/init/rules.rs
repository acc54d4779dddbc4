//! The model of the rules, in their order, and how `iptables-restore` writes them.

use std::fmt;

use super::values::{Cidr, Id, Interface, Port};

/// A family of IP, each with its own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A table, in the order in which they are applied: capture itself comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Where invalid packets are dropped.
    Mangle,
    /// Where connections are redirected.
    Nat,
}

impl Table {
    /// All that Pillion writes to.
    pub const ALL: [Self; 2] = [Self::Mangle, Self::Nat];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mangle => "mangle",
            Self::Nat => "nat",
        }
    }
}

/// A chain that Pillion's rules are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Netfilter's own, for what comes in.
    Prerouting,
    /// Netfilter's own, for what goes out.
    Output,
    /// Decides on what comes in.
    IstioInbound,
    /// Takes to the proxy's outbound port.
    IstioRedirect,
    /// Takes to the proxy's inbound port.
    IstioInRedirect,
    /// Decides on what goes out.
    IstioOutput,
    /// Drops.
    IstioDrop,
}

impl Chain {
    /// Those that Pillion makes. They bear the names that Istio gave them.
    pub const OWN: [Self; 5] = [
        Self::IstioInbound,
        Self::IstioRedirect,
        Self::IstioInRedirect,
        Self::IstioOutput,
        Self::IstioDrop,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::IstioInbound => "ISTIO_INBOUND",
            Self::IstioRedirect => "ISTIO_REDIRECT",
            Self::IstioInRedirect => "ISTIO_IN_REDIRECT",
            Self::IstioOutput => "ISTIO_OUTPUT",
            Self::IstioDrop => "ISTIO_DROP",
        }
    }

    /// Whether a chain of this name is one that Pillion makes.
    #[must_use]
    pub fn is_own(name: &str) -> bool {
        Self::OWN.iter().any(|chain| chain.name() == name)
    }
}

/// What a packet has to be for a rule to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// To this port.
    ToPort(Port),
    /// To any other port.
    NotToPort(Port),
    /// From here.
    From(Cidr),
    /// To here.
    To(Cidr),
    /// To elsewhere.
    NotTo(Cidr),
    /// Received on this interface.
    In(Interface),
    /// Sent on this interface.
    Out(Interface),
    /// Sent by this user.
    Uid(Id),
    /// Sent by another user.
    NotUid(Id),
    /// Sent by this group.
    Gid(Id),
    /// Sent by another group.
    NotGid(Id),
    /// Of no connection that the kernel knows.
    Invalid,
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => write!(f, "-p tcp"),
            Self::Udp => write!(f, "-p udp"),
            Self::ToPort(port) => write!(f, "--dport {port}"),
            Self::NotToPort(port) => write!(f, "! --dport {port}"),
            Self::From(range) => write!(f, "-s {range}"),
            Self::To(range) => write!(f, "-d {range}"),
            Self::NotTo(range) => write!(f, "! -d {range}"),
            Self::In(interface) => write!(f, "-i {interface}"),
            Self::Out(interface) => write!(f, "-o {interface}"),
            Self::Uid(id) => write!(f, "-m owner --uid-owner {id}"),
            Self::NotUid(id) => write!(f, "-m owner ! --uid-owner {id}"),
            Self::Gid(id) => write!(f, "-m owner --gid-owner {id}"),
            Self::NotGid(id) => write!(f, "-m owner ! --gid-owner {id}"),
            Self::Invalid => write!(f, "-m conntrack --ctstate INVALID"),
        }
    }
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The chain before goes on.
    Return,
    /// It is gone.
    Drop,
    /// It goes to a port of this network namespace.
    Redirect(Port),
    /// Another chain decides.
    Jump(Chain),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Return => write!(f, "-j RETURN"),
            Self::Drop => write!(f, "-j DROP"),
            Self::Redirect(port) => write!(f, "-j REDIRECT --to-ports {port}"),
            Self::Jump(chain) => write!(f, "-j {}", chain.name()),
        }
    }
}

/// One rule, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    table: Table,
    chain: Chain,
    /// Before all others of its chain, instead of after them.
    first: bool,
    matches: Vec<Match>,
    target: Target,
}

impl Rule {
    /// What follows the name of the chain.
    fn specification(&self) -> String {
        let mut text = String::new();
        for condition in &self.matches {
            text.push_str(&condition.to_string());
            text.push(' ');
        }
        text + &self.target.to_string()
    }

    fn line(&self) -> String {
        let chain = self.chain.name();
        let specification = self.specification();
        if self.first {
            format!("-I {chain} 1 {specification}")
        } else {
            format!("-A {chain} {specification}")
        }
    }
}

/// The rules of one family, in the order in which they are added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    rules: Vec<Rule>,
}

impl Ruleset {
    /// Adds a rule after those of its chain.
    pub fn append(&mut self, table: Table, chain: Chain, matches: Vec<Match>, target: Target) {
        self.rules.push(Rule {
            table,
            chain,
            first: false,
            matches,
            target,
        });
    }

    /// Adds a rule before those of its chain, also before other people's.
    pub fn insert(&mut self, table: Table, chain: Chain, matches: Vec<Match>, target: Target) {
        self.rules.push(Rule {
            table,
            chain,
            first: true,
            matches,
            target,
        });
    }

    /// Whether there are rules in this table.
    #[must_use]
    pub fn uses(&self, table: Table) -> bool {
        self.rules.iter().any(|rule| rule.table == table)
    }

    /// The chains that have to be made in a table, in the order of their first rule.
    #[must_use]
    pub fn own_chains(&self, table: Table) -> Vec<Chain> {
        let mut chains = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.table == table) {
            if Chain::OWN.contains(&rule.chain) && !chains.contains(&rule.chain) {
                chains.push(rule.chain);
            }
        }
        chains
    }

    /// The specifications of a chain's rules in the order in which they will stand.
    #[must_use]
    pub fn standing(&self, table: Table, chain: &str) -> Vec<String> {
        let here = |rule: &&Rule| rule.table == table && rule.chain.name() == chain;
        let inserted = self.rules.iter().rev().filter(|rule| rule.first);
        let appended = self.rules.iter().filter(|rule| !rule.first);
        let standing = inserted.chain(appended).filter(here);
        standing.map(Rule::specification).collect()
    }

    /// The lines that make the chains and rules of a table.
    #[must_use]
    pub fn lines(&self, table: Table) -> Vec<String> {
        let chains = self.own_chains(table);
        let chains = chains
            .into_iter()
            .map(|chain| format!("-N {}", chain.name()));
        let rules = self.rules.iter().filter(|rule| rule.table == table);
        chains.chain(rules.map(Rule::line)).collect()
    }
}

/// Writes a document for `iptables-restore --noflush`. Tables without lines are left out.
#[must_use]
pub fn document(lines: impl Fn(Table) -> Vec<String>) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        let lines = lines(table);
        if !lines.is_empty() {
            let body = lines.join("\n");
            text += &format!("* {}\n{body}\nCOMMIT\n", table.name());
        }
    }
    text
}
