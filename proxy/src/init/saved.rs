//! What `iptables-save` says, compared with what is wanted.

use super::rules::{Chain, Ruleset, Table, document};

/// The rules of one family as they stand in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    chains: Vec<(Table, String)>,
    rules: Vec<SavedRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SavedRule {
    table: Table,
    chain: String,
    /// What follows the name of the chain, as it was printed.
    specification: String,
    normal: Normal,
}

/// How the rules that are wanted stand to those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There are none of an earlier run.
    Absent,
    /// They are in place.
    Same,
    /// There are some, and others than are wanted. Each difference in words.
    Differs(Vec<String>),
}

/// A rule's specification without what may be written in several ways: the order, the
/// modules that follow from the protocol, ranges that hold everything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Normal(Vec<String>);

impl Normal {
    fn of(specification: &str) -> Self {
        let mut parts: Vec<String> = Vec::new();
        let mut negated = false;
        for word in words(specification) {
            match parts.last_mut() {
                _ if word == "!" => negated = true,
                Some(part) if !word.starts_with('-') => {
                    part.push(' ');
                    part.push_str(&word);
                }
                _ if negated => {
                    parts.push(format!("! {word}"));
                    negated = false;
                }
                _ => parts.push(word),
            }
        }
        let implied = [
            "-m tcp",
            "-m udp",
            "-s 0.0.0.0/0",
            "-d 0.0.0.0/0",
            "-s ::/0",
            "-d ::/0",
        ];
        parts.retain(|part| !implied.contains(&part.as_str()));
        parts.sort_unstable();
        Self(parts)
    }
}

