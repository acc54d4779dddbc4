//! Templates: pod fragments in YAML whose scalars hold expressions.
//!
//! A template is parsed into a tree once, when the configuration is loaded, and
//! every expression is compiled then. Rendering fills values into the tree, so
//! no value can become structure, whatever text an annotation holds.
//!
//! - A scalar that is only `{{ expression }}` has the expression's value and type; a
//!   value of `none` leaves the field or list item out.
//! - Text around expressions gives a string.
//! - `$if: expression` in a mapping leaves the mapping out when it is false.
//! - `$splice: expression` in a mapping adds the fields of a computed mapping;
//!   as the only key of a list item, the items of a computed list.
//! - A list or mapping that holds expressions and renders empty is left out.
//!
//! Expressions are Jinja's (`minijinja`); the value of an unknown name is
//! an error, except as a condition, where it is false.

mod compile;
mod container_names;
mod expressions;
mod render;
mod tree;

pub(crate) use self::{compile::compile, render::RenderError, tree::Template};

#[cfg(test)]
mod tests;
