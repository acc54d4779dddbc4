//! Compiled expressions, and text with expressions in it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value as Context};
use serde_json::Value;

/// The steps that an expression may take, so that a mistaken loop ends in an error and
/// not in a stuck webhook.
const FUEL: u64 = 100_000;

/// The language of the expressions. Its templates are not used.
static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment
});

/// One compiled expression.
pub(super) struct Expression {
    compiled: minijinja::Expression<'static, 'static>,
    /// Its text, for messages.
    source: String,
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

impl Expression {
    /// Compiles an expression, given without its braces.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        let source = source.trim();
        let compiled = LANGUAGE
            .compile_expression_owned(source.to_owned())
            .map_err(|error| explain_syntax(source, &error))?;
        Ok(Self {
            compiled,
            source: source.to_owned(),
        })
    }

    /// The expression's value; undefined is an error, `none` is null.
    ///
    /// # Errors
    ///
    /// Why it has no value.
    pub(super) fn value(&self, context: &Context) -> Result<Value, String> {
        serde_json::to_value(self.evaluate(context)?)
            .map_err(|error| format!("the value has no form in JSON: {error}"))
    }

    /// Whether the value is true in Jinja's sense.
    ///
    /// # Errors
    ///
    /// Why it has no value.
    pub(super) fn is_true(&self, context: &Context) -> Result<bool, String> {
        Ok(self.evaluate(context)?.is_true())
    }

    fn evaluate(&self, context: &Context) -> Result<Context, String> {
        let value = self
            .compiled
            .eval(context.clone())
            .map_err(|error| explain(&self.source, &error))?;
        if value.is_undefined() {
            let error = minijinja::Error::from(ErrorKind::UndefinedError);
            return Err(explain(&self.source, &error));
        }
        Ok(value)
    }
}

/// Text with expressions in it.
#[derive(Debug)]
pub(super) struct Text(Vec<Part>);

#[derive(Debug)]
enum Part {
    Literal(String),
    Expression(Expression),
}

impl Text {
    /// Compiles the expressions of a text.
    ///
    /// # Errors
    ///
    /// What is wrong with the first one that does not compile.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (expression, after) = split_at_end(after)
                .ok_or_else(|| format!("{text:?} has no }}}} that ends its expression"))?;
            if expression.starts_with('-') || expression.ends_with('-') {
                return Err(format!(
                    "{text:?}: {{{{- and -}}}} are not part of the template language"
                ));
            }
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            parts.push(Part::Expression(Expression::new(expression)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The expression, if everything else in the text is white space.
    pub(super) fn into_single(mut self) -> Result<Expression, Self> {
        let is_text = |part: &Part| match part {
            Part::Literal(literal) => !literal.trim().is_empty(),
            Part::Expression(_) => false,
        };
        let is_expression = |part: &Part| matches!(part, Part::Expression(_));
        if self.0.iter().any(is_text)
            || self.0.iter().filter(|part| is_expression(part)).count() != 1
        {
            return Err(self);
        }
        self.0.retain(is_expression);
        match self.0.pop() {
            Some(Part::Expression(expression)) => Ok(expression),
            _ => Err(self),
        }
    }

    /// The text with the values filled in.
    ///
    /// # Errors
    ///
    /// Why an expression has no value.
    pub(super) fn render(&self, context: &Context) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => {
                    let value = expression.evaluate(context)?;
                    match value.as_str() {
                        None if value.is_none() => {
                            let source = &expression.source;
                            return Err(format!(
                                "{source:?} is none, which is not text; give it a default: {source} or ''"
                            ));
                        }
                        Some(value) => text.push_str(value),
                        None => write!(text, "{value}").map_err(|error| error.to_string())?,
                    }
                }
            }
        }
        Ok(text)
    }
}

/// Splits the text after a `{{` at the `}}` that ends the expression. Braces in quotes
/// don't end it, nor do those of a mapping (`{{ {'a': {'b': 1}} }}`).
fn split_at_end(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => {
                letters.next();
            }
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') if text[at..].starts_with("}}") => {
                return Some((&text[..at], &text[at + 2..]));
            }
            (None, _) => {}
        }
    }
    None
}

fn explain_syntax(source: &str, error: &minijinja::Error) -> String {
    let hint = if source.starts_with('.') {
        " (this looks like a Go template, as Istio has them; Pillion's are described in docs/templates.md)"
    } else {
        ""
    };
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{source:?} is not an expression: {detail}{hint}")
}

fn explain(source: &str, error: &minijinja::Error) -> String {
    let hint = if error.kind() == ErrorKind::UndefinedError {
        "; give a name that may be missing a default(…)"
    } else {
        ""
    };
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{source:?}: {}{detail}{hint}", error.kind())
}
