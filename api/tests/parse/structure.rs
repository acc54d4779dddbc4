//! Fields that do not exist, stand in the wrong place, or have values of wrong types.

use pillion_api::{AnyObject, Kind, parse};
use serde_json::{Value, json};

use crate::{fault, faults, read};

fn route(text: &str) -> String {
    fault(Kind::VirtualService, text)
}

#[test]
fn says_where_a_field_at_the_wrong_level_belongs() {
    let said = route("{hosts: [a], http: [{route: [{destination: {host: a, weight: 20}}]}]}");
    assert_eq!(
        said,
        "spec.http[0].route[0].destination.weight: there is no such field here; `weight` belongs in spec.http[0].route[0]: look at its indentation"
    );
    let said = route("{hosts: [a], http: [{route: [{destination: {host: a}, timeout: 1s}]}]}");
    assert!(
        said.contains("`timeout` belongs in spec.http[0]:"),
        "{said}"
    );
    let said = route("{hosts: [a], http: [{subset: v1, route: [{destination: {host: a}}]}]}");
    assert!(
        said.contains("`subset` belongs in spec.http[0].route[].destination:"),
        "{said}"
    );
    let said = route("{hosts: [a], http: [{hosts: [b], route: [{destination: {host: a}}]}]}");
    assert!(said.contains("`hosts` belongs in spec:"), "{said}");
    let said = route("{hosts: [a], http: [{add: {a: b}, route: [{destination: {host: a}}]}]}");
    assert!(
        said.contains("`add` belongs in spec.http[0].headers.request:"),
        "{said}"
    );
}

#[test]
fn says_that_a_field_beside_spec_belongs_in_it() {
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"}, "hosts": ["a"],
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
    });
    let faults = parse(Kind::VirtualService, object).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        faults[0].to_string(),
        "hosts: there is no such field here; `hosts` belongs in spec: look at its indentation"
    );
}

#[test]
fn suggests_the_name_that_is_meant() {
    let said = route("{hosts: [a], http: [{rotue: [], route: [{destination: {host: a}}]}]}");
    assert_eq!(
        said,
        "spec.http[0].rotue: there is no such field; did you mean `route`?"
    );
    let said = route("{host: [a], http: [{route: [{destination: {host: a}}]}]}");
    assert_eq!(
        said,
        "spec.host: there is no such field; did you mean `hosts`?"
    );
    let said = route("{hosts: [a], export_to: ['.'], http: [{route: [{destination: {host: a}}]}]}");
    assert_eq!(
        said,
        "spec.export_to: there is no such field; did you mean `exportTo`?"
    );
    let said =
        route("{hosts: [a], http: [{appendHeaders: {}, route: [{destination: {host: a}}]}]}");
    assert_eq!(
        said,
        "spec.http[0].appendHeaders: Istio has removed this field: use headers.request.add"
    );
}

#[test]
fn lists_the_fields_when_it_knows_no_better() {
    let said = fault(
        Kind::Gateway,
        "{servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}], zzzzzzzz: 1}",
    );
    assert_eq!(
        said,
        "spec.zzzzzzzz: there is no such field; here are selector, servers"
    );
}

#[test]
fn says_that_a_list_lacks_its_dash() {
    let said = route("{hosts: [a], http: {route: [{destination: {host: a}}]}}");
    assert_eq!(
        said,
        "spec.http: must be a list: put a `-` in front of its first field"
    );
    let said = route("{hosts: a, http: [{route: [{destination: {host: a}}]}]}");
    assert_eq!(said, "spec.hosts: must be a list, not a text");
    let said = route(
        "{hosts: [a], http: [{match: [{uri: [{prefix: /}]}], route: [{destination: {host: a}}]}]}",
    );
    assert_eq!(
        said,
        "spec.http[0].match[0].uri: must be an object, not a list: remove the `-`"
    );
}

#[test]
fn says_which_type_a_value_must_have() {
    let said =
        route("{hosts: [a], http: [{match: [{uri: /a}], route: [{destination: {host: a}}]}]}");
    assert_eq!(
        said,
        "spec.http[0].match[0].uri: must be an object with fields such as exact, prefix, regex, not a text"
    );
    let said = route("{hosts: [a], http: [{route: [{destination: {host: a}, weight: '20'}]}]}");
    assert_eq!(
        said,
        "spec.http[0].route[0].weight: must be a number: write it without quotes, not a text"
    );
    let said = route("{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}]}]}");
    assert_eq!(
        said,
        "spec.http[0].route[0].weight: must be a whole number from 0 to 4294967295, not -1"
    );
    let said =
        route("{hosts: [a], http: [{route: [{destination: {host: a, port: {number: 70000}}}]}]}");
    assert!(
        said.contains("port.number: must be a whole number from 0 to 65535, not 70000"),
        "{said}"
    );
    let said = fault(
        Kind::DestinationRule,
        "{host: a, trafficPolicy: {loadBalancer: {simple: round_robin}}}",
    );
    assert!(said.contains("must be one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST, not \"round_robin\""), "{said}");
    let said = fault(
        Kind::DestinationRule,
        "{host: a, subsets: [{name: v1, labels: {version: 1}}]}",
    );
    assert_eq!(
        said,
        "spec.subsets[0].labels[version]: must be a text: write it in quotes, \"1\""
    );
}

#[test]
fn tells_all_faults_at_once() {
    let said = faults(
        Kind::VirtualService,
        "{hosts: a, http: [{route: [{destination: {host: a}, weight: x}], fault: {}, zzzz: 1}]}",
    );
    assert_eq!(said.len(), 4, "{said:?}");
}

