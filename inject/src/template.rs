//! Templates: pod fragments in YAML whose scalars hold expressions.
//!
//! A template is parsed into a tree once, when the configuration is loaded, and
//! every expression is compiled then. Rendering fills values into the tree, so
//! no value can become structure, whatever text an annotation holds.
//!
//! - `{{ expression }}` alone in a scalar stands for the expression's value, of
//!   whatever type; a value of `none` leaves the field or list item out.
//! - Text around expressions gives a string.
//! - `$if: expression` in a mapping leaves the mapping out when it is false.
//! - `$splice: expression` in a mapping adds the fields of a computed mapping;
//!   as the only key of a list item, the items of a computed list.
//! - A list or mapping that holds expressions and comes to nothing is left out.
//!
//! Expressions are Jinja's (`minijinja`); the value of a name that is not there is
//! an error, but whether it is true may be asked: it is not.

mod compile;
mod expressions;
mod names;

use minijinja::Value as Context;
use serde_json::{Map, Value};

use super::steps::{OutOfSteps, Steps};
pub(super) use compile::compile;
use expressions::{Expression, Text};

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template(Node);

#[derive(Debug)]
enum Node {
    /// No expression at or below.
    Literal(Value),
    /// One expression, whose value is the node's.
    Expression(Expression),
    /// Text with expressions in it.
    Text(Text),
    Mapping(Mapping),
    List(Vec<Node>),
}

#[derive(Debug)]
struct Mapping {
    when: Option<Expression>,
    splice: Option<Expression>,
    fields: Vec<(String, Node)>,
}

/// Why a template does not render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RenderError {
    /// An expression has no value here, or one of the wrong type.
    Fault(Fault),
    /// There are too many values.
    OutOfSteps(OutOfSteps),
}

/// What is wrong, with the place in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Outermost last, as the error travels up.
    path: Vec<String>,
    message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        let path: String = self.path.iter().rev().map(String::as_str).collect();
        write!(f, "{}: {}", path.trim_start_matches('.'), self.message)
    }
}

impl From<OutOfSteps> for RenderError {
    fn from(error: OutOfSteps) -> Self {
        Self::OutOfSteps(error)
    }
}

impl RenderError {
    fn new(message: impl Into<String>) -> Self {
        Self::Fault(Fault {
            path: Vec::new(),
            message: message.into(),
        })
    }

    fn under(mut self, segment: String) -> Self {
        if let Self::Fault(fault) = &mut self {
            fault.path.push(segment);
        }
        self
    }
}

/// What a template is rendered with.
#[derive(Clone, Copy)]
struct Input<'a> {
    context: &'a Context,
    steps: &'a Steps,
}

impl Template {
    /// Fills in the values of a context.
    pub fn render(&self, context: &Context, steps: &Steps) -> Result<Value, RenderError> {
        Ok(self
            .0
            .render(Input { context, steps })?
            .unwrap_or_else(|| Value::Object(Map::new())))
    }

    /// The names of the containers that it may add; `None` where they are computed.
    pub fn container_names(&self) -> Option<Vec<&str>> {
        names::of_containers(&self.0)
    }
}

impl Node {
    /// `None` when the node is to be left out of its parent.
    fn render(&self, input: Input<'_>) -> Result<Option<Value>, RenderError> {
        input.steps.take(1)?;
        match self {
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Expression(expression) => {
                let value = expression.value(input.context).map_err(RenderError::new)?;
                Ok(Some(value).filter(|value| !value.is_null()))
            }
            Self::Text(expression) => {
                let text = expression.render(input.context).map_err(RenderError::new)?;
                Ok(Some(Value::String(text)))
            }
            Self::Mapping(mapping) => mapping.render(input),
            Self::List(items) => {
                let items = render_list(items, input)?;
                Ok((!items.is_empty()).then_some(Value::Array(items)))
            }
        }
    }
}

impl Mapping {
    fn render(&self, input: Input<'_>) -> Result<Option<Value>, RenderError> {
        if !self.applies(input)? {
            return Ok(None);
        }
        let mut map = Map::new();
        for (key, node) in &self.fields {
            let value = node
                .render(input)
                .map_err(|error| error.under(format!(".{key}")))?;
            if let Some(value) = value {
                map.insert(key.clone(), value);
            }
        }
        if let Some(splice) = &self.splice {
            match spliced(splice, input)? {
                Value::Object(more) => map.extend(more),
                Value::Null => {}
                _ => {
                    return Err(
                        RenderError::new("the value is not a mapping").under(".$splice".to_owned())
                    );
                }
            }
        }
        Ok((!map.is_empty()).then_some(Value::Object(map)))
    }

    fn applies(&self, input: Input<'_>) -> Result<bool, RenderError> {
        let Some(when) = &self.when else {
            return Ok(true);
        };
        when.is_true(input.context)
            .map_err(|message| RenderError::new(message).under(".$if".to_owned()))
    }
}

fn spliced(splice: &Expression, input: Input<'_>) -> Result<Value, RenderError> {
    splice
        .value(input.context)
        .map_err(|message| RenderError::new(message).under(".$splice".to_owned()))
}

fn render_list(items: &[Node], input: Input<'_>) -> Result<Vec<Value>, RenderError> {
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = |error: RenderError| error.under(format!("[{index}]"));
        match item {
            Node::Mapping(mapping) if mapping.fields.is_empty() && mapping.splice.is_some() => {
                list.extend(render_splice(mapping, input).map_err(at)?);
            }
            item => list.extend(item.render(input).map_err(at)?),
        }
    }
    Ok(list)
}

fn render_splice(mapping: &Mapping, input: Input<'_>) -> Result<Vec<Value>, RenderError> {
    let Some(splice) = &mapping.splice else {
        return Ok(Vec::new());
    };
    if !mapping.applies(input)? {
        return Ok(Vec::new());
    }
    match spliced(splice, input)? {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        _ => Err(RenderError::new("the value is not a list").under(".$splice".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use minijinja::value::Serde;
    use serde_json::json;

    use super::*;

    fn render(template: &str, context: &Value) -> Result<Value, String> {
        let template =
            compile(&crate::yaml::parse(template).unwrap()).map_err(|faults| faults.join("; "))?;
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
        let template =
            "list:\n- $if: wanted\n  name: a\n- name: b\nfield:\n  $if: not wanted\n  x: 1";
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
        let template = "args: [a, {$splice: more}, {$if: 'false', $splice: more}]\nmap: {x: 1, $splice: extra}";
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
}
