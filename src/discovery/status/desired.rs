//! What an object's status should be: Istio's `IstioStatus` (istio.io/api,
//! meta/v1alpha1/status.proto) with the conditions `PassedAnalysis` and `Reconciled`, and
//! `validationMessages` (analysis/v1alpha1/message.proto). Pure.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::refusal::Refused;
use crate::{
    model::{Finding, Problem},
    text::{plural, shorten},
};

/// The longest text of a condition, in bytes.
const TEXT: usize = 2_048;
/// How many messages and refusals are listed; the others are counted.
const LISTED: usize = 16;
/// The reason of an object that proxies refuse.
const REFUSED: &str = "refusedByProxies";
/// The reason of an object that proxies refused which are not connected to this replica.
const REFUSED_BEFORE: &str = "refusedBefore";

/// What is known of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// Why the object is invalid.
    pub faults: &'a [String],
    /// What it asks for and does not get.
    pub findings: &'a [Finding],
    /// The proxies that refuse what was made of it.
    pub refusals: &'a [&'a Refused],
    /// Whether its status says that proxies refuse this generation, and none is known to have
    /// accepted it since.
    pub was_refused: bool,
}

/// A status, but for its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Desired {
    generation: i64,
    conditions: [Condition; 2],
    messages: Vec<Message>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    kind: &'static str,
    /// `True`, `False` or `Unknown`.
    status: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    name: &'static str,
    code: &'static str,
    is_error: bool,
    text: String,
}

impl Desired {
    /// The status that says what is known.
    pub fn of(facts: Facts<'_>) -> Self {
        let faults = facts.faults.iter().map(|fault| Message {
            name: "SchemaValidationError",
            code: "IST0106",
            is_error: true,
            text: fault.clone(),
        });
        let all: Vec<_> = faults.chain(facts.findings.iter().map(message)).collect();
        Self {
            generation: facts.generation,
            conditions: [analysis(&all), reconciled(facts)],
            messages: all.into_iter().take(LISTED).collect(),
        }
    }

    /// The fields of `status` to merge into the current one; `None` if that says the same.
    /// Conditions of other types are left as they are.
    pub fn patch(&self, current: Option<&Value>, now: Timestamp) -> Option<Value> {
        let is_same = current.is_some_and(|current| self.is_said_by(current));
        (!is_same).then(|| Value::Object(self.fields(current, now)))
    }

    /// Whether a status says the same. Only what every version of Istio's CRDs keeps is compared:
    /// the API server drops the fields that a CRD lacks, such as `observedGeneration`, and a
    /// status that never is what was written would be written for ever.
    fn is_said_by(&self, current: &Value) -> bool {
        let generation = &current["observedGeneration"];
        let conditions = current["conditions"].as_array();
        let has = |ours: &Condition| {
            let mut all = conditions.into_iter().flatten();
            all.any(|one| ours.is_said_by(one))
        };
        let messages = current["validationMessages"].as_array();
        let messages = messages.map(Vec::as_slice).unwrap_or_default();
        (generation.is_null() || *generation == self.generation)
            && self.conditions.iter().all(has)
            && self.messages.len() == messages.len()
            && self
                .messages
                .iter()
                .zip(messages)
                .all(|(ours, one)| ours.is_said_by(one))
    }

    fn fields(&self, current: Option<&Value>, now: Timestamp) -> Map<String, Value> {
        let current = current.and_then(|status| status["conditions"].as_array());
        let current = current.map(Vec::as_slice).unwrap_or_default();
        let is_ours = |condition: &Value| {
            let mut ours = self.conditions.iter();
            ours.any(|ours| condition["type"] == ours.kind)
        };
        let others = current.iter().filter(|condition| !is_ours(condition));
        let mut conditions: Vec<_> = others.cloned().collect();
        for condition in &self.conditions {
            let before = current.iter().find(|one| one["type"] == condition.kind);
            conditions.push(condition.to_json(before, now, self.generation));
        }
        let messages = match self.messages.as_slice() {
            [] => Value::Null,
            messages => messages.iter().map(Message::to_json).collect(),
        };
        [
            ("conditions".to_owned(), Value::Array(conditions)),
            ("validationMessages".to_owned(), messages),
            ("observedGeneration".to_owned(), json!(self.generation)),
        ]
        .into_iter()
        .collect()
    }
}

