//! `sidecarInjectorWebhook.guards`: what is refused and not only warned of.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Guard;

/// The guards that refuse.
#[derive(Debug)]
pub(crate) struct Guards(Vec<Guard>);

impl Guards {
    /// Reads the values by their names. One that is misspelt is a fault: it would
    /// guard nothing.
    pub(super) fn new(values: &BTreeMap<String, Value>, faults: &mut Vec<String>) -> Self {
        for (name, value) in values {
            let key = format!("sidecarInjectorWebhook.guards.{name}");
            if !Guard::ALL.iter().any(|guard| guard.as_str() == name) {
                let names = Guard::ALL.map(Guard::as_str).join(", ");
                faults.push(format!("{key}: there is no such guard; there are {names}"));
            } else if !value.is_boolean() {
                faults.push(format!("{key}: {value} is neither true nor false"));
            }
        }
        let refuses = |guard: &Guard| match values.get(guard.as_str()) {
            Some(Value::Bool(refuses)) => *refuses,
            _ => guard.refuses_by_default(),
        };
        Self(Guard::ALL.into_iter().filter(refuses).collect())
    }

    /// Whether a guard refuses the pods that it finds something on.
    pub fn refuses(&self, guard: Guard) -> bool {
        self.0.contains(&guard)
    }
}
