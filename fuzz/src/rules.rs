//! The fuzz target for traffic rules.

use pillion_api::{Kind, admission};
use pillion_cost::{Bound, Linear};
use serde_json::{Value, json};

use crate::units::{MIB, MILLISECOND};

pub(crate) const BOUND: Bound = Bound {
    // A regular expression of a kilobyte may take most of a megabyte while it is compiled.
    peak: Linear::new(4 * MIB, 512),
    total: Linear::new(16 * MIB, 64 * 1024),
    time: Linear::new(20 * MILLISECOND, 40_000),
};

/// The longest message of a fault: of a path and a text, each bounded.
const LONGEST_FAULT: usize = 8 * 1024;

/// Reviews an object: the input is its kind and its spec, which is repeated if it asks for it.
///
/// # Panics
///
/// Panics if a check fails.
pub fn rules(data: &[u8]) {
    let Some((head, rest)) = data.split_first() else {
        return;
    };
    // The begin of a review that is too large, from whomever.
    drop(BOUND.hold("the begin of a review", data.len(), || {
        admission::refuse(data)
    }));
    let kind = Kind::ALL[usize::from(*head) % Kind::ALL.len()];
    let text = String::from_utf8_lossy(rest);
    match serde_json::from_str::<Value>(&text) {
        Ok(mut spec) => {
            if head & 0x80 != 0 {
                repeat(&mut spec);
            }
            check(kind, &spec);
        }
        // What is no JSON must be no review.
        Err(_) => assert!(admission::review(rest).is_err()),
    }
    check_begin(kind, rest);
}

/// Repeats the elements of the first list in each list's place, up to many.
fn repeat(value: &mut Value) {
    match value {
        Value::Array(elements) => {
            if let Some(first) = elements.first().cloned() {
                elements.resize(elements.len().max(500), first);
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(repeat),
        _ => {}
    }
}

/// A review as API servers write it, cut where the first two bytes of the input say, and after a name that
/// is the others: it is refused by what is there of it, once this says which review it is.
fn check_begin(kind: Kind, input: &[u8]) {
    let Some((place, name)) = input.split_first_chunk() else {
        return;
    };
    let (uid, name) = (pillion_grammar::UID, String::from_utf8_lossy(name));
    let review = format!(
        "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"{uid}\",\
         \"kind\":{{\"group\":\"{}\",\"version\":\"v1\",\"kind\":\"{}\"}},\"name\":{},\
         \"namespace\":\"shop\",\"operation\":\"CREATE\",\"object\":{{",
        kind.group(),
        kind.name(),
        json!(name),
    );
    let named = review.find(uid).unwrap_or(review.len()) + uid.len();
    let anywhere = usize::from(u16::from_le_bytes(*place)) % (review.len() + 1);
    for cut in [named, named + 1, anywhere] {
        let begin = review.as_bytes().get(..cut).unwrap_or(review.as_bytes());
        let answer = admission::refuse(begin);
        assert_eq!(answer.is_some(), cut > named, "{cut}");
        let Some(answer) = answer else { continue };
        let response = &answer.review["response"];
        assert_eq!(response["uid"], uid);
        assert_eq!(response["allowed"], false);
        let said = answer.refusal.unwrap_or_default();
        assert!(
            said.len() < LONGEST_FAULT && !said.contains(char::is_control),
            "{said:?}"
        );
    }
}

fn check(kind: Kind, spec: &Value) {
    let object = json!({
        "apiVersion": format!("{}/v1", kind.group()),
        "kind": kind.name(),
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": spec,
    });
    let request = json!({
        "uid": pillion_grammar::UID,
        "kind": {"group": kind.group(), "version": "v1", "kind": kind.name()},
        "operation": "CREATE",
        "object": object,
    });
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
            .to_string();
    let response = BOUND.hold("a rule", review.len(), || {
        admission::review(review.as_bytes())
    });
    let Ok(answer) = response else {
        // It is longer than a review may be.
        assert!(review.len() > admission::LARGEST_REVIEW);
        return;
    };
    let response = &answer.review["response"];
    assert_eq!(response["uid"], pillion_grammar::UID);
    assert_eq!(response["allowed"], answer.refusal.is_none());
    if response["status"]["code"] == 413 {
        // Too many values.
        return;
    }
    let parsed = pillion_api::parse(kind, object);
    assert_eq!(response["allowed"], parsed.is_ok());
    match parsed {
        Ok((object, _)) => assert_eq!(object.kind(), kind),
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= 21);
            for fault in faults {
                let said = fault.to_string();
                assert!(
                    said.len() < LONGEST_FAULT && !said.contains(char::is_control),
                    "{said:?}"
                );
            }
        }
    }
}
