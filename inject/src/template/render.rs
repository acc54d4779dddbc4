//! Fills the values of a context into a template.

use minijinja::Value as Context;
use serde_json::{Map, Value};

use super::{
    expressions::Expression,
    tree::{Mapping, Node, Template},
};
use crate::{
    fault::Fault,
    steps::{OutOfSteps, Steps},
};

/// Why a template does not render.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RenderError {
    /// An expression has no value here, or one of the wrong type.
    Fault(Fault),
    /// It takes too many steps.
    OutOfSteps(OutOfSteps),
}

impl From<OutOfSteps> for RenderError {
    fn from(error: OutOfSteps) -> Self {
        Self::OutOfSteps(error)
    }
}

impl RenderError {
    fn new(message: impl Into<String>) -> Self {
        Self::Fault(Fault::new(message))
    }

    /// The error, seen from the parent: `segment` is `.FIELD` or `[INDEX]`.
    fn under(mut self, segment: &str) -> Self {
        if let Self::Fault(fault) = &mut self {
            fault.path.insert_str(0, segment);
        }
        self
    }

    /// The error, seen from the template, where a path begins with a field's name.
    fn at_root(mut self) -> Self {
        if let Self::Fault(fault) = &mut self
            && fault.path.starts_with('.')
        {
            fault.path.remove(0);
        }
        self
    }
}

/// The input of a rendering.
#[derive(Clone, Copy)]
struct Input<'a> {
    context: &'a Context,
    steps: &'a Steps,
}

impl Template {
    /// The template with the values of a context.
    pub fn render(&self, context: &Context, steps: &Steps) -> Result<Value, RenderError> {
        let rendered = self.0.render(Input { context, steps });
        Ok(rendered
            .map_err(RenderError::at_root)?
            .unwrap_or_else(|| Value::Object(Map::new())))
    }
}

impl Node {
    /// Renders a node; `None` leaves it out of its parent.
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
                .map_err(|error| error.under(&format!(".{key}")))?;
            if let Some(value) = value {
                map.insert(key.clone(), value);
            }
        }
        if let Some(splice) = &self.splice {
            match spliced(splice, input)? {
                Value::Object(more) => map.extend(more),
                Value::Null => {}
                _ => {
                    return Err(RenderError::new("the value is not a mapping").under(".$splice"));
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
            .map_err(|message| RenderError::new(message).under(".$if"))
    }
}

fn spliced(splice: &Expression, input: Input<'_>) -> Result<Value, RenderError> {
    splice
        .value(input.context)
        .map_err(|message| RenderError::new(message).under(".$splice"))
}

fn render_list(items: &[Node], input: Input<'_>) -> Result<Vec<Value>, RenderError> {
    let mut list = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = |error: RenderError| error.under(&format!("[{index}]"));
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
        _ => Err(RenderError::new("the value is not a list").under(".$splice")),
    }
}
