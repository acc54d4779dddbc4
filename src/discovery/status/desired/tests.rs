use super::*;
use crate::model::{Key, Kind, ObjectRef};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

static NOTHING: Checked = Checked {
    faults: Vec::new(),
    warnings: Vec::new(),
    is_in_part: false,
};

fn faulty(faults: impl IntoIterator<Item = String>) -> Checked {
    Checked {
        faults: faults.into_iter().collect(),
        ..Checked::default()
    }
}

fn suspicion(kind: WarningKind) -> Checked {
    Checked {
        warnings: vec![Warning {
            kind,
            path: "spec.http[1]".to_owned(),
            message: "is never used".to_owned(),
        }],
        ..Checked::default()
    }
}

fn facts(generation: i64) -> Facts<'static> {
    Facts {
        generation,
        checked: &NOTHING,
        has_valid: true,
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
    let checked = faulty(["spec.hosts: must not be empty".to_owned()]);
    let desired = Desired::of(Facts {
        checked: &checked,
        ..facts(1)
    });
    let status = desired.patch(None, at(0)).unwrap();
    assert_eq!(condition(&status, "Reconciled")["reason"], "invalid");
    let message = condition(&status, "PassedAnalysis")["message"].clone();
    assert_eq!(message, "1 error: spec.hosts: must not be empty");
}

/// Errors are told before warnings, of which there may be more than are listed.
#[test]
fn warnings_come_last() {
    let checked = suspicion(WarningKind::NeverUsed);
    let findings = [
        finding(Problem::Shadowed, "others come first"),
        finding(Problem::MissingHost, "there is no Service ratings"),
    ];
    let desired = Desired::of(Facts {
        checked: &checked,
        findings: &findings,
        ..facts(1)
    });
    let status = desired.patch(None, at(0)).unwrap();
    let message = condition(&status, "PassedAnalysis")["message"].clone();
    assert_eq!(
        message,
        "1 error and 2 warnings: there is no Service ratings; others come first; spec.http[1]: is never used"
    );
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
    let checked = faulty((0..100).map(|n| format!("{n}: {}", "é".repeat(100))));
    let desired = Desired::of(Facts {
        checked: &checked,
        ..facts(1)
    });
    let status = desired.patch(None, at(0)).unwrap();
    assert!(status.to_string().len() < 20_000);
    assert_eq!(
        status["validationMessages"].as_array().unwrap().len(),
        LISTED
    );
}

/// The code and the level of the only message, and whether there are errors.
fn said(facts: Facts<'_>) -> (String, String, bool) {
    let status = Desired::of(facts).patch(None, at(0)).unwrap();
    let message = &status["validationMessages"][0];
    let code = message["type"]["code"].as_str().unwrap();
    let level = message["level"].as_str().unwrap();
    let reason = condition(&status, "PassedAnalysis")["reason"].clone();
    (code.to_owned(), level.to_owned(), reason == "errorsFound")
}

/// As in Istio's pkg/config/analysis/msg, but for `IST0173`.
#[test]
fn findings_have_the_codes_and_levels_of_istio() {
    for (problem, code, level) in [
        (Problem::NoGatewayPod, "IST0101", "ERROR"),
        (Problem::HostNotInGateway, "IST0132", "WARNING"),
        (Problem::GatewayPortWithoutService, "IST0162", "WARNING"),
        (Problem::EmptySubset, "IST0173", "WARNING"),
        (Problem::UnknownRuleHost, "IST0174", "WARNING"),
        (Problem::GatewayPortOwn, "PIL0105", "ERROR"),
        (Problem::Shadowed, "PIL0106", "WARNING"),
        (Problem::UnknownPodPort, "PIL0110", "WARNING"),
        (Problem::StrictWithoutProxy, "PIL0111", "WARNING"),
        (Problem::StrictWithoutLabel, "PIL0112", "WARNING"),
        (Problem::MutualTlsOff, "PIL0113", "WARNING"),
        (Problem::MutualTlsNotTaken, "PIL0114", "WARNING"),
        (Problem::RefusedByServer, "IST0113", "ERROR"),
        (Problem::NamespaceTaken, "IST0160", "ERROR"),
    ] {
        let findings = [finding(problem, "a text")];
        let said = said(Facts {
            findings: &findings,
            ..facts(1)
        });
        let is_error = level == "ERROR";
        assert_eq!(said, (code.to_owned(), level.to_owned(), is_error));
    }
}

/// Istio has codes for this where it is about Telemetries.
#[test]
fn what_older_objects_have_taken_has_a_code_for_each_kind() {
    for (problem, code) in [
        (Problem::NamespaceTaken, "PIL0108"),
        (Problem::PodsTaken, "PIL0109"),
    ] {
        let mut finding = finding(problem, "a text");
        finding.object.kind = Kind::PeerAuthentication;
        let said = said(Facts {
            findings: &[finding],
            ..facts(1)
        });
        assert_eq!(said, (code.to_owned(), "ERROR".to_owned(), true));
    }
}

#[test]
fn what_holds_in_part_is_invalid_all_the_same() {
    let checked = Checked {
        is_in_part: true,
        ..faulty(["spec.portLevelMtls: no".to_owned()])
    };
    let desired = Desired::of(Facts {
        checked: &checked,
        ..facts(1)
    });
    let status = desired.patch(None, at(0)).unwrap();
    let reconciled = condition(&status, "Reconciled");
    assert_eq!(reconciled["reason"], "invalid");
    let message = reconciled["message"].as_str().unwrap();
    assert!(
        message.starts_with("invalid, and in force in part"),
        "{message}"
    );
    assert_eq!(condition(&status, "PassedAnalysis")["status"], "False");
}

#[test]
fn warnings_have_the_codes_and_levels_of_istio() {
    for (kind, code, level) in [
        (WarningKind::NeverUsed, "IST0130", "WARNING"),
        (WarningKind::Duplicate, "IST0131", "INFO"),
        (WarningKind::Other, "IST0133", "WARNING"),
    ] {
        let checked = suspicion(kind);
        let said = said(Facts {
            checked: &checked,
            ..facts(1)
        });
        assert_eq!(said, (code.to_owned(), level.to_owned(), false));
    }
}
