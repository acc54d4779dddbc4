//! The compiled expressions of all templates.

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value as Context};
use serde_json::Value;

/// The steps that all expressions of one rendering scalar may take, so that a
/// mistaken loop in a template ends in an error and not in a stuck webhook.
const FUEL: u64 = 100_000;

/// One compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    /// Its key in [`Expressions`].
    key: String,
    /// As it was written, for messages.
    source: String,
}

/// Holds what the expressions of templates compile to.
#[derive(Debug)]
pub(in crate::inject) struct Expressions {
    environment: Environment<'static>,
    count: usize,
}

impl Expressions {
    /// None yet.
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        // A value is rendered as JSON and read back, which keeps its type.
        environment.set_auto_escape_callback(|name| {
            if name.starts_with("value") {
                AutoEscape::Json
            } else {
                AutoEscape::None
            }
        });
        Self {
            environment,
            count: 0,
        }
    }

    /// Compiles an expression, given without its braces.
    pub(super) fn add_value(&mut self, expression: &str) -> Result<Expression, String> {
        self.add("value", expression, format!("{{{{ {expression} }}}}"))
    }

    /// Compiles text with expressions in it.
    pub(super) fn add_text(&mut self, text: &str) -> Result<Expression, String> {
        self.add("text", text, text.to_owned())
    }

    fn add(&mut self, kind: &str, source: &str, template: String) -> Result<Expression, String> {
        let key = format!("{kind}{}", self.count);
        self.count += 1;
        self.environment
            .add_template_owned(key.clone(), template)
            .map_err(|error| explain_syntax(source, &error))?;
        Ok(Expression {
            key,
            source: source.trim().to_owned(),
        })
    }

    /// The value of an expression; undefined is an error, `none` is null.
    pub(super) fn value(
        &self,
        expression: &Expression,
        context: &Context,
    ) -> Result<Value, String> {
        let json = self.text(expression, context)?;
        serde_json::from_str(&json)
            .map_err(|error| format!("the value has no form in JSON: {error}"))
    }

    /// The text of an expression.
    pub(super) fn text(
        &self,
        expression: &Expression,
        context: &Context,
    ) -> Result<String, String> {
        self.environment
            .get_template(&expression.key)
            .and_then(|template| template.render(context.clone()))
            .map_err(|error| explain(&expression.source, &error))
    }
}

fn explain_syntax(source: &str, error: &minijinja::Error) -> String {
    let hint = if source.contains("{{ .")
        || source.contains("{{.")
        || source.trim_start().starts_with('.')
    {
        " (this looks like a Go template, as Istio has them; Pillion's are described in docs/templates.md)"
    } else {
        ""
    };
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{:?} is no expression: {detail}{hint}", source.trim())
}

fn explain(source: &str, error: &minijinja::Error) -> String {
    let hint = if error.kind() == ErrorKind::UndefinedError {
        "; a name that may be missing wants a default(…)"
    } else {
        ""
    };
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{source:?}: {}{detail}{hint}", error.kind())
}
