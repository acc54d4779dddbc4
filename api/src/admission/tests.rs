use super::*;

fn ask(request: Value) -> Value {
    let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
    review(body.to_string().as_bytes()).unwrap().review["response"].take()
}

fn request(operation: &str, spec: &Value, old: &Value) -> Value {
    let object = |spec: &Value| json!({ "apiVersion": "networking.istio.io/v1alpha3", "kind": "VirtualService", "metadata": { "name": "reviews" }, "spec": spec });
    json!({
        "uid": "1-2-3",
        "kind": { "group": "networking.istio.io", "version": "v1alpha3", "kind": "VirtualService" },
        "operation": operation,
        "name": "reviews",
        "namespace": "shop",
        "object": object(spec),
        "oldObject": if old.is_null() { Value::Null } else { object(old) },
    })
}

fn good() -> Value {
    json!({ "hosts": ["reviews"], "http": [{ "route": [{ "destination": { "host": "reviews" } }] }] })
}

fn bad() -> Value {
    json!({ "hosts": ["reviews"], "http": [{ "fault": {}, "route": [{ "destination": { "host": "reviews", "weight": 1 } }] }] })
}

#[test]
fn allows_what_can_work() {
    let response = ask(request("CREATE", &good(), &Value::Null));
    assert_eq!(response, json!({ "uid": "1-2-3", "allowed": true }));
}

#[test]
fn refuses_with_every_fault_and_its_path() {
    let response = ask(request("CREATE", &bad(), &Value::Null));
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!(
        (&status["code"], &status["reason"]),
        (&json!(422), &json!("Invalid"))
    );
    assert_eq!(
        status["message"],
        "VirtualService shop/reviews: spec.http[0].fault: this field of Istio's API is not built yet; remove it to have the rest applied; \
         spec.http[0].route[0].destination.weight: there is no such field here; `weight` belongs in spec.http[0].route[0]: look at its indentation"
    );
    assert_eq!(
        status["details"]["causes"][0]["field"],
        "spec.http[0].fault"
    );
}

#[test]
fn warns_of_what_is_likely_a_mistake() {
    let mut spec = good();
    let route = spec["http"][0].clone();
    spec["http"].as_array_mut().unwrap().push(route);
    let response = ask(request("CREATE", &spec, &Value::Null));
    assert_eq!(response["allowed"], true);
    assert_eq!(
        response["warnings"],
        json!(["spec.http[1]: is never used, because spec.http[0] matches every request"])
    );
}

#[test]
fn lets_metadata_of_a_faulty_object_be_changed() {
    let response = ask(request("UPDATE", &bad(), &bad()));
    assert_eq!(response["allowed"], true);
    assert_eq!(response["warnings"].as_array().unwrap().len(), 2);
    assert_eq!(ask(request("UPDATE", &bad(), &good()))["allowed"], false);
}

