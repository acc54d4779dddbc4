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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (count, faults) = (cases.len(), runtime.block_on(run::all(cases, &programs)));
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
