//! `pillion-proxy init`: captures the traffic of the network namespace that it runs in.
//!
//! What is captured follows from the flags alone: [`capture::Capture::rules`] is a pure
//! function. Around it are the programs of iptables, the comparison with what stands in
//! the kernel, and the proof that it works.

mod addresses;
mod args;
mod capture;
mod plan;
mod privileges;
mod program;
mod programs;
mod rules;
mod saved;
#[cfg(test)]
mod tests;
mod validation;
mod values;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use thiserror::Error;

use self::{
    addresses::Addresses,
    plan::{Plan, Surroundings},
    program::Failure,
    programs::Programs,
    rules::{Family, Ruleset, Table, document},
    saved::Standing,
    validation::Unproven,
};

pub use args::Args;

/// Traffic is not captured as it was asked for.
#[derive(Debug, Error)]
enum Error {
    #[error(
        "the {0} rules of an earlier run are others than are wanted (see above): --reconcile replaces them, --cleanup-only removes them"
    )]
    Residue(Family),
    #[error(
        "the {family} rules can't be {what}; look for a missing kernel module (nf_tables, nft_compat, nf_nat, xt_owner, xt_REDIRECT) and for somebody who holds the lock of iptables: {failure}"
    )]
    Programs {
        family: Family,
        what: &'static str,
        failure: Failure,
    },
    #[error(
        "the {0} rules were written, and others are there now: something else writes rules in this pod at the same time"
    )]
    NotThere(Family),
    #[error("the address ::6 can't be {0} the loopback interface: {1}")]
    Passthrough(&'static str, io::Error),
    #[error("the pod's addresses can't be read: {0}")]
    Addresses(io::Error),
}

impl Error {
    fn of_programs(family: Family, what: &'static str) -> impl Fn(Failure) -> Self {
        move |failure| Self::Programs {
            family,
            what,
            failure,
        }
    }
}

/// Tells the operator something. Nobody may listen, which changes nothing.
fn tell(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{what}");
}