#[test]
fn lets_a_faulty_object_be_deleted() {
    let mut deletion = request("DELETE", &Value::Null, &bad());
    deletion["object"] = Value::Null;
    assert_eq!(ask(deletion)["allowed"], true);
    let mut deleted = request("UPDATE", &bad(), &good());
    deleted["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(ask(deleted)["allowed"], true);
}

#[test]
fn says_that_another_kind_is_not_checked() {
    let mut other = request("CREATE", &bad(), &Value::Null);
    other["kind"]["group"] = json!("example.com");
    let response = ask(other);
    assert_eq!(response["allowed"], true);
    assert_eq!(response["warnings"].as_array().unwrap().len(), 1);
}

/// A spec with so many routes.
fn large(count: usize) -> Value {
    let route = json!({ "match": [{ "uri": { "prefix": "/a" } }], "route": [{ "destination": { "host": "a" } }] });
    json!({ "hosts": ["reviews"], "http": vec![route; count] })
}

/// The object and the one before it are read one after the other.
#[test]
fn a_bound_is_for_the_object_alone() {
    let both = ask(request("UPDATE", &large(4_000), &large(4_001)));
    assert_eq!(both["allowed"], true);
}

/// Without an answer, an API server whose `failurePolicy` is `Ignore` accepted it silently.
#[test]
fn refuses_what_is_too_large_to_be_read() {
    let response = ask(request("CREATE", &large(12_000), &Value::Null));
    assert_eq!(response["uid"], "1-2-3");
    assert_eq!(response["allowed"], false);
    let status = &response["status"];
    assert_eq!(status["code"], 413);
    assert_eq!(
        status["message"],
        "VirtualService shop/reviews: the object is too large: reading it would take more than 32 MiB of memory; \
         split it into several VirtualServices (docs/rules.md says how much one may have)"
    );
    // As with faulty ones, only what concerns the spec is refused.
    let unchanged = ask(request("UPDATE", &large(12_000), &large(12_000)));
    assert_eq!(unchanged["allowed"], true);
    assert!(
        unchanged["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("this object is not applied: the object is too large")
    );
    let changed = ask(request("UPDATE", &large(12_000), &large(11_999)));
    assert_eq!(changed["allowed"], false);
    let mut deleted = request("UPDATE", &large(12_000), &good());
    deleted["object"]["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(ask(deleted)["allowed"], true);
}

/// Both objects together are larger than what an API server takes from its clients.
#[test]
fn lets_metadata_of_the_largest_objects_be_changed() {
    let spec = json!({ "hosts": ["reviews"], "http": "a".repeat(3_000_000) });
    let response = ask(request("UPDATE", &spec, &spec));
    assert_eq!(response["allowed"], true, "{}", response["status"]);
}

#[test]
fn refuses_what_is_nested_too_deeply() {
    let mut deep = request("CREATE", &json!("deep"), &Value::Null).to_string();
    deep = deep.replace(
        "\"deep\"",
        &format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)),
    );
    let body = format!(
        "{{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{deep}}}"
    );
    let answer = review(body.as_bytes()).unwrap();
    assert_eq!(answer.review["response"]["allowed"], false);
    let refusal = answer.refusal.unwrap();
    assert!(
        refusal.starts_with("VirtualService shop/reviews: spec: can't be read: "),
        "{refusal}"
    );
}

#[test]
fn refuses_a_review_that_is_too_large_by_its_begin() {
    let body = format!(
        "{{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"1-2-3\",\
         \"kind\":{{\"group\":\"networking.istio.io\",\"version\":\"v1\",\"kind\":\"ServiceEntry\"}},\"name\":\"big\",\
         \"namespace\":\"shop\",\"operation\":\"CREATE\",\"object\":\"{}\"}}}}",
        "a".repeat(LARGEST_REVIEW)
    );
    let answer = review(body.as_bytes()).unwrap();
    assert_eq!(answer.review["response"]["uid"], "1-2-3");
    assert_eq!(answer.review["response"]["status"]["code"], 413);
    assert_eq!(
        answer.refusal.unwrap(),
        "ServiceEntry shop/big: the review of it is too large: the object, and the one before it, may have 7 MiB \
         together; split it into several ServiceEntries (docs/rules.md says how much one may have)"
    );
}

/// What `docs/rules.md` says of how much fits into an object.
#[test]
fn an_object_has_room_for_as_much_as_the_documents_say() {
    let paths = |count: usize| {
        let paths: Vec<Value> = (0..count)
            .map(|number| json!({ "uri": { "exact": format!("/path/{number}") } }))
            .collect();
        json!({ "hosts": ["reviews"], "http": [{ "match": paths, "route": [{ "destination": { "host": "a" } }] }] })
    };
    let headers = |count: usize| {
        let matches = json!({ "uri": { "exact": "/a" }, "headers": { "a": { "exact": "b" } } });
        json!({ "hosts": ["reviews"], "http": [{ "match": vec![matches; count] }] })
    };
    let fits = |spec: Value| !is_too_large(spec.to_string().as_bytes());
    assert!(fits(paths(14_000)) && !fits(paths(15_000)));
    assert!(fits(headers(7_000)) && !fits(headers(7_500)));
    assert!(fits(large(5_500)) && !fits(large(6_000)));
    let response = ask(request("CREATE", &paths(14_000), &Value::Null));
    assert_eq!(response["allowed"], true, "{}", response["status"]);
}

#[test]
fn rejects_what_is_no_review() {
    assert!(matches!(review(b""), Err(ReviewError::NoReview(_))));
    assert!(matches!(review(b"{}"), Err(ReviewError::NoReview(_))));
    assert!(matches!(
        review("[".repeat(10_000).as_bytes()),
        Err(ReviewError::NoReview(_))
    ));
    assert!(matches!(
        review(&vec![b' '; LARGEST_REVIEW + 1]),
        Err(ReviewError::TooLarge)
    ));
    let old = json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": request("CREATE", &good(), &Value::Null) });
    assert!(matches!(
        review(old.to_string().as_bytes()),
        Err(ReviewError::Version)
    ));
}
