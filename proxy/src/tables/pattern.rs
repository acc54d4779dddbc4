//! Regular expressions of the configuration.

use std::sync::Arc;

use regex_automata::{
    meta::{BuildError, Regex},
    util::syntax,
};

/// Bytes that a compiled program may take. There is one that reads forwards and one that reads
/// backwards; an expression that needs more is refused.
const SIZE: usize = 256 * 1024;
/// Bytes that the smallest one is taken to need.
pub(super) const LEAST: usize = 1024;
/// Bytes that each thread which matches an expression may keep for either direction, so that it
/// is fast. They are not charged: what a thread needs at most is bounded by the budget as well.
const CACHE: usize = 64 * 1024;
/// Bytes of the text of an expression.
pub(super) const TEXT: usize = 4096;
/// Characters of what is told of a mistake.
const MAX_TOLD: usize = 500;

/// An expression, in the syntax that RE2 and Rust's `regex` share. Matching takes time linear
/// in the length of the text. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Arc<Program>);

#[derive(Debug)]
pub(super) struct Program {
    regex: Regex,
    /// Bytes that it takes, apart from the threads' caches.
    bytes: usize,
}

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPattern {
    /// Longer than anybody writes.
    #[error("the regular expression has more than {TEXT} bytes")]
    Long,
    /// It has no meaning, or is too large once compiled.
    #[error("not a usable regular expression: {0}")]
    Syntax(String),
    /// All expressions of the proxy would take too much memory.
    #[error("the regular expressions of this proxy would take more than {0} bytes")]
    Budget(usize),
}

impl Pattern {
    /// An expression that has to match a whole text, as Envoy's do.
    ///
    /// # Errors
    ///
    /// When the text is not an expression, or the expression is too large.
    pub fn whole(text: &str) -> Result<Self, BadPattern> {
        // By itself first: `a)|(b` would change its meaning between the brackets.
        Self::anywhere(text)?;
        compile(&format!(r"\A(?:{text})\z"))
    }

    /// An expression that may match a part of a text.
    ///
    /// # Errors
    ///
    /// As for [`Pattern::whole`].
    pub fn anywhere(text: &str) -> Result<Self, BadPattern> {
        if text.len() > TEXT {
            return Err(BadPattern::Long);
        }
        compile(text)
    }

    /// Whether it matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.regex.is_match(text)
    }

    /// Bytes that it takes, apart from what threads keep for matching it fast.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// The compiled expression.
    pub(super) fn regex(&self) -> &Regex {
        &self.0.regex
    }

    /// The shared program, for the cache of patterns.
    pub(super) fn program(&self) -> &Arc<Program> {
        &self.0
    }

    /// The pattern of a program that is in use.
    pub(super) fn of(program: Arc<Program>) -> Self {
        Self(program)
    }
}

fn compile(text: &str) -> Result<Pattern, BadPattern> {
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(SIZE))
        .hybrid_cache_capacity(CACHE)
        // Its table would take up to a megabyte more.
        .onepass(false);
    let mut builder = Regex::builder();
    builder
        .configure(config)
        .syntax(syntax::Config::new().utf8(false));
    let regex = builder.build(text).map_err(|error| bad(&error))?;
    let bytes = regex.memory_usage() + text.len();
    Ok(Pattern(Arc::new(Program { regex, bytes })))
}

fn bad(error: &BuildError) -> BadPattern {
    if error.size_limit().is_some() {
        return BadPattern::Syntax(format!("it takes more than {SIZE} bytes once compiled"));
    }
    let text = match error.syntax_error() {
        Some(error) => error.to_string(),
        None => error.to_string(),
    };
    BadPattern::Syntax(text.chars().take(MAX_TOLD).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_whole_text() {
        let pattern = Pattern::whole("/v[12]|/beta").unwrap();
        assert!(pattern.matches(b"/v1") && pattern.matches(b"/beta"));
        assert!(!pattern.matches(b"/v1/x") && !pattern.matches(b"/a/beta"));
        assert!(!Pattern::whole("a").unwrap().matches(b"a\n"));
    }

    #[test]
    fn refuses_what_is_not_an_expression_by_itself() {
        for text in ["a)|(b", "(", r"(?P<x>a", r"(a)\1", "(?x)a #"] {
            assert!(
                matches!(Pattern::whole(text), Err(BadPattern::Syntax(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn costs_what_it_needs() {
        let bytes = |text| Pattern::whole(text).unwrap().bytes();
        assert!(LEAST <= bytes("a") && bytes("a") < bytes("/v[12]{9}"));
        assert!(bytes("/v[12]") < bytes(r"\pL"));
        // A table for groups would take many times as much.
        assert!(bytes(r"(\pL)") < 2 * bytes(r"\pL"));
    }

    #[test]
    fn refuses_large_expressions() {
        assert_eq!(
            Pattern::whole(&"a".repeat(5000)).unwrap_err(),
            BadPattern::Long
        );
        assert!(Pattern::whole(r"(\pL{100}){100}").is_err());
    }
}
