//! Whether outcomes agree with each other, and with what the case says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    case::{Case, Expected, Kind, Sends},
    frames,
    outcome::Outcome,
    text::{shortened, shown},
};

/// What a case calls it when no answer comes.
const NOTHING: &str = "nothing";

/// What came of a case with one of the proxies.
#[derive(Debug, Default)]
pub struct Run {
    pub whole: Outcome,
    /// The port of the client, by which the log has it.
    pub port: u16,
    /// Whether the last answer is the proxy's own, and a failure.
    pub is_refused: bool,
    /// The outcomes that differ when the same comes in pieces, with how it was cut.
    pub in_pieces: Vec<(String, Outcome)>,
    /// The details of the last answer, by the access log.
    pub details: String,
}

/// What is wrong with a case, to be read by whoever has to decide which of both is right.
pub fn check(case: &Case, ours: &Run, envoys: &Run) -> Option<String> {
    let mut faults = Vec::new();
    for (how, other) in &ours.in_pieces {
        let lines = lines(&differing(other, &ours.whole));
        faults.push(format!(
            "{how} the outcome is another one (+) than at once (-):\n{lines}"
        ));
    }
    let differing = differing(&ours.whole, &envoys.whole);
    faults.extend(unlike(case, &differing, [ours, envoys]));
    faults.extend(unexpected(case, ours, envoys));
    let is_listed = case.differs.is_some();
    if is_listed && differing.is_empty() {
        faults.push("nothing differs, unlike the case says".to_owned());
    }
    if faults.is_empty() {
        return None;
    }
    let details = match ours.details.as_str() {
        "" => String::new(),
        details => format!(" {details}"),
    };
    let answers = [&ours.whole, &envoys.whole].map(|outcome| answers(outcome).join(" "));
    Some(format!(
        "{}\n  ours: {}{details}\n  envoy: {}\n{}",
        faults.join("\n"),
        answers[0],
        answers[1],
        sent(case),
    ))
}

/// What differs: what ours has, and what Envoy has.
type Differing = BTreeMap<String, (Option<String>, Option<String>)>;

fn differing(ours: &Outcome, envoys: &Outcome) -> Differing {
    let names: BTreeSet<_> = ours.keys().chain(envoys.keys()).collect();
    names
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                (ours.get(name).cloned(), envoys.get(name).cloned()),
            )
        })
        .filter(|(_, (ours, envoys))| ours != envoys)
        .collect()
}

/// Whether the outcomes differ in another way than the case says.
fn unlike(case: &Case, differing: &Differing, [ours, envoys]: [&Run; 2]) -> Option<String> {
    let lines = lines(differing);
    let (ours_refuses, envoy_refuses) = (
        is_refused(ours, expected_of_ours(case)),
        is_refused(envoys, expected_of_envoy(case)),
    );
    let fault = match case.differs.as_ref().map(|listed| &listed.kind) {
        None if differing.is_empty() => return None,
        None => "ours (+) and Envoy's (-) differ",
        Some(Kind::Stricter) if ours_refuses => return None,
        Some(Kind::Stricter) => "ours (+) does not refuse, unlike the case says; Envoy's is (-)",
        Some(Kind::Takes) if envoy_refuses && !ours_refuses => return None,
        Some(Kind::Takes) => "ours (+) takes no more than Envoy (-), unlike the case says",
        Some(Kind::Lives) if envoy_refuses && lives_on(ours, envoys) => return None,
        Some(Kind::Lives) => "ours (+) does not live on behind the same answer as Envoy's (-)",
        Some(Kind::Values(ours, envoys)) if *differing == values(ours, envoys) => return None,
        Some(Kind::Values(..)) => "ours (+) and Envoy's (-) do not differ as the case says",
    };
    Some(format!("{fault}:\n{lines}"))
}

fn values(ours: &BTreeMap<String, String>, envoys: &BTreeMap<String, String>) -> Differing {
    let names = ours.keys().chain(envoys.keys());
    names
        .map(|name| {
            (
                name.clone(),
                (ours.get(name).cloned(), envoys.get(name).cloned()),
            )
        })
        .collect()
}

/// Whether the client gets all that it gets from Envoy, and more.
fn lives_on(ours: &Run, envoys: &Run) -> bool {
    let [ours, envoys] = [ours, envoys].map(|run| answers(&run.whole));
    ours.len() > envoys.len() && ours.starts_with(&envoys)
}