impl Condition {
    fn is_said_by(&self, one: &Value) -> bool {
        one["type"] == self.kind
            && one["status"] == self.status
            && one["reason"] == self.reason
            && one["message"] == *self.message
    }

    /// As JSON. A condition whose status stays the same keeps its time.
    fn to_json(&self, before: Option<&Value>, now: Timestamp, generation: i64) -> Value {
        let since = before
            .filter(|before| before["status"] == self.status)
            .and_then(|before| before["lastTransitionTime"].as_str());
        // Seconds are all that Kubernetes keeps of times.
        let since = since.map_or_else(
            || now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            str::to_owned,
        );
        json!({
            "type": self.kind,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": since,
            "observedGeneration": generation,
        })
    }
}

impl Message {
    /// As JSON. Istio's message has no text; it is in the condition's message.
    fn to_json(&self) -> Value {
        json!({
            "type": {"name": self.name, "code": self.code},
            "level": self.level(),
        })
    }

    fn is_said_by(&self, one: &Value) -> bool {
        one["type"]["code"] == self.code && one["level"] == self.level()
    }

    fn level(&self) -> &'static str {
        if self.is_error { "ERROR" } else { "WARNING" }
    }
}

/// A finding, under Istio's name and code where Istio has one for it.
fn message(finding: &Finding) -> Message {
    let (name, code, is_error) = match finding.problem {
        Problem::MissingGateway
        | Problem::MissingHost
        | Problem::MissingPort
        | Problem::MissingSubset => ("ReferencedResourceNotFound", "IST0101", true),
        Problem::HostTaken => ("ConflictingMeshGatewayVirtualServiceHosts", "IST0109", true),
        Problem::GatewayPortTaken => ("ConflictingGateways", "IST0145", true),
        Problem::SubsetTaken => ("DuplicateSubset", "PIL0101", false),
        Problem::PolicyTaken => ("DuplicateTrafficPolicy", "PIL0102", false),
        Problem::PortTaken => ("PortConflict", "PIL0103", false),
        Problem::LeftOut => ("TooManyResources", "PIL0104", false),
    };
    Message {
        name,
        code,
        is_error,
        text: finding.message.clone(),
    }
}

fn analysis(messages: &[Message]) -> Condition {
    let errors = messages.iter().filter(|message| message.is_error).count();
    let warnings = messages.len() - errors;
    let (status, reason) = match errors {
        0 => ("True", "noErrorsFound"),
        _ => ("False", "errorsFound"),
    };
    let message = if messages.is_empty() {
        "no errors found".to_owned()
    } else {
        let texts = messages.iter().map(|message| message.text.as_str());
        let counts = match (errors, warnings) {
            (_, 0) => plural(errors, "error"),
            (0, _) => plural(warnings, "warning"),
            _ => format!(
                "{} and {}",
                plural(errors, "error"),
                plural(warnings, "warning")
            ),
        };
        format!("{counts}: {}", listed(texts))
    };
    Condition {
        kind: "PassedAnalysis",
        status,
        reason,
        message: shorten(&message, TEXT).to_owned(),
    }
}

fn reconciled(facts: Facts<'_>) -> Condition {
    let count = facts.refusals.len();
    let (status, reason, message) = if !facts.faults.is_empty() {
        let text = "invalid, and not in force; the last valid version stays in force where a \
                    replica of the discovery service has seen it";
        ("False", "invalid", text.to_owned())
    } else if count > 0 {
        let first = facts.refusals.iter().take(LISTED);
        let texts = first.map(|refused| format!("{}: {}", refused.pod, refused.reason));
        let refuse = match count {
            1 => "refuses it and keeps its",
            _ => "refuse it and keep their",
        };
        let text = format!(
            "{} {refuse} last good configuration: {}{}",
            plural(count, "proxy"),
            texts.collect::<Vec<_>>().join("; "),
            more(count)
        );
        ("False", REFUSED, text)
    } else if facts.was_refused {
        let text = "A proxy refused this rule and is no longer connected to the replica that writes statuses. \
                    Check with `pillion proxy-status`.";
        ("Unknown", REFUSED_BEFORE, text.to_owned())
    } else {
        let text = "accepted; no proxy that is connected to the replica of the discovery service that writes \
                    statuses refuses it";
        ("True", "inForce", text.to_owned())
    };
    Condition {
        kind: "Reconciled",
        status,
        reason,
        message: shorten(&message, TEXT).to_owned(),
    }
}