/// A `VirtualService` in which every struct of the kind is used.
fn rich() -> Value {
    json!({
        "hosts": ["a.com"], "gateways": ["g"], "exportTo": ["*"],
        "http": [
            {
                "name": "n",
                "match": [{"uri": {"exact": "/a"}, "headers": {"x": {"prefix": "y"}}, "queryParams": {"q": {"regex": ".+"}}, "sourceLabels": {"app": "b"}}],
                "route": [{"destination": {"host": "a", "subset": "v1", "port": {"number": 80}}, "weight": 1, "headers": {"response": {"remove": ["z"]}}}],
                "rewrite": {"uriRegexRewrite": {"match": "(a)", "rewrite": "\\1"}}, "timeout": "1s", "retries": {"attempts": 1},
                "headers": {"request": {"set": {"c": "d"}}},
            },
            {"match": [{"method": {"exact": "GET"}}], "redirect": {"uri": "/b"}},
            {"directResponse": {"status": 404, "body": {"string": "no"}}},
        ],
        "tcp": [{"match": [{"port": 1}], "route": [{"destination": {"host": "a"}}]}],
    })
}

/// The places of all objects in a value, as JSON pointers, but for maps with the user's keys.
fn structs(value: &Value, place: &str, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let is_map = ["/headers", "/queryParams", "/sourceLabels", "/set"]
                .iter()
                .any(|end| place.ends_with(end))
                && !fields.contains_key("request")
                && !fields.contains_key("response");
            if !is_map {
                places.push(place.to_owned());
            }
            for (name, value) in fields {
                structs(value, &format!("{place}/{name}"), places);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                structs(value, &format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
}

#[test]
fn tells_a_stray_field_wherever_it_is() {
    let object = |spec: &Value| json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"}, "spec": spec});
    assert_eq!(parse(Kind::VirtualService, object(&rich())).unwrap().1, []);
    let mut places = Vec::new();
    structs(&rich(), "", &mut places);
    assert!(places.len() > 25, "{places:?}");
    for place in places {
        let mut spec = rich();
        spec.pointer_mut(&place).unwrap()["stray"] = json!(1);
        let faults = parse(Kind::VirtualService, object(&spec)).unwrap_err();
        assert_eq!(faults.len(), 1, "{place}: {faults:?}");
        assert!(
            faults[0].path.starts_with("spec") && faults[0].path.ends_with(".stray"),
            "{place}: {}",
            faults[0]
        );
    }
}

#[test]
fn takes_fields_without_a_value_for_absent() {
    let spec = "{hosts: [a], gateways: , tls: , http: [{match: , timeout: , route: [{destination: {host: a, subset: }, weight: }]}]}";
    let (object, warnings) = read(Kind::VirtualService, spec).unwrap();
    assert_eq!(warnings, []);
    let AnyObject::VirtualService(object) = object else {
        panic!()
    };
    assert_eq!(object.spec.http[0].route[0].destination.subset, None);
}

#[test]
fn reads_metadata_as_far_as_rules_depend_on_it() {
    let object = json!({
        "apiVersion": "networking.istio.io/v1beta1", "kind": "DestinationRule",
        "metadata": {
            "name": "a", "namespace": "shop", "creationTimestamp": "2026-11-28T20:30:00Z", "generation": 3, "uid": "u",
            "resourceVersion": "77", "labels": {"app": "a"}, "annotations": {"a": "b"}, "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"host": "a"}, "status": {"anything": [1]},
    });
    let (object, _) = parse(Kind::DestinationRule, object).unwrap();
    let metadata = object.metadata();
    assert_eq!(
        (
            metadata.name.as_str(),
            metadata.namespace.as_str(),
            metadata.generation
        ),
        ("a", "shop", 3)
    );
    assert_eq!(
        metadata.creation_timestamp.unwrap().as_second(),
        1_795_897_800
    );
    assert_eq!(object.kind(), Kind::DestinationRule);
}

/// Tools write such files.
#[test]
fn takes_metadata_without_a_value_for_absent() {
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "a", "creationTimestamp": null, "labels": null, "namespace": null},
        "spec": {"host": "a"},
    });
    assert!(parse(Kind::DestinationRule, object).is_ok());
}

#[test]
fn refuses_another_kind_or_version() {
    let object = json!({"apiVersion": "networking.istio.io/v2", "kind": "Gateway", "metadata": {"name": "a"}, "spec": {"host": "a"}});
    let faults = parse(Kind::DestinationRule, object).unwrap_err();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "kind: must be DestinationRule, not \"Gateway\"",
            "apiVersion: must be networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3, not \"networking.istio.io/v2\"",
        ]
    );
    for value in [Value::Null, json!([]), json!("text"), json!({})] {
        assert!(parse(Kind::Gateway, value).is_err());
    }
}

#[test]
fn accepts_what_is_not_built_where_it_says_nothing() {
    let spec = "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, warmup: }, tls: {mode: DISABLE, subjectAltNames: [], insecureSkipVerify: false}}}";
    assert_eq!(faults(Kind::DestinationRule, spec), Vec::<String>::new());
}

/// Before they are read: each would take up to a kilobyte.
#[test]
fn bounds_the_elements_of_all_lists() {
    let route = format!("{{match: [{}]}}", vec!["{}"; 8_000].join(", "));
    let spec = format!("{{hosts: [a], http: [{}]}}", vec![route; 9].join(", "));
    assert_eq!(
        crate::fault(Kind::VirtualService, &spec),
        "spec.http[8].match: an object can't have more than 65536 elements in all of its lists"
    );
}
