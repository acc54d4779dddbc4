//! What an object's status should be: Istio's `IstioStatus` (istio.io/api,
//! meta/v1alpha1/status.proto) with the conditions `PassedAnalysis` and `Reconciled`, and
//! `validationMessages` (analysis/v1alpha1/message.proto). Pure.

use k8s_openapi::jiff::Timestamp;
use pillion_api::{Warning, WarningKind};
use serde_json::{Map, Value, json};

use super::{checked::Checked, refusal::Refused};
use crate::{
    model::{Finding, Kind, Problem},
    text::{plural, shorten},
};

/// The longest text of a condition, in bytes.
const TEXT: usize = 2_048;
/// How many messages and refusals are listed; the others are counted.
const LISTED: usize = 16;
/// The reason of an object that proxies refuse.
const REFUSED: &str = "refusedByProxies";
/// The reason of an object that proxies refused which are not connected to this replica, or do not
/// say whether they still do.
const REFUSED_BEFORE: &str = "refusedBefore";

/// What is known of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// What reading the object has found.
    pub checked: &'a Checked,
    /// Whether a valid version of it is known here, this one or one before.
    pub has_valid: bool,
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
    level: Level,
    text: String,
}

/// How bad what a message says is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Something does not work.
    Error,
    /// Something may not work, or not as it is meant.
    Warning,
    /// Something has no effect, and nothing is missing because of that.
    Info,
}

impl Desired {
    /// The status that says what is known.
    pub fn of(facts: Facts<'_>) -> Self {
        let faults = facts.checked.faults.iter().map(|fault| Message {
            name: "SchemaValidationError",
            code: "IST0106",
            level: Level::Error,
            text: fault.clone(),
        });
        let warnings = facts.checked.warnings.iter().map(warning);
        let findings = facts.findings.iter().map(message);
        let mut all: Vec<_> = faults.chain(findings).chain(warnings).collect();
        // Not all may be listed.
        all.sort_by_key(|message| message.level);
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
        match self.level {
            Level::Error => "ERROR",
            Level::Warning => "WARNING",
            Level::Info => "INFO",
        }
    }
}

/// A warning, under Istio's name and code.
fn warning(warning: &Warning) -> Message {
    let (name, code, level) = match warning.kind {
        WarningKind::NeverUsed => ("VirtualServiceUnreachableRule", "IST0130", Level::Warning),
        WarningKind::Duplicate => ("VirtualServiceIneffectiveMatch", "IST0131", Level::Info),
        WarningKind::Other => ("SchemaWarning", "IST0133", Level::Warning),
    };
    Message {
        name,
        code,
        level,
        text: warning.to_string(),
    }
}

/// A finding, under Istio's name and code where Istio has one for it, and with Istio's level. IST0173 is
/// an error in Istio; here it is a warning, because Bookinfo has such subsets.
fn message(finding: &Finding) -> Message {
    use Level::{Error, Warning};
    let of = finding.object.kind;
    let (name, code, level) = match finding.problem {
        Problem::MissingGateway
        | Problem::MissingHost
        | Problem::MissingPort
        | Problem::MissingSubset
        | Problem::MissingProvider
        | Problem::MissingCollector
        | Problem::NoGatewayPod => ("ReferencedResourceNotFound", "IST0101", Error),
        Problem::HostTaken => (
            "ConflictingMeshGatewayVirtualServiceHosts",
            "IST0109",
            Error,
        ),
        Problem::RefusedByServer => ("MTLSPolicyConflict", "IST0113", Error),
        Problem::NoPods => ("NoMatchingWorkloadsFound", "IST0127", Warning),
        Problem::HostNotInGateway => ("VirtualServiceHostNotFoundInGateway", "IST0132", Warning),
        Problem::GatewayPortTaken => ("ConflictingGateways", "IST0145", Error),
        Problem::PodsTaken if of == Kind::PeerAuthentication => {
            ("ConflictingPeerAuthenticationSelectors", "PIL0109", Error)
        }
        Problem::NamespaceTaken if of == Kind::PeerAuthentication => (
            "MultiplePeerAuthenticationsWithoutSelectors",
            "PIL0108",
            Error,
        ),
        Problem::PodsTaken => ("ConflictingTelemetryWorkloadSelectors", "IST0159", Error),
        Problem::NamespaceTaken => (
            "MultipleTelemetriesWithoutWorkloadSelectors",
            "IST0160",
            Error,
        ),
        Problem::GatewayPortWithoutService => {
            ("GatewayPortNotDefinedOnService", "IST0162", Warning)
        }
        Problem::EmptySubset => ("DestinationRuleSubsetNotSelectPods", "IST0173", Warning),
        Problem::UnknownRuleHost => ("UnknownDestinationRuleHost", "IST0174", Warning),
        Problem::SubsetTaken => ("DuplicateSubset", "PIL0101", Warning),
        Problem::PolicyTaken => ("DuplicateTrafficPolicy", "PIL0102", Warning),
        Problem::PortTaken => ("PortConflict", "PIL0103", Warning),
        Problem::LeftOut => ("TooManyResources", "PIL0104", Warning),
        Problem::GatewayPortOwn => ("GatewayPortOfProxy", "PIL0105", Error),
        Problem::Shadowed => ("VirtualServiceShadowed", "PIL0106", Warning),
        Problem::CollectorProtocol => ("CollectorProtocol", "PIL0107", Warning),
        Problem::UnknownPodPort => ("PortLevelMtlsPortUnknown", "PIL0110", Warning),
        Problem::StrictWithoutProxy => ("StrictWithoutSidecar", "PIL0111", Warning),
        Problem::StrictWithoutLabel => ("StrictWithoutTlsMode", "PIL0112", Warning),
        Problem::MutualTlsOff => ("MutualTlsOff", "PIL0113", Warning),
        Problem::MutualTlsNotTaken => ("MutualTlsNotTaken", "PIL0114", Warning),
    };
    Message {
        name,
        code,
        level,
        text: finding.message.clone(),
    }
}

fn analysis(messages: &[Message]) -> Condition {
    let of = |level| messages.iter().filter(|one| one.level == level).count();
    let counts = [
        (of(Level::Error), "error"),
        (of(Level::Warning), "warning"),
        (of(Level::Info), "note"),
    ];
    let (status, reason) = match of(Level::Error) {
        0 => ("True", "noErrorsFound"),
        _ => ("False", "errorsFound"),
    };
    let message = if messages.is_empty() {
        "no errors found".to_owned()
    } else {
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, what)| plural(*count, what)).collect();
        let texts = messages.iter().map(|message| message.text.as_str());
        format!("{}: {}", counts.join(" and "), listed(texts))
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
    let (status, reason, message) = if !facts.checked.faults.is_empty() {
        let text = if facts.checked.is_in_part {
            "invalid, and in force in part: what it closes holds, and a mode that can't be read is STRICT"
        } else if facts.has_valid {
            "invalid, and not in force; its last valid version stays in force for the proxies of the replica of the \
             discovery service that writes statuses, until that replica ends"
        } else {
            "invalid, and not in force; the replica of the discovery service that writes statuses has seen no valid \
             version, so no version of it is in force for that replica's proxies"
        };
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
        let text = "A proxy refused this rule, and the replica that writes statuses does not know whether it \
                    still does. Check with `pillion proxy-status`.";
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
mod tests;
