use super::*;

fn parse(json: serde_json::Value) -> HttpRule {
    HttpRule::new(
        &serde_json::from_value(json).unwrap(),
        "shop",
        "cluster.local",
    )
}

fn retries_of(json: serde_json::Value) -> Option<Retries> {
    match parse(serde_json::json!({ "route": [], "retries": json })).action {
        HttpAction::Forward { retries, .. } => retries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_that_says_nothing_of_retries_has_two() {
    let rule = parse(serde_json::json!({ "route": [{ "destination": { "host": "a" } }] }));
    let HttpAction::Forward {
        retries, timeout, ..
    } = rule.action
    else {
        panic!();
    };
    assert_eq!(timeout, None);
    let retries = retries.unwrap();
    assert_eq!(retries.attempts, 2);
    assert!(retries.status_codes.is_empty() && retries.avoid_previous_hosts);
}

#[test]
fn no_attempts_are_no_retries() {
    assert_eq!(retries_of(serde_json::json!({ "attempts": 0 })), None);
}

#[test]
fn numbers_in_retry_on_are_status_codes() {
    let retries = retries_of(serde_json::json!({ "attempts": 3, "retryOn": "5xx, 404,reset" }));
    let retries = retries.unwrap();
    assert_eq!(retries.status_codes, [404]);
    assert_eq!(
        retries.conditions.join(","),
        "5xx,reset,retriable-status-codes"
    );
}

#[test]
fn destinations_without_weight_are_left_out_where_there_are_others() {
    let targets = |json| match parse(json).action {
        HttpAction::Forward { targets, .. } => targets,
        other => panic!("{other:?}"),
    };
    let two = targets(serde_json::json!({ "route": [
        { "destination": { "host": "a" }, "weight": 0 },
        { "destination": { "host": "b", "subset": "v1", "port": { "number": 81 } }, "weight": 5 },
    ]}));
    assert_eq!(two.len(), 1);
    assert_eq!(&*two[0].0.host, "b.shop.svc.cluster.local");
    assert_eq!((two[0].0.port, &*two[0].0.subset), (Some(81), "v1"));
    let one =
        targets(serde_json::json!({ "route": [{ "destination": { "host": "a" }, "weight": 0 }] }));
    assert_eq!(one.len(), 1);
}

#[test]
fn a_redirect_wins_over_an_answer_and_an_answer_over_destinations() {
    let all = serde_json::json!({
        "redirect": { "uri": "/a" }, "directResponse": { "status": 503 },
        "route": [{ "destination": { "host": "a" } }],
    });
    assert!(matches!(parse(all).action, HttpAction::Redirect(to) if to.status == 301));
    let two = serde_json::json!({
        "directResponse": { "status": 503, "body": { "string": "no" } },
        "route": [{ "destination": { "host": "a" } }],
    });
    assert!(matches!(parse(two).action, HttpAction::Respond(with) if &*with.body == b"no"));
}
