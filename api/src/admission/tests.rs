use super::*;

fn ask(request: Value) -> Value {
    let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
    review(body.to_string().as_bytes()).unwrap()["response"].take()
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
        "spec.http[0].fault: this field of Istio's API is not built yet; remove it to have the rest applied; \
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

/// The object and the one before it are read one after the other.
#[test]
fn a_bound_is_for_the_object_alone() {
    let large = |count: usize| {
        let route = json!({ "match": [{ "uri": { "prefix": "/a" } }], "route": [{ "destination": { "host": "a" } }] });
        json!({ "hosts": ["reviews"], "http": vec![route; count] })
    };
    let body = |request: Value| {
        let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request });
        body.to_string()
    };
    let both = body(request("UPDATE", &large(4_000), &large(4_000)));
    assert!(review(both.as_bytes()).is_ok());
    let one = body(request("CREATE", &large(12_000), &Value::Null));
    assert!(one.len() < LARGEST_REVIEW);
    assert!(matches!(review(one.as_bytes()), Err(ReviewError::TooLarge)));
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
