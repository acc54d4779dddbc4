use proptest::prelude::*;
use serde_json::json;

use super::*;

fn operations(original: &Value, edited: &Value) -> Value {
    operations_moving(&[], original, edited)
}

fn operations_moving(movable: &[&str], original: &Value, edited: &Value) -> Value {
    let movable = movable.iter().copied().collect();
    let patch = diff(&movable, original, edited, &Steps::default()).unwrap();
    let mut patched = original.clone();
    json_patch::patch(&mut patched, &patch).expect("the patch applies");
    assert_eq!(&patched, edited);
    serde_json::to_value(patch).expect("a patch is JSON")
}

#[test]
fn is_empty_for_equal_values() {
    let pod = json!({"spec": {"containers": [{"name": "a"}], "x": null}});
    assert_eq!(operations(&pod, &pod), json!([]));
}

#[test]
fn adds_an_element_in_front_with_one_operation() {
    let original = json!({"spec": {"initContainers": [
        {"name": "a", "args": ["1"]}, {"name": "b"}, {"name": "c"}
    ]}});
    let mut edited = original.clone();
    edited["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"name": "istio-init"}));
    assert_eq!(
        operations(&original, &edited),
        json!([{"op": "add", "path": "/spec/initContainers/0", "value": {"name": "istio-init"}}])
    );
}

#[test]
fn adds_in_front_and_edits_inside_at_the_final_index() {
    assert_eq!(
        operations(
            &json!({"containers": [{"name": "a", "livenessProbe": {"httpGet": {"port": 80}}}]}),
            &json!({"containers": [
                {"name": "p"},
                {"name": "a", "livenessProbe": {"httpGet": {"port": 15020}}},
                {"name": "q"}
            ]}),
        ),
        json!([
            {"op": "add", "path": "/containers/0", "value": {"name": "p"}},
            {"op": "add", "path": "/containers/2", "value": {"name": "q"}},
            {"op": "replace", "path": "/containers/1/livenessProbe/httpGet/port", "value": 15020}
        ])
    );
}

#[test]
fn removes_from_the_highest_index() {
    assert_eq!(
        operations(
            &json!([{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]),
            &json!([{"name": "b"}, {"name": "d"}]),
        ),
        json!([{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/0"}])
    );
}

#[test]
fn moves_only_the_element_out_of_order() {
    assert_eq!(
        operations(
            &json!([{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]),
            &json!([{"name": "d"}, {"name": "a"}, {"name": "b"}, {"name": "c"}]),
        ),
        json!([
            {"op": "remove", "path": "/3"},
            {"op": "add", "path": "/0", "value": {"name": "d"}}
        ])
    );
}

#[test]
fn tells_mounts_apart_by_path() {
    assert_eq!(
        operations(
            &json!({"volumeMounts": [{"mountPath": "/a", "name": "v"}, {"mountPath": "/b", "name": "v"}]}),
            &json!({"volumeMounts": [
                {"mountPath": "/0", "name": "v"},
                {"mountPath": "/a", "name": "v", "readOnly": true},
                {"mountPath": "/b", "name": "w"}
            ]}),
        ),
        json!([
            {"op": "add", "path": "/volumeMounts/0", "value": {"mountPath": "/0", "name": "v"}},
            {"op": "add", "path": "/volumeMounts/1/readOnly", "value": true},
            {"op": "replace", "path": "/volumeMounts/2/name", "value": "w"}
        ])
    );
}

#[test]
fn leaves_equal_elements_alone_where_names_repeat() {
    assert_eq!(
        operations(
            &json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "B"}]),
            &json!([{"name": "Z"}, {"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "C"}]),
        ),
        json!([
            {"op": "add", "path": "/0", "value": {"name": "Z"}},
            {"op": "replace", "path": "/3", "value": {"name": "C"}}
        ])
    );
}

#[test]
fn edits_lists_of_scalars_in_place() {
    assert_eq!(
        operations(
            &json!(["a", "b", "c", "d"]),
            &json!(["a", "x", "y", "c", "d"])
        ),
        json!([
            {"op": "add", "path": "/2", "value": "y"},
            {"op": "replace", "path": "/1", "value": "x"}
        ])
    );
    assert_eq!(
        operations(&json!(["a", "a", "a"]), &json!(["a"])),
        json!([{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}])
    );
}

#[test]
fn escapes_names_in_paths() {
    assert_eq!(
        operations(
            &json!({"annotations": {"a/b~c": "1"}}),
            &json!({"annotations": {"a/b~c": "2", "": "x"}}),
        ),
        json!([
            {"op": "replace", "path": "/annotations/a~1b~0c", "value": "2"},
            {"op": "add", "path": "/annotations/", "value": "x"}
        ])
    );
}

#[test]
fn sets_what_was_null_with_add() {
    assert_eq!(
        operations(&json!({"a": null, "b": null}), &json!({"a": {"x": 1}})),
        json!([{"op": "add", "path": "/a", "value": {"x": 1}}, {"op": "remove", "path": "/b"}])
    );
    assert_eq!(
        operations(&json!([null, 1]), &json!(["x", 1])),
        json!([{"op": "replace", "path": "/0", "value": "x"}])
    );
    assert_eq!(
        operations(&Value::Null, &json!({})),
        json!([{"op": "replace", "path": "", "value": {}}])
    );
}

#[test]
fn replaces_a_value_of_another_type() {
    assert_eq!(
        operations(
            &json!({"a": [1], "b": {}}),
            &json!({"a": {"0": 1}, "b": "x"})
        ),
        json!([
            {"op": "replace", "path": "/a", "value": {"0": 1}},
            {"op": "replace", "path": "/b", "value": "x"}
        ])
    );
}

#[test]
fn costs_few_operations_on_a_large_pod() {
    let env: Vec<Value> = (0..2000)
        .map(|n| json!({"name": format!("VAR_{n}"), "value": n.to_string()}))
        .collect();
    let original = json!({"containers": [{"name": "app", "env": env}]});
    let mut edited = original.clone();
    let containers = edited["containers"].as_array_mut().unwrap();
    containers[0]["env"][1000]["value"] = json!("other");
    containers.insert(0, json!({"name": "istio-proxy"}));
    assert_eq!(
        operations(&original, &edited),
        json!([
            {"op": "add", "path": "/containers/0", "value": {"name": "istio-proxy"}},
            {"op": "replace", "path": "/containers/1/env/1000/value", "value": "other"}
        ])
    );
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c/~\"{]{0,2}".prop_map(Value::from),
    ]
}

/// Any JSON, rich in lists of named elements.
fn json_value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 64, 6, |inner| {
        let member = prop_oneof!["[a-c/~]{0,2}", Just("volumeMounts".to_owned())];
        let named = ("[a-f]", member.clone(), inner.clone()).prop_map(
            |(name, member, value)| json!({"name": name, "mountPath": name, member: value}),
        );
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec(named, 0..6).prop_map(Value::from),
            prop::collection::btree_map(member, inner, 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A list of elements with unique names, and the same with some elements gone,
/// some new, some edited, in another order.
fn edited_lists() -> impl Strategy<Value = (Vec<Value>, Vec<Value>)> {
    let element = |name: &usize, value: &Value| json!({"name": format!("n{name}"), "x": value});
    let side = || {
        prop::collection::btree_map(0_usize..12, scalar(), 0..12)
            .prop_map(move |members| {
                members
                    .iter()
                    .map(|(n, v)| element(n, v))
                    .collect::<Vec<_>>()
            })
            .prop_shuffle()
    };
    (side(), side())
}

proptest! {
    #[test]
    fn makes_the_edited_value_of_any_original(a in json_value(), b in json_value()) {
        operations(&a, &b);
    }

    #[test]
    fn makes_the_edited_list_of_any_order(lists in edited_lists()) {
        let (a, b) = lists;
        operations(&json!({"spec": {"containers": a}}), &json!({"spec": {"containers": b}}));
    }

    #[test]
    fn moves_no_more_elements_than_it_must(
        names in prop::collection::btree_set(0_u8..50, 2..20),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let a: Vec<Value> = names.iter().map(|name| json!({"name": name.to_string()})).collect();
        let mut b = a.clone();
        let moved = b.remove(from.index(a.len()));
        b.insert(to.index(a.len()), moved);
        let count = operations(&Value::from(a), &Value::from(b)).as_array().map_or(0, Vec::len);
        prop_assert!(count == 0 || count == 2, "{count} operations");
    }
}

#[test]
fn moves_only_containers_that_may_be_moved() {
    let list = |names: &[&str]| json!({"initContainers": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()});
    let proxy = ["init", "proxy"];
    for (original, edited) in [
        (&["proxy", "app"][..], &["app", "proxy"][..]),
        (&["app", "proxy"], &["proxy", "app"]),
        (&["app", "proxy", "init"], &["init", "proxy", "app"]),
        (&["app", "init", "proxy"], &["init", "proxy", "app"]),
        (
            &["a", "init", "b", "proxy", "c"],
            &["proxy", "a", "b", "c", "init"],
        ),
        (&["init", "a", "b"], &["a", "init", "b", "proxy"]),
    ] {
        let operations = operations_moving(&proxy, &list(original), &list(edited));
        for operation in operations.as_array().unwrap() {
            let index: usize = operation["path"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            if operation["op"] == "add" {
                let name = operation["value"]["name"].as_str().unwrap();
                assert!(
                    proxy.contains(&name),
                    "{original:?} {edited:?}: {operations}"
                );
            } else {
                assert_eq!(operation["op"], "remove");
                assert!(index < original.len());
            }
        }
    }
}

#[test]
fn ends_when_there_are_no_steps_left() {
    let list = |number: usize| Value::Array((0..2_000_000).map(|at| json!(at % number)).collect());
    let outcome = diff(&HashSet::new(), &list(2), &list(3), &Steps::default());
    assert!(outcome.is_err());
}
