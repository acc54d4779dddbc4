//! Regular expressions of the configuration.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take. One that needs more is refused.
const SIZE: usize = 256 * 1024;
/// Bytes of the text of an expression.
const TEXT: usize = 4096;

/// An expression, in the syntax that RE2 and Rust's `regex` share. Matching takes time linear
/// in the length of the text.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(Regex);

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPattern {
    /// Longer than anybody writes.
    #[error("the regular expression has more than {TEXT} bytes")]
    Long,
    /// It has no meaning, or is too large once compiled.
    #[error("not a usable regular expression: {0}")]
    Syntax(String),
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
        self.0.is_match(text)
    }

    /// The compiled expression.
    pub(super) fn regex(&self) -> &Regex {
        &self.0
    }
}

fn compile(text: &str) -> Result<Pattern, BadPattern> {
    let built = RegexBuilder::new(text).size_limit(SIZE).build();
    built
        .map(Pattern)
        .map_err(|error| BadPattern::Syntax(error.to_string()))
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
    fn refuses_large_expressions() {
        assert_eq!(
            Pattern::whole(&"a".repeat(5000)).unwrap_err(),
            BadPattern::Long
        );
        assert!(Pattern::whole(r"(\pL{100}){100}").is_err());
    }
}