/// Whether a request is refused, or a response is not passed on to its end. That a request gets no
/// answer counts only where the case says so: the answer may just be late.
fn is_refused(run: &Run, expected: Option<&[String]>) -> bool {
    let answers = answers(&run.whole);
    let is_failure = answers.iter().any(|answer| is_failure(answer));
    let end = run.whole.get("end").map(String::as_str);
    let is_said = expected.is_some_and(|expected| expected == [NOTHING]);
    is_failure || end == Some("cut") || end == Some("never") && is_said
}

/// What the client gets from ours, as the case says.
fn expected_of_ours(case: &Case) -> Option<&[String]> {
    case.ours.as_ref().map(|ours| &ours.answers[..])
}

/// What it gets from Envoy: the same, unless the case says otherwise.
fn expected_of_envoy(case: &Case) -> Option<&[String]> {
    case.envoy.as_deref().or_else(|| expected_of_ours(case))
}

fn is_failure(answer: &str) -> bool {
    answer.starts_with('4') || answer.starts_with('5') || answer == "refused"
}

/// What the client did not get as the case says.
fn unexpected(case: &Case, ours: &Run, envoys: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    let got = answers(&ours.whole);
    match &case.ours {
        Some(Expected { answers, details }) => {
            if *answers != got {
                faults.push(format!("ours is {got:?}, not {answers:?}"));
            }
            let is_it = details
                .as_ref()
                .is_none_or(|details| *details == ours.details);
            if !is_it {
                faults.push(format!("the details are {}, not {details:?}", ours.details));
            }
            if details.is_none() && ours.is_refused {
                faults.push("ours refuses: the case has to say with which details".to_owned());
            }
        }
        None if ours.is_refused => faults.push("ours refuses: the case has to say so".to_owned()),
        None => {}
    }
    let got = answers(&envoys.whole);
    if let Some(expected) = expected_of_envoy(case).filter(|expected| **expected != *got) {
        faults.push(format!("Envoy's is {got:?}, not {expected:?}"));
    }
    faults
}

/// The statuses that the client got, or `nothing`.
fn answers(outcome: &Outcome) -> Vec<String> {
    let answers = (1..).map_while(|number| outcome.get(&format!("client {number}")));
    let answers: Vec<_> = answers.cloned().collect();
    match answers.is_empty() {
        true => vec![NOTHING.to_owned()],
        false => answers,
    }
}

fn lines(differing: &Differing) -> String {
    let mut lines = Vec::new();
    for (name, (ours, envoys)) in differing {
        for (sign, value) in [('-', envoys), ('+', ours)] {
            let line = value
                .as_ref()
                .map(|value| format!("  {sign} {name}: {}", shortened(value)));
            lines.extend(line);
        }
    }
    lines.join("\n")
}

fn sent(case: &Case) -> String {
    let sent = match &case.sends {
        Sends::Http1(parts) => parts.concat(),
        Sends::Http2(frames) => frames::message(1, frames),
    };
    let mut text = format!("  sent: {}", shortened(&shown(&sent)));
    if let Some(answer) = &case.answer {
        text += &format!("\n  answered: {}", shortened(&shown(&answer.bytes(1))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(end: &str, status: Option<&str>) -> Run {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let status = status.map(|status| pair("client 1", status));
        Run {
            whole: status.into_iter().chain([pair("end", end)]).collect(),
            ..Run::default()
        }
    }

    #[test]
    fn no_answer_is_a_refusal_only_where_the_case_says_so() {
        let nothing = [NOTHING.to_owned()];
        let late = run("never", None);
        assert!(is_refused(&late, Some(&nothing)));
        assert!(!is_refused(&late, Some(&["400".to_owned()])));
        assert!(!is_refused(&late, None));
        assert!(!is_refused(&run("closed", None), Some(&nothing)));
    }

    #[test]
    fn failures_and_responses_that_are_cut_are_refusals() {
        assert!(is_refused(&run("closed", Some("400")), None));
        assert!(is_refused(&run("never", Some("502")), None));
        assert!(is_refused(&run("open", Some("refused")), None));
        assert!(is_refused(&run("cut", Some("200")), None));
        assert!(!is_refused(&run("closed", Some("200")), None));
    }
}
