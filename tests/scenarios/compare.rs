//! Whether outcomes agree with each other, and with what the scenario says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    case::{Case, Difference, Exchange},
    outcome::Outcome,
};

/// How far chance may lead, in standard deviations: once in a million runs it leads further.
const DEVIATIONS: f64 = 5.0;

/// The outcomes of a request with both proxies.
#[derive(Debug, Clone, Default)]
pub struct Both {
    pub ours: Outcome,
    pub envoys: Outcome,
}

/// What is wrong with the outcomes of a scenario's requests, which differ as said.
pub fn check(case: &Case, differs: &[&Difference], outcomes: &[Both]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, (exchange, both)) in (1..).zip(case.requests.iter().zip(outcomes)) {
        let here = |text: String| format!("request {number}: {text}");
        let differing = differing(exchange, both);
        for (what, (ours, envoys)) in &differing {
            let explained = differs.iter().position(|difference| {
                difference.request.is_none_or(|one| one == number)
                    && difference.what == *what
                    && is(&difference.ours, ours.as_deref())
                    && is(&difference.envoy, envoys.as_deref())
            });
            match explained {
                Some(index) => _ = seen.insert(index),
                None => faults.push(here(format!(
                    "{what}: ours is {ours:?}, Envoy's {envoys:?}"
                ))),
            }
        }
        for (who, outcome) in [("ours", &both.ours), ("Envoy's", &both.envoys)] {
            for (what, expected) in &exchange.expect {
                let got = outcome.get(what).map(String::as_str);
                let differs = differs.iter().any(|one| one.what == *what);
                if !is(expected, got) && !differs {
                    faults.push(here(format!("{what}: {who} is {got:?}, not {expected}")));
                }
            }
            faults.extend(unfair(exchange, outcome).map(|text| here(format!("{who}: {text}"))));
        }
    }
    for (index, difference) in differs.iter().enumerate() {
        if !seen.contains(&index) {
            faults.push(format!(
                "{} does not differ as it should: {}",
                difference.what, difference.why
            ));
        }
    }
    faults
}

/// The values that differ.
fn differing(
    exchange: &Exchange,
    both: &Both,
) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let names: BTreeSet<_> = both.ours.keys().chain(both.envoys.keys()).collect();
    names
        .into_iter()
        // Chance decides.
        .filter(|name| exchange.split.is_empty() || !name.starts_with("count."))
        .filter(|name| !is_own_text(exchange, both, name))
        .map(|name| (name, (both.ours.get(name), both.envoys.get(name))))
        .filter(|(_, (ours, envoys))| ours != envoys)
        .map(|(name, (ours, envoys))| (name.clone(), (ours.cloned(), envoys.cloned())))
        .collect()
}

/// What only a proxy says of a failure is worded by each of them, unless the scenario expects a
/// text.
fn is_own_text(exchange: &Exchange, both: &Both, name: &str) -> bool {
    let is_text = matches!(
        name,
        "body" | "header.content-length" | "header.content-type" | "span.tag.response_size"
    );
    let is_own = |outcome: &Outcome| {
        let has_failed = outcome
            .get("status")
            .is_some_and(|status| status.as_str() >= "4");
        has_failed && !outcome.contains_key("header.x-envoy-upstream-service-time")
    };
    is_text && !exchange.expect.contains_key("body") && is_own(&both.ours) && is_own(&both.envoys)
}

fn is(expected: &Value, got: Option<&str>) -> bool {
    match expected {
        Value::Null => got.is_none(),
        Value::String(text) => got == Some(text),
        other => got == Some(other.to_string().as_str()),
    }
}

/// Why servers did not get their shares.
fn unfair(exchange: &Exchange, outcome: &Outcome) -> Option<String> {
    let sum: u32 = exchange.split.values().sum();
    for (server, weight) in &exchange.split {
        let share = f64::from(*weight) / f64::from(sum);
        let times = f64::from(exchange.times);
        let got = outcome.get(&format!("count.{server}"));
        let got: f64 = got.map_or(0.0, |count| count.parse().unwrap());
        let most = DEVIATIONS * (times * share * (1.0 - share)).sqrt();
        if (got - times * share).abs() > most {
            return Some(format!(
                "{server} got {got} of {times}, not {share} of them"
            ));
        }
    }
    None
}
