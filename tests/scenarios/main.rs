//! Scenarios: the same resources, upstream servers and requests with our proxy and with a stock
//! Envoy. Both are configured by our discovery, over ADS, and must give the same answers; where
//! ours differs on purpose, the scenario says what each gives, and why.
//!
//! Beside the scenarios are those of mutual TLS, in which a sidecar of either kind is at each end (`mutual.rs`), raw messages
//! (`raw.rs`), HTTP/2's conformance tests (`h2spec.rs`) and the W3C's of trace contexts (`w3c.rs`).
//!
//! A scenario is a file in `cases/`; `case.rs` is its format. `SCENARIO=PART` runs those whose
//! names have that part.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod case;
mod client;
mod compare;
mod configured;
mod exchange;
mod h2spec;
mod log;
mod mutual;
mod objects;
mod outcome;
mod place;
mod pod;
#[path = "../../proxy/tests/network/program.rs"]
mod program;
mod programs;
mod raw;
mod run;
mod spans;
mod upstream;
mod w3c;

use std::env;

#[test]
fn our_proxy_and_envoy_give_the_same_answers() {
    let Some(programs) = programs::find() else {
        return;
    };
    let part = env::var("SCENARIO").unwrap_or_default();
    let cases = case::all("cases", &part);
    assert!(!cases.is_empty(), "no scenario's name has {part:?} in it");
    let (count, faults) = (cases.len(), runtime().block_on(run::all(cases, &programs)));
    agree(count, "scenarios", &faults);
}

#[test]
fn mutual_tls_is_the_same_whoever_is_at_its_ends() {
    let Some(programs) = programs::find() else {
        return;
    };
    let part = env::var("MUTUAL").unwrap_or_default();
    let cases = case::all("mutual/cases", &part);
    assert!(!cases.is_empty(), "no case's name has {part:?} in it");
    let (count, faults) = (
        cases.len(),
        runtime().block_on(mutual::all(cases, &programs)),
    );
    agree(count, "cases", &faults);
}

#[test]
fn mutual_tls_is_what_the_spiffe_library_for_go_takes_it_to_be() {
    let (Some(programs), Some(spiffe)) = (programs::find(), programs::find_spiffe()) else {
        return;
    };
    let faults = runtime().block_on(mutual::spiffe(&programs, &spiffe));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn raw_messages_have_the_same_outcome() {
    let Some(programs) = programs::find() else {
        return;
    };
    let part = env::var("RAW").unwrap_or_default();
    let cases = raw::cases(&part);
    assert!(!cases.is_empty(), "no case's name has {part:?} in it");
    let (count, faults) = (cases.len(), runtime().block_on(raw::all(cases, &programs)));
    agree(count, "cases", &faults);
}

#[test]
fn http2_conforms_where_envoys_does() {
    let (Some(programs), Some(h2spec)) = (programs::find(), programs::find_h2spec()) else {
        return;
    };
    let (faults, count) = runtime().block_on(h2spec::all(&programs, &h2spec));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 100, "h2spec has run {count} cases only");
    println!("{count} cases of h2spec");
}

#[test]
fn the_tests_of_trace_contexts_pass_through_the_sidecar() {
    let (Some(programs), Some(suite)) = (programs::find(), programs::find_w3c()) else {
        return;
    };
    let [ours, envoys] = runtime().block_on(w3c::all(&programs, &suite)).unwrap();
    let failed: Vec<_> = ours.iter().filter(|(_, passed)| !**passed).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(ours.len() > 40, "{} tests have run only", ours.len());
    let envoys = envoys.values().filter(|passed| **passed).count();
    println!("{} tests pass; with Envoy {envoys} do", ours.len());
}

/// Prints what is wrong, and fails if anything is.
fn agree(count: usize, what: &str, faults: &[String]) {
    for fault in faults {
        println!("{fault}\n");
    }
    assert!(
        faults.is_empty(),
        "{} faults in {count} {what}",
        faults.len()
    );
    println!("{count} {what} agree");
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}
