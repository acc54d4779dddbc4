//! The tree that a template is compiled to.

use serde_json::Value;

use super::expressions::{Expression, Text};

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template(pub(super) Node);

/// A value of the template.
#[derive(Debug)]
pub(super) enum Node {
    /// A value without expressions.
    Literal(Value),
    /// One expression, whose value is the node's.
    Expression(Expression),
    /// Text with expressions in it.
    Text(Text),
    Mapping(Mapping),
    List(Vec<Node>),
}

/// A mapping with expressions in it.
#[derive(Debug)]
pub(super) struct Mapping {
    /// `$if`.
    pub when: Option<Expression>,
    /// `$splice`.
    pub splice: Option<Expression>,
    pub fields: Vec<(String, Node)>,
}
