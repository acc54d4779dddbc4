//! Scenarios: the same resources, upstream servers and requests with our proxy and with a stock
//! Envoy. Both are configured by our discovery, over ADS, and must give the same answers; where
//! ours differs on purpose, the scenario says what each gives, and why.
//!
//! A scenario is a file in `cases/`; `case.rs` is its format. `SCENARIO=PART` runs those whose
//! names have that part.

mod case;
mod client;
mod compare;
mod configured;
mod exchange;
mod log;
mod objects;
mod outcome;
mod place;
mod pod;
mod programs;
mod raw;
mod run;
mod upstream;

use std::env;

#[test]
fn our_proxy_and_envoy_give_the_same_answers() {
    let Some(programs) = programs::find() else {
        return;
    };
    let part = env::var("SCENARIO").unwrap_or_default();
    let cases = case::all(&part);
    assert!(!cases.is_empty(), "no scenario's name has {part:?} in it");
    let (count, faults) = (cases.len(), runtime().block_on(run::all(cases, &programs)));
    for fault in &faults {
        println!("{fault}\n");
    }
    assert!(
        faults.is_empty(),
        "{} of {count} scenarios failed",
        faults.len()
    );
    println!("{count} scenarios agree");
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
    for fault in &faults {
        println!("{fault}\n");
    }
    assert!(faults.is_empty(), "{} faults in {count} cases", faults.len());
    println!("{count} cases agree");
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}
