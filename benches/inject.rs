//! The injection without a server: the CPU time of a review.
//!
//! `cargo bench --bench inject`; `hack/bench inject` measures the whole webhook.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pillion::webhook::review::{Context, review};
use pillion_inject::{Config, Outcome, Target, inject, uninject};
use serde_json::{Value, json};

/// The binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A Bookinfo pod as the API server sends it.
fn productpage() -> Value {
    serde_json::from_str(include_str!("productpage.json")).expect("a review")
}

/// The same with a container of 2,000 environment variables.
fn many_variables() -> Value {
    let mut review = productpage();
    let env =
        (0..2000).map(|n| json!({"name": format!("VARIABLE_{n}"), "value": format!("value {n}")}));
    review["request"]["object"]["spec"]["containers"][0]["env"] = env.collect();
    review
}

fn benches(criterion: &mut Criterion) {
    let config = Config::builtin().expect("a configuration");
    for (name, ask) in [
        ("productpage", productpage()),
        ("2000-env", many_variables()),
    ] {
        let pod = &ask["request"]["object"];
        let target = Target {
            pod,
            namespace: "bookinfo",
            workload: None,
            path_env: &[],
            cluster_has_native_sidecars: true,
        };
        let Ok(Outcome::Injected(injection)) = inject(&config, &target) else {
            panic!("not injected");
        };
        let mut injected = pod.clone();
        json_patch::patch(&mut injected, &injection.patch).expect("the patch applies");

        criterion.bench_function(&format!("inject/{name}"), |bencher| {
            bencher.iter(|| inject(&config, black_box(&target)));
        });
        criterion.bench_function(&format!("uninject/{name}"), |bencher| {
            bencher.iter(|| uninject(black_box(&injected)));
        });

        let body = ask.to_string();
        let context = Context {
            config: &config,
            cluster_has_native_sidecars: true,
            path_env: &[],
        };
        let mut group = criterion.benchmark_group("review");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| review(black_box(body.as_bytes()), &context));
        });
        group.finish();
    }
}

criterion_group!(all, benches);
criterion_main!(all);