/// Does what the flags say. The exit code is 126 when the rules are in place and don't
/// work.
///
/// # Errors
///
/// When the flags contradict each other, or rules can't be read or written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let plan = Plan::new(args, &Surroundings::of_process())?;
    let addresses = Addresses::read().map_err(Error::Addresses)?;
    let families = addresses.families(plan.dual_stack);
    if plan.dry_run {
        print(&plan, &families)?;
        return Ok(ExitCode::SUCCESS);
    }
    if plan.cleanup_only {
        privileges::pass_on()?;
        clean_up(&plan, &families)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !plan.skip_rule_apply {
        privileges::pass_on()?;
        for family in &families {
            apply(&plan, *family)?;
        }
    }
    if !plan.run_validation {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(prove(&plan, &families))
}

/// Prints the document that would be applied for each family.
fn print(plan: &Plan, families: &[Family]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for family in families {
        let rules = plan.capture.rules(*family);
        let text = document(|table| rules.lines(table));
        write!(out, "# {family}\n{text}")?;
    }
    out.flush()
}

/// The tables to look at. To look at one of iptables-legacy makes it.
fn tables(rules: &Ruleset) -> Vec<Table> {
    let used = |table: &Table| *table == Table::Nat || rules.uses(*table);
    Table::ALL.into_iter().filter(used).collect()
}

fn apply(plan: &Plan, family: Family) -> Result<(), Error> {
    let failed = |what| Error::of_programs(family, what);
    let rules = plan.capture.rules(family);
    let programs = Programs::choose(family, plan.binary);
    let tables = tables(&rules);
    let saved = programs.save(&tables).map_err(failed("read"))?;
    let standing = saved.compare(&rules);
    if let Standing::Differs(differences) = &standing {
        tell(format_args!(
            "{family} rules of an earlier run differ from those that are wanted:"
        ));
        for difference in differences {
            tell(format_args!("  {difference}"));
        }
        if !plan.reconcile && !plan.force_apply {
            return Err(Error::Residue(family));
        }
    }
    if standing == Standing::Same && !plan.force_apply {
        tell(format_args!(
            "{family} rules are in place already ({})",
            programs.save_program()
        ));
    } else {
        let document = saved.replacement_document(&rules);
        programs.restore(&document).map_err(failed("written"))?;
        let saved = programs.save(&tables).map_err(failed("read"))?;
        if saved.compare(&rules) != Standing::Same {
            return Err(Error::NotThere(family));
        }
        tell(format_args!(
            "{family} rules are written ({} shows them)",
            programs.save_program()
        ));
    }
    if family == Family::V6 {
        addresses::add_passthrough().map_err(|error| Error::Passthrough("given to", error))?;
    }
    Ok(())
}

/// Removes what init made, whichever programs made it.
fn clean_up(plan: &Plan, families: &[Family]) -> Result<(), Error> {
    for family in [Family::V4, Family::V6] {
        let failed = |what| Error::of_programs(family, what);
        let rules = plan.capture.rules(family);
        for programs in Programs::present(family, plan.binary) {
            let saved = match programs.save(&Table::ALL) {
                Ok(saved) => saved,
                // On a host without ip6tables there is nothing of ours in IPv6.
                Err(_) if !families.contains(&family) => continue,
                Err(failure) => return Err(failed("read")(failure)),
            };
            let document = saved.removal_document(&rules);
            if !document.is_empty() {
                programs.restore(&document).map_err(failed("removed"))?;
                tell(format_args!(
                    "{family} rules are removed ({})",
                    programs.save_program()
                ));
            }
        }
    }
    addresses::remove_passthrough().map_err(|error| Error::Passthrough("taken from", error))
}

fn prove(plan: &Plan, families: &[Family]) -> ExitCode {
    match validation::validate(plan, families) {
        Ok(()) => {
            tell(format_args!(
                "capture works: a connection of the proxy's user was redirected"
            ));
            ExitCode::SUCCESS
        }
        Err(unproven) if !unproven.is_failure() => {
            tell(format_args!(
                "whether capture works was not tried: {unproven}"
            ));
            ExitCode::SUCCESS
        }
        Err(unproven) => {
            tell(format_args!("error: capture doesn't work: {unproven}"));
            explain(plan, families, &unproven);
            ExitCode::from(validation::EXIT_CODE)
        }
    }
}

/// Says what to look at.
fn explain(plan: &Plan, families: &[Family], unproven: &Unproven) {
    if plan.skip_rule_apply && !matches!(unproven, Unproven::FoundByChild(_)) {
        tell(format_args!(
            "No rules were written by this run (--skip-rule-apply)."
        ));
    }
    let may = privileges::may_administer().unwrap_or(false);
    for family in families {
        let programs = Programs::choose(*family, plan.binary);
        let program = programs.save_program();
        let Ok(saved) = programs.save(&[Table::Nat]).map_err(|failure| {
            if may {
                tell(format_args!("{family}: {failure}"));
            }
        }) else {
            continue;
        };
        let foreign = saved.foreign_nat_rules(&plan.capture.rules(*family));
        if !foreign.is_empty() {
            tell(format_args!(
                "Somebody else's {family} rules may decide first (`{program}`):"
            ));
        }
        for rule in foreign {
            tell(format_args!("  nat: {rule}"));
        }
    }
    if may {
        tell(format_args!(
            "Look at other rules in the pod (`nft list ruleset` and `iptables-legacy-save`, of CNI plugins and other init containers), and \
             for a kernel module that the node lacks (nf_nat, nf_conntrack, xt_REDIRECT, xt_owner)."
        ));
    } else if plan.skip_rule_apply {
        tell(format_args!(
            "Without NET_ADMIN init can't look at the rules: see what wrote them."
        ));
    }
}
