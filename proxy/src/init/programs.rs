//! The programs of iptables: which of them fit the pod, and what they are asked.

use std::{fs, io};

use super::{
    args::ForcedBinary,
    program::{Failure, LOCK_SECONDS, run},
    rules::{Family, Table},
    saved::Saved,
};

/// The two of iptables, and what the distribution makes of the plain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Legacy,
    Nft,
    Plain,
}

/// The programs for one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Programs {
    family: Family,
    binary: Binary,
}

/// The tables of iptables-legacy in this network namespace.
enum LegacyTables {
    /// These.
    Named(Vec<String>),
    /// Only root may see which.
    Hidden,
}

fn legacy_tables(family: Family) -> LegacyTables {
    let file = match family {
        Family::V4 => "/proc/net/ip_tables_names",
        Family::V6 => "/proc/net/ip6_tables_names",
    };
    match fs::read_to_string(file) {
        Ok(names) => LegacyTables::Named(names.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => LegacyTables::Hidden,
        // Without this file the kernel has no iptables-legacy.
        Err(_) => LegacyTables::Named(Vec::new()),
    }
}

/// Whether iptables-legacy may have this table here already.
fn may_exist(family: Family, table: Table) -> bool {
    match legacy_tables(family) {
        LegacyTables::Named(names) => names.iter().any(|name| name == table.name()),
        LegacyTables::Hidden => true,
    }
}

impl Programs {
    /// Chooses them: those of iptables-legacy if it has rules here already, else those
    /// of nftables if they work, else those of iptables-legacy if they do, else what
    /// has the plain name.
    #[must_use]
    pub fn choose(family: Family, forced: Option<ForcedBinary>) -> Self {
        let with = |binary| Self { family, binary };
        match forced {
            Some(ForcedBinary::Legacy) => return with(Binary::Legacy),
            Some(ForcedBinary::Nft) => return with(Binary::Nft),
            None => {}
        }
        if Self::legacy_has_rules(family) {
            with(Binary::Legacy)
        } else if with(Binary::Nft).work() {
            with(Binary::Nft)
        } else if with(Binary::Legacy).work() {
            with(Binary::Legacy)
        } else {
            with(Binary::Plain)
        }
    }

    /// All that may hold rules of an earlier run.
    #[must_use]
    pub fn present(family: Family, forced: Option<ForcedBinary>) -> Vec<Self> {
        let chosen = Self::choose(family, forced);
        if forced.is_some() || chosen.binary == Binary::Plain {
            return vec![chosen];
        }
        let binaries = [Binary::Legacy, Binary::Nft];
        let all = binaries.map(|binary| Self { family, binary });
        all.into_iter().filter(|programs| programs.work()).collect()
    }

    /// Whether the program is there and the kernel answers it.
    fn work(self) -> bool {
        // The kernel makes the tables of iptables-legacy when they are asked for.
        let unused = match legacy_tables(self.family) {
            LegacyTables::Named(names) => names.is_empty(),
            LegacyTables::Hidden => false,
        };
        let arguments: &[&str] = match self.binary {
            Binary::Legacy if unused => &["--version"],
            _ => &["-t", "nat"],
        };
        run(&self.program("save"), arguments, "").is_ok()
    }

    fn legacy_has_rules(family: Family) -> bool {
        let legacy = Self {
            family,
            binary: Binary::Legacy,
        };
        // To ask for a table makes it, which costs nothing to speak of for `nat`: only
        // the first packet of a connection passes there.
        let tables: &[&str] = match legacy_tables(family) {
            LegacyTables::Named(names) if names.is_empty() => return false,
            LegacyTables::Named(_) => &[],
            LegacyTables::Hidden => &["-t", "nat"],
        };
        let printed = run(&legacy.program("save"), tables, "");
        printed.is_ok_and(|printed| printed.lines().any(|line| line.starts_with("-A ")))
    }

    fn program(self, what: &str) -> String {
        let family = match self.family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        match self.binary {
            Binary::Legacy => format!("{family}-legacy-{what}"),
            Binary::Nft => format!("{family}-nft-{what}"),
            Binary::Plain => format!("{family}-{what}"),
        }
    }

    /// The name of the program that shows the rules.
    #[must_use]
    pub fn save_program(self) -> String {
        self.program("save")
    }

    /// The rules that stand in the kernel, in these tables at least.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub fn save(self, tables: &[Table]) -> Result<Saved, Failure> {
        let program = self.program("save");
        if self.binary == Binary::Nft {
            return Ok(Saved::parse(&run(&program, &[], "")?));
        }
        // Without a table it would have to see which there are, and only root may.
        let mut saved = Saved::default();
        for table in tables {
            if self.binary == Binary::Legacy && !may_exist(self.family, *table) {
                continue;
            }
            let printed = run(&program, &["-t", table.name()], "")?;
            saved.extend(Saved::parse(&printed));
        }
        Ok(saved)
    }

    /// Applies a document: each table at once or not at all.
    ///
    /// # Errors
    ///
    /// When it is not applied.
    pub fn restore(self, document: &str) -> Result<(), Failure> {
        let arguments = ["--noflush", "-w", LOCK_SECONDS];
        run(&self.program("restore"), &arguments, document)?;
        Ok(())
    }
}
