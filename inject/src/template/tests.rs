use minijinja::{Value as Context, value::Serde};
use serde_json::{Value, json};

use super::*;
use crate::{fault::Fault, steps::Steps, yaml};

fn render(template: &str, context: &Value) -> Result<Value, String> {
    let template = compile(&yaml::parse(template).unwrap()).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
        faults.join("; ")
    })?;
    template
        .render(&Context::from(Serde(context)), &Steps::default())
        .map_err(|error| match error {
            RenderError::Fault(fault) => fault.to_string(),
            RenderError::OutOfSteps(error) => error.to_string(),
        })
}

#[test]
fn an_expression_alone_keeps_its_type() {
    let got = render(
        "a: '{{ n }}'\nb: \"{{ map }}\"\nc: '{{ text }}'",
        &json!({"n": 3, "map": {"x": [1]}, "text": "hi"}),
    );
    assert_eq!(got, Ok(json!({"a": 3, "b": {"x": [1]}, "c": "hi"})));
}

#[test]
fn text_around_an_expression_gives_a_string() {
    let got = render(
        "- --level={{ level }}\n- '{{ a }}:{{ b }}'",
        &json!({"level": 1, "a": 2, "b": 3}),
    );
    assert_eq!(got, Ok(json!(["--level=1", "2:3"])));
}

#[test]
fn text_keeps_the_space_around_its_expressions() {
    let got = render(
        r#"{a: " {{ x }}:{{ x }} ", b: " {{ x }} ", c: "{{ '}}' ~ {'a': {'b': x}}['a']['b'] }}!"}"#,
        &json!({"x": 1}),
    );
    assert_eq!(got, Ok(json!({"a": " 1:1 ", "b": 1, "c": "}}1!"})));
}

#[test]
fn an_expression_without_its_end_is_a_fault() {
    let fault = render("a: 'x {{ b'", &json!({"b": 1})).unwrap_err();
    assert!(fault.contains("has no }} that ends"), "{fault}");
    let fault = render("a: '{{- b }}'", &json!({"b": 1})).unwrap_err();
    assert!(fault.contains("{{- and -}}"), "{fault}");
}

#[test]
fn none_in_a_text_is_an_error() {
    let error = render("a: 'v{{ x }}'", &json!({"x": null})).unwrap_err();
    assert!(error.contains("\"x\" is none"), "{error}");
    let got = render("a: \"v{{ x or '' }}\"", &json!({"x": null}));
    assert_eq!(got, Ok(json!({"a": "v"})));
}

#[test]
fn an_expression_in_a_key_is_a_fault() {
    for template in ["'{{ a }}': b", "a: {'x-{% if b %}': c}"] {
        let fault = render(template, &json!({"a": "a"})).unwrap_err();
        assert!(fault.contains("can't be in a key"), "{fault}");
    }
}

#[test]
fn none_leaves_the_field_and_the_item_out() {
    let got = render("a: '{{ none }}'\nb: ['{{ none }}', x]", &json!({}));
    assert_eq!(got, Ok(json!({"b": ["x"]})));
}

#[test]
fn what_comes_to_nothing_is_left_out() {
    let got = render(
        "a: ['{{ none }}']\nb: {c: '{{ none }}'}\nd: {}\ne: []",
        &json!({}),
    );
    assert_eq!(got, Ok(json!({"d": {}, "e": []})));
}

#[test]
fn a_false_condition_leaves_the_mapping_out() {
    let template = "list:\n- $if: wanted\n  name: a\n- name: b\nfield:\n  $if: not wanted\n  x: 1";
    assert_eq!(
        render(template, &json!({"wanted": false})),
        Ok(json!({"list": [{"name": "b"}], "field": {"x": 1}}))
    );
    assert_eq!(
        render(template, &json!({"wanted": true})),
        Ok(json!({"list": [{"name": "a"}, {"name": "b"}]}))
    );
}

#[test]
fn splices_lists_and_mappings() {
    let template =
        "args: [a, {$splice: more}, {$if: 'false', $splice: more}]\nmap: {x: 1, $splice: extra}";
    assert_eq!(
        render(template, &json!({"more": ["b", "c"], "extra": {"y": 2}})),
        Ok(json!({"args": ["a", "b", "c"], "map": {"x": 1, "y": 2}}))
    );
}

#[test]
fn values_never_become_structure() {
    let hostile = "x\", \"y\": \"z\n- {{ 7*7 }}\n'}]: &a *a !!str # ---";
    for template in [
        "v: '{{ text }}'",
        "v: pre{{ text }}post",
        "v: {$splice: '{\"k\": text}'}",
    ] {
        let got = render(template, &json!({"text": hostile})).unwrap();
        let text = match &got["v"] {
            Value::Object(map) => map["k"].as_str(),
            other => other.as_str(),
        };
        assert!(text.unwrap().contains(hostile), "{got}");
        assert_eq!(got.as_object().unwrap().len(), 1);
    }
}

#[test]
fn rejects_an_unknown_name_and_says_where() {
    let error = render(
        "spec:\n  containers:\n  - image: '{{ imag }}'",
        &json!({"image": "x"}),
    )
    .unwrap_err();
    assert!(error.starts_with("spec.containers[0].image: "), "{error}");
    assert!(error.contains("imag"), "{error}");
}

#[test]
fn rejects_an_expression_that_does_not_parse_when_it_is_loaded() {
    let error = render("a: {b: '{{ 1 + }}'}", &json!({})).unwrap_err();
    assert!(error.starts_with("a.b: "), "{error}");
}

#[test]
fn rejects_an_unknown_directive() {
    let error = render("a: {$when: x}", &json!({})).unwrap_err();
    assert!(error.contains("$when"), "{error}");
}

#[test]
fn rejects_a_go_template_with_a_hint() {
    let error = render("a: '{{ .Values.global.hub }}'", &json!({})).unwrap_err();
    assert!(error.contains("Go template"), "{error}");
}
