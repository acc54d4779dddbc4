//! Objects of JSON whose members are there or not.

use proptest::prelude::*;
use serde_json::{Value, json};

pub type Field = BoxedStrategy<Option<(String, Value)>>;

pub fn number(range: std::ops::Range<u32>) -> BoxedStrategy<Value> {
    range.prop_map(Value::from).boxed()
}

pub fn choice(texts: &[&str]) -> BoxedStrategy<Value> {
    choice_of(texts.iter().map(|text| json!(text)).collect())
}

pub fn choice_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    prop::sample::select(values).boxed()
}

pub fn object(fields: Vec<Field>) -> BoxedStrategy<Value> {
    fields
        .prop_map(|fields| fields.into_iter().flatten().collect())
        .boxed()
}

pub fn always(name: &str, value: impl Strategy<Value = Value> + 'static) -> Field {
    let name = name.to_owned();
    value
        .prop_map(move |value| Some((name.clone(), value)))
        .boxed()
}

pub fn maybe(name: &str, value: impl Strategy<Value = Value> + 'static) -> Field {
    let name = name.to_owned();
    prop::option::weighted(0.3, value)
        .prop_map(move |value| value.map(|value| (name.clone(), value)))
        .boxed()
}

pub fn list(name: &str, elements: Vec<BoxedStrategy<Value>>) -> Field {
    if elements.is_empty() {
        return Just(None).boxed();
    }
    always(name, elements.prop_map(Value::Array))
}
