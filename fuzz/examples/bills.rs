//! Prints what a review of each of the worst pods costs:
//! `cargo run --release -p pillion-fuzz --example bills [NAME]`.

use pillion::webhook::review::{Context, review};
use pillion_cost::measure;
use pillion_grammar::cases::CASES;
use pillion_inject::Config;

fn main() {
    let only = std::env::args().nth(1);
    let config = Config::builtin().expect("the built-in configuration");
    let context = Context {
        config: &config,
        cluster_has_native_sidecars: true,
        path_env: &[],
    };
    println!("     KiB  peak KiB   sum KiB        µs  answer KiB  case, outcome");
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    for case in CASES.iter().filter(|case| wanted(case.name)) {
        // Of what is too much to be read, less may still be too much to be worked on.
        for size in [case.most, case.most / 4, case.most / 16] {
            let body = pillion_grammar::review(&case.pod(size));
            let (answer, cost) = measure(|| review(body.as_bytes(), &context));
            println!(
                "{:8} {:9} {:9} {:9} {:11}  {} {:?}",
                body.len() / 1024,
                cost.peak / 1024,
                cost.total / 1024,
                cost.time.as_micros(),
                answer.body.len() / 1024,
                case.name,
                answer.outcome,
            );
        }
    }
}
