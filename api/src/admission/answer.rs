//! What an API server is answered.

use std::fmt;

use serde_json::{Value, json};

use crate::{fault::Fault, object::Kind};

/// The most characters of one warning: Kubernetes asks for no more.
const LONGEST_WARNING: usize = 256;
/// The most warnings of one response. API servers cut off at 4,096 characters in all.
const MOST_WARNINGS: usize = 15;
/// The most characters of a name, as in Kubernetes.
const LONGEST_NAME: usize = 253;

/// The answer to a review.
#[derive(Debug)]
pub struct Answer {
    /// The `AdmissionReview` to send.
    pub review: Value,
    /// Why the object is refused, beginning with which one it is; `None` if it is allowed.
    pub refusal: Option<String>,
}

/// The object of a review, as texts name it: `VirtualService shop/reviews`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub kind: &'a str,
    pub namespace: &'a str,
    /// Empty if the API server makes one.
    pub name: &'a str,
}

/// What a review decides.
pub(super) enum Verdict {
    Allowed {
        warnings: Vec<String>,
    },
    /// It can't work.
    Invalid(Vec<Fault>),
    /// It is not read, for this reason.
    TooLarge(String),
}

impl Verdict {
    /// Allowed, with nothing to say.
    pub const ALLOWED: Self = Self::Allowed {
        warnings: Vec::new(),
    };
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, namespace, name) = (
            printable(self.kind),
            printable(self.namespace),
            printable(self.name),
        );
        match (kind.as_str(), namespace.as_str(), name.as_str()) {
            ("", _, _) => formatter.write_str("the object"),
            (kind, "", "") => formatter.write_str(kind),
            (kind, "", name) => write!(formatter, "{kind} {name}"),
            (kind, namespace, "") => write!(formatter, "{kind} in {namespace}"),
            (kind, namespace, name) => write!(formatter, "{kind} {namespace}/{name}"),
        }
    }
}

impl Subject<'_> {
    /// What to do with one that is too large.
    pub(super) fn split(&self) -> String {
        let several = match Kind::from_name(self.kind) {
            Some(Kind::ServiceEntry) => "ServiceEntries".to_owned(),
            Some(Kind::Telemetry) => "Telemetries".to_owned(),
            Some(kind) => format!("{}s", kind.name()),
            None => "objects".to_owned(),
        };
        format!("split it into several {several} (docs/rules.md says how much one may have)")
    }
}

/// Answers a review.
pub(super) fn answer(uid: &str, subject: Subject<'_>, verdict: Verdict) -> Answer {
    let mut response = json!({ "uid": uid });
    let refusal = match verdict {
        Verdict::Allowed { warnings } => {
            let warnings = warnings.iter().take(MOST_WARNINGS);
            let warnings: Vec<String> = warnings
                .map(|warning| warning.chars().take(LONGEST_WARNING).collect())
                .collect();
            if !warnings.is_empty() {
                response["warnings"] = json!(warnings);
            }
            None
        }
        Verdict::Invalid(faults) => {
            let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
            let causes = faults
                .iter()
                .map(|fault| json!({ "reason": "FieldValueInvalid", "field": fault.path, "message": fault.message }));
            let text = format!("{subject}: {}", texts.join("; "));
            response["status"] = status(422, "Invalid", &text, subject, causes.collect());
            Some(text)
        }
        Verdict::TooLarge(why) => {
            let text = format!("{subject}: {why}");
            response["status"] = status(413, "RequestEntityTooLarge", &text, subject, Vec::new());
            Some(text)
        }
    };
    response["allowed"] = json!(refusal.is_none());
    Answer {
        review: json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }),
        refusal,
    }
}

/// A Kubernetes `Status` of a refusal.
fn status(
    code: u16,
    reason: &str,
    message: &str,
    subject: Subject<'_>,
    causes: Vec<Value>,
) -> Value {
    let group = Kind::from_name(subject.kind).map_or("", Kind::group);
    json!({
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": { "name": subject.name, "group": group, "kind": subject.kind, "causes": causes },
    })
}

/// A name from outside, without control characters.
fn printable(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(LONGEST_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_an_object_as_far_as_it_is_known() {
        let named = |kind, namespace, name| {
            Subject {
                kind,
                namespace,
                name,
            }
            .to_string()
        };
        assert_eq!(named("Gateway", "shop", "a\n"), "Gateway shop/a");
        assert_eq!(named("Gateway", "shop", ""), "Gateway in shop");
        assert_eq!(named("Gateway", "", "a"), "Gateway a");
        assert_eq!(named("", "", ""), "the object");
    }
}