/// Whether a status says that proxies refuse, or refused, this generation.
pub(super) fn says_refused(status: Option<&Value>, generation: i64) -> bool {
    status.is_some_and(|status| {
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.any(|one| {
            // The condition's own generation, where the CRD has it.
            let of_condition = &one["observedGeneration"];
            let of_status = &status["observedGeneration"];
            let about = if of_condition.is_null() {
                of_status
            } else {
                of_condition
            };
            one["type"] == "Reconciled"
                && (one["reason"] == REFUSED || one["reason"] == REFUSED_BEFORE)
                && *about == generation
        })
    })
}

/// The first texts, and how many more there are.
fn listed<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = more(texts.len());
    let text = texts.take(LISTED).collect::<Vec<_>>().join("; ");
    text + &more
}

/// How many are not listed.
fn more(count: usize) -> String {
    match count.saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Key, Kind, ObjectRef};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn facts(generation: i64) -> Facts<'static> {
        Facts {
            generation,
            faults: &[],
            findings: &[],
            refusals: &[],
            was_refused: false,
        }
    }

    fn finding(problem: Problem, message: &str) -> Finding {
        Finding {
            object: ObjectRef {
                kind: Kind::VirtualService,
                key: Key::new("shop", "reviews"),
            },
            problem,
            message: message.to_owned(),
        }
    }

    fn condition(status: &Value, kind: &str) -> Value {
        let mut all = status["conditions"].as_array().unwrap().iter();
        all.find(|one| one["type"] == kind).unwrap().clone()
    }

    #[test]
    fn a_good_object_is_in_force() {
        let status = Desired::of(facts(3)).patch(None, at(0)).unwrap();
        assert_eq!(status["observedGeneration"], 3);
        assert!(status["validationMessages"].is_null());
        for kind in ["PassedAnalysis", "Reconciled"] {
            let condition = condition(&status, kind);
            assert_eq!(condition["status"], "True", "{condition}");
            assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:00:00Z");
        }
    }

    #[test]
    fn a_status_that_says_the_same_is_not_written() {
        let desired = Desired::of(facts(3));
        let mut status = desired.patch(None, at(0)).unwrap();
        // A merge removes what is null.
        status.as_object_mut().unwrap().remove("validationMessages");
        assert_eq!(desired.patch(Some(&status), at(60)), None);
    }

    /// Istio's own CRDs have neither, and the API server drops what a CRD lacks.
    #[test]
    fn fields_that_a_crd_lacks_are_not_written_for_ever() {
        let findings = [finding(Problem::MissingHost, "there is no Service ratings")];
        let desired = Desired::of(Facts {
            findings: &findings,
            ..facts(3)
        });
        let mut status = desired.patch(None, at(0)).unwrap();
        let fields = status["validationMessages"][0].as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["level", "type"]);
        status.as_object_mut().unwrap().remove("observedGeneration");
        for condition in status["conditions"].as_array_mut().unwrap() {
            let fields = condition.as_object_mut().unwrap();
            fields.remove("observedGeneration");
        }
        assert_eq!(desired.patch(Some(&status), at(60)), None);
        let better = Desired::of(facts(3));
        assert!(better.patch(Some(&status), at(60)).is_some());
    }

    #[test]
    fn a_status_that_says_refused_is_not_taken_back_without_knowing() {
        let refused = Refused {
            pod: "shop/a".to_owned(),
            reason: "9080: no".to_owned(),
        };
        let desired = Desired::of(Facts {
            refusals: &[&refused],
            ..facts(1)
        });
        let status = desired.patch(None, at(0)).unwrap();
        assert!(says_refused(Some(&status), 1));
        assert!(!says_refused(Some(&status), 2));
        // A CRD that lacks one of the two generations.
        let mut without = status.clone();
        without
            .as_object_mut()
            .unwrap()
            .remove("observedGeneration");
        assert!(says_refused(Some(&without), 1) && !says_refused(Some(&without), 2));
        let mut without = status.clone();
        for condition in without["conditions"].as_array_mut().unwrap() {
            let fields = condition.as_object_mut().unwrap();
            fields.remove("observedGeneration");
        }
        assert!(says_refused(Some(&without), 1) && !says_refused(Some(&without), 2));
        let desired = Desired::of(Facts {
            was_refused: true,
            ..facts(1)
        });
        let status = desired.patch(Some(&status), at(60)).unwrap();
        assert_eq!(condition(&status, "Reconciled")["status"], "Unknown");
        assert!(says_refused(Some(&status), 1));
        let good = Desired::of(facts(1)).patch(None, at(0)).unwrap();
        assert!(!says_refused(Some(&good), 1));
    }

    #[test]
    fn a_condition_keeps_its_time_while_its_status_does_not_change() {
        let first = Desired::of(facts(1)).patch(None, at(0)).unwrap();
        let findings = [finding(Problem::MissingHost, "there is no Service ratings")];
        let broken = Desired::of(Facts {
            findings: &findings,
            ..facts(2)
        });
        let second = broken.patch(Some(&first), at(60)).unwrap();
        let analysis = condition(&second, "PassedAnalysis");
        assert_eq!(analysis["lastTransitionTime"], "1970-01-01T00:01:00Z");
        assert_eq!(analysis["reason"], "errorsFound");
        assert_eq!(analysis["message"], "1 error: there is no Service ratings");
        let reconciled = condition(&second, "Reconciled");
        assert_eq!(reconciled["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert_eq!(second["validationMessages"][0]["type"]["code"], "IST0101");
        assert_eq!(second["validationMessages"][0]["level"], "ERROR");
    }

    #[test]
    fn a_warning_is_no_error() {
        let findings = [finding(Problem::SubsetTaken, "the subset v1 is taken")];
        let desired = Desired::of(Facts {
            findings: &findings,
            ..facts(1)
        });
        let status = desired.patch(None, at(0)).unwrap();
        assert_eq!(condition(&status, "PassedAnalysis")["status"], "True");
        assert_eq!(status["validationMessages"][0]["level"], "WARNING");
    }

    #[test]
    fn an_invalid_object_is_not_in_force() {
        let faults = ["spec.hosts: must not be empty".to_owned()];
        let desired = Desired::of(Facts {
            faults: &faults,
            ..facts(1)
        });
        let status = desired.patch(None, at(0)).unwrap();
        assert_eq!(condition(&status, "Reconciled")["reason"], "invalid");
        let message = condition(&status, "PassedAnalysis")["message"].clone();
        assert_eq!(message, "1 error: spec.hosts: must not be empty");
    }

    #[test]
    fn refusals_name_the_proxies() {
        let refused = |pod: &str| Refused {
            pod: pod.to_owned(),
            reason: "9080: no".to_owned(),
        };
        let (one, two) = (refused("shop/a"), refused("shop/b"));
        let desired = Desired::of(Facts {
            refusals: &[&one, &two],
            ..facts(1)
        });
        let status = desired.patch(None, at(0)).unwrap();
        let condition = condition(&status, "Reconciled");
        assert_eq!(condition["reason"], "refusedByProxies");
        let message = condition["message"].as_str().unwrap();
        let start = "2 proxies refuse it and keep their last good configuration: ";
        assert!(message.starts_with(start), "{message}");
        assert!(
            message.ends_with("shop/a: 9080: no; shop/b: 9080: no"),
            "{message}"
        );
    }

    #[test]
    fn conditions_of_others_are_kept() {
        let current = json!({"conditions": [{"type": "Other", "status": "True"}]});
        let status = Desired::of(facts(1)).patch(Some(&current), at(0)).unwrap();
        assert_eq!(condition(&status, "Other")["status"], "True");
        assert_eq!(status["conditions"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn texts_are_bounded() {
        let faults: Vec<_> = (0..100)
            .map(|n| format!("{n}: {}", "é".repeat(100)))
            .collect();
        let desired = Desired::of(Facts {
            faults: &faults,
            ..facts(1)
        });
        let status = desired.patch(None, at(0)).unwrap();
        assert!(status.to_string().len() < 20_000);
        assert_eq!(
            status["validationMessages"].as_array().unwrap().len(),
            LISTED
        );
    }
}
