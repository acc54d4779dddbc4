//! Compiles the YAML of a template to a tree.

use serde_json::{Map, Value};

use super::{
    expressions::{Expression, Text},
    tree::{Mapping, Node, Template},
};
use crate::fault::Fault;

const IF: &str = "$if";
const SPLICE: &str = "$splice";

/// Compiles a template.
///
/// # Errors
///
/// Every fault, each with its path in the template.
pub(crate) fn compile(source: &Value) -> Result<Template, Vec<Fault>> {
    let mut compiler = Compiler { faults: Vec::new() };
    let node = compiler.node("", source);
    if compiler.faults.is_empty() {
        Ok(Template(node))
    } else {
        Err(compiler.faults)
    }
}

struct Compiler {
    faults: Vec<Fault>,
}

impl Compiler {
    fn node(&mut self, path: &str, source: &Value) -> Node {
        match source {
            Value::String(text) if text.contains("{{") || text.contains("{%") => {
                self.scalar(path, text)
            }
            Value::Array(items) => self.list(path, items),
            Value::Object(map) => self.mapping(path, map),
            literal => Node::Literal(literal.clone()),
        }
    }

    fn scalar(&mut self, path: &str, text: &str) -> Node {
        if text.contains("{%") {
            self.fault(
                path,
                "statements ({% … %}) are not part of the template language; use $if and $splice",
            );
            return Node::Literal(Value::Null);
        }
        match Text::new(text) {
            Ok(compiled) => match compiled.into_single() {
                Ok(expression) => Node::Expression(expression),
                Err(text) => Node::Text(text),
            },
            Err(message) => {
                self.fault(path, &message);
                Node::Literal(Value::Null)
            }
        }
    }

    fn list(&mut self, path: &str, items: &[Value]) -> Node {
        let nodes: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.node(&format!("{path}[{index}]"), item))
            .collect();
        fold_literals(nodes)
    }

    fn mapping(&mut self, path: &str, map: &Map<String, Value>) -> Node {
        let mut mapping = Mapping {
            when: None,
            splice: None,
            fields: Vec::with_capacity(map.len()),
        };
        for (key, value) in map {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            match key.as_str() {
                IF => mapping.when = self.directive(&path, value),
                SPLICE => mapping.splice = self.directive(&path, value),
                other if other.starts_with('$') => {
                    self.fault(
                        &path,
                        "unknown directive; the directives are $if and $splice",
                    );
                }
                other if other.contains("{{") || other.contains("{%") => {
                    self.fault(
                        &path,
                        "an expression can't be in a key; $splice adds computed fields",
                    );
                }
                _ => mapping.fields.push((key.clone(), self.node(&path, value))),
            }
        }
        let literal = mapping.when.is_none()
            && mapping.splice.is_none()
            && mapping
                .fields
                .iter()
                .all(|(_, node)| matches!(node, Node::Literal(_)));
        if literal {
            Node::Literal(Value::Object(map.clone()))
        } else {
            Node::Mapping(mapping)
        }
    }

    fn directive(&mut self, path: &str, value: &Value) -> Option<Expression> {
        let expression = match value {
            Value::String(text) => text.clone(),
            Value::Bool(value) => value.to_string(),
            _ => {
                self.fault(path, "must be an expression, as a string");
                return None;
            }
        };
        match Expression::new(&expression) {
            Ok(expression) => Some(expression),
            Err(message) => {
                self.fault(path, &message);
                None
            }
        }
    }

    fn fault(&mut self, path: &str, message: &str) {
        self.faults.push(Fault::at(path, message));
    }
}

/// Makes a list of literals one literal.
fn fold_literals(nodes: Vec<Node>) -> Node {
    if nodes.iter().all(|node| matches!(node, Node::Literal(_))) {
        Node::Literal(Value::Array(
            nodes
                .into_iter()
                .filter_map(|node| match node {
                    Node::Literal(value) => Some(value),
                    _ => None,
                })
                .collect(),
        ))
    } else {
        Node::List(nodes)
    }
}
