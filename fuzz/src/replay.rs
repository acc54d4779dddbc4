//! Runs the seeds as ordinary tests, without a fuzzer.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use pillion_grammar::cases::CASES;

use crate::TARGETS;

/// Runs a function that may panic, and returns whether it did, so that the other inputs
/// are also tested.
fn is_fault(name: &str, run: impl FnOnce()) -> bool {
    let is_fault = panic::catch_unwind(AssertUnwindSafe(run)).is_err();
    if is_fault {
        println!("{name} does not hold");
    }
    is_fault
}

fn replay(target: &str) {
    let (_, run) = TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target");
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut count = 0;
    let mut faults = 0;
    for seed in fs::read_dir(seeds).expect("the seeds") {
        let path = seed.expect("a seed").path();
        let data = fs::read(&path).expect("a seed");
        assert!(data.len() < 4096, "{}: a seed is small", path.display());
        let seed = path.file_name().expect("a name").to_string_lossy();
        faults += usize::from(is_fault(&format!("{target}/{seed}"), || run(&data)));
        count += 1;
    }
    assert!(count >= 3, "only {count} seeds");
    assert_eq!(faults, 0, "of {count} seeds");
}

/// Defines a test for each target, with its name.
macro_rules! replays {
    ($($target:ident),*) => {
        mod seeds {
            $(
                #[test]
                fn $target() {
                    super::replay(stringify!($target));
                }
            )*
        }

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

replays!(
    answers, claims, config, contexts, csr, exchange, http, http1, manifests, mapping, messages,
    names, path_env, pem, responses, review, rewriting, rules, secrets, sniff, templates, uninject
);

/// Both at their largest, and where that is more than a review reads, about as large
/// as it just does.
#[test]
fn holds_for_the_worst_pods() {
    let faults = CASES.iter().filter(|case| {
        is_fault(&format!("review/{}", case.name), || {
            let (mut fits, mut too_large) = (0_usize, case.most);
            if crate::review::is_too_large(&case.pod(case.most)) {
                for _ in 0..8 {
                    let size = fits.midpoint(too_large);
                    if crate::review::is_too_large(&case.pod(size)) {
                        too_large = size;
                    } else {
                        fits = size;
                    }
                }
                crate::review::review_pod(&case.pod(fits), crate::review::Setup::PLAIN);
            }
            crate::review::review_pod(&case.pod(case.most), crate::review::Setup::PLAIN);
        })
    });
    assert_eq!(faults.count(), 0, "of {} cases", CASES.len());
}