/// Splits at spaces, but not within quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('"', _) => quoted = !quoted,
            (' ', _) if !quoted => words.push(String::new()),
            ('\\', Some(word)) if quoted => word.extend(characters.next()),
            (_, Some(word)) => word.push(character),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Saved {
    /// Reads what `iptables-save` printed, of one table or of all. Tables that Pillion
    /// never writes to are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut saved = Self::default();
        let mut table = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = Table::ALL.into_iter().find(|table| table.name() == name);
            }
            let Some(table) = table else { continue };
            if let Some(chain) = line.strip_prefix(':') {
                let name = chain.split(' ').next().unwrap_or_default();
                saved.chains.push((table, name.to_owned()));
            } else if let Some(rule) = line.strip_prefix("-A ") {
                let (chain, specification) = rule.split_once(' ').unwrap_or((rule, ""));
                saved.rules.push(SavedRule {
                    table,
                    chain: chain.to_owned(),
                    specification: specification.to_owned(),
                    normal: Normal::of(specification),
                });
            }
        }
        saved
    }

    /// Adds what was printed of another table.
    pub fn extend(&mut self, other: Self) {
        self.chains.extend(other.chains);
        self.rules.extend(other.rules);
    }

    fn own_chains(&self, table: Table) -> impl Iterator<Item = &str> {
        let here = move |(found, name): &&(Table, String)| *found == table && Chain::is_own(name);
        self.chains
            .iter()
            .filter(here)
            .map(|(_, name)| name.as_str())
    }

    /// The rules that init made or would make in chains that are not its own: jumps to
    /// its chains, and those that are wanted.
    fn own_rules_elsewhere(&self, table: Table, wanted: &Ruleset) -> Vec<&SavedRule> {
        let here = self.rules.iter().filter(|rule| rule.table == table);
        let foreign = here.filter(|rule| !Chain::is_own(&rule.chain));
        foreign
            .filter(|rule| {
                let same = |wanted: &String| Normal::of(wanted) == rule.normal;
                jumps_to_own(&rule.normal) || wanted.standing(table, &rule.chain).iter().any(same)
            })
            .collect()
    }

    /// How the rules that are wanted stand to these.
    #[must_use]
    pub fn compare(&self, wanted: &Ruleset) -> Standing {
        let mut differences = Vec::new();
        let mut residue = false;
        for table in Table::ALL {
            residue |= self.own_chains(table).next().is_some();
            let elsewhere = self.own_rules_elsewhere(table, wanted);
            residue |= elsewhere.iter().any(|rule| jumps_to_own(&rule.normal));
            for chain in Chain::OWN {
                let here = |rule: &&SavedRule| rule.table == table && rule.chain == chain.name();
                let found: Vec<_> = self.rules.iter().filter(here).collect();
                differ(wanted, table, chain.name(), &found, &mut differences);
            }
            for chain in [Chain::Prerouting, Chain::Output] {
                let here = |rule: &&&SavedRule| rule.chain == chain.name();
                let found: Vec<_> = elsewhere
                    .iter()
                    .copied()
                    .filter(|rule| here(&rule))
                    .collect();
                differ(wanted, table, chain.name(), &found, &mut differences);
            }
        }
        match (residue, differences.is_empty()) {
            (false, _) => Standing::Absent,
            (true, true) => Standing::Same,
            (true, false) => Standing::Differs(differences),
        }
    }

    /// The lines that remove from a table what init made, and nothing else.
    #[must_use]
    pub fn removal(&self, table: Table, wanted: &Ruleset) -> Vec<String> {
        let elsewhere = self.own_rules_elsewhere(table, wanted);
        let rules = elsewhere.iter();
        let rules = rules.map(|rule| format!("-D {} {}", rule.chain, rule.specification));
        let flush = self.own_chains(table).map(|chain| format!("-F {chain}"));
        let delete = self.own_chains(table).map(|chain| format!("-X {chain}"));
        rules.chain(flush).chain(delete).collect()
    }

    /// A document that removes what init made; empty when there is nothing.
    #[must_use]
    pub fn removal_document(&self, wanted: &Ruleset) -> String {
        document(|table| self.removal(table, wanted))
    }

    /// A document that puts what is wanted in the place of what init made.
    #[must_use]
    pub fn replacement_document(&self, wanted: &Ruleset) -> String {
        document(|table| {
            let mut lines = self.removal(table, wanted);
            lines.extend(wanted.lines(table));
            lines
        })
    }

    /// Other people's rules in the chains of `nat` that everything passes, as printed:
    /// they may decide before ours do.
    #[must_use]
    pub fn foreign_nat_rules(&self, wanted: &Ruleset) -> Vec<String> {
        let own = self.own_rules_elsewhere(Table::Nat, wanted);
        let passed = [Chain::Prerouting.name(), Chain::Output.name()];
        let rules = self.rules.iter().filter(|rule| rule.table == Table::Nat);
        rules
            .filter(|rule| passed.contains(&rule.chain.as_str()) && !own.contains(rule))
            .map(|rule| format!("-A {} {}", rule.chain, rule.specification))
            .collect()
    }
}

fn jumps_to_own(rule: &Normal) -> bool {
    let target = |part: &String| part.strip_prefix("-j ").is_some_and(Chain::is_own);
    rule.0.iter().any(target)
}

fn differ(
    wanted: &Ruleset,
    table: Table,
    chain: &str,
    found: &[&SavedRule],
    differences: &mut Vec<String>,
) {
    let wanted = wanted.standing(table, chain);
    let same = |(wanted, found): (&String, &&SavedRule)| Normal::of(wanted) == found.normal;
    if wanted.len() == found.len() && wanted.iter().zip(found).all(same) {
        return;
    }
    let before = differences.len();
    let table = table.name();
    for rule in &wanted {
        let normal = Normal::of(rule);
        if !found.iter().any(|found| found.normal == normal) {
            differences.push(format!("{table}: missing: -A {chain} {rule}"));
        }
    }
    for rule in found {
        if !wanted
            .iter()
            .any(|wanted| Normal::of(wanted) == rule.normal)
        {
            let specification = &rule.specification;
            differences.push(format!("{table}: not wanted: -A {chain} {specification}"));
        }
    }
    if differences.len() == before {
        differences.push(format!("{table}: {chain}: the rules' order or number"));
    }
}

#[cfg(test)]
mod tests;
