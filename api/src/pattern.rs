//! Regular expressions of rules.

use regex::bytes::{Regex, RegexBuilder};

use crate::re2;

/// The longest expression, in bytes: Istio's limit.
const LONGEST: usize = 1024;
/// The most memory of a compiled expression, in bytes: the proxy takes no more.
const LARGEST: usize = 256 << 10;
/// The bytes that every compiled expression is taken to have at least. [`LARGEST`] is a multiple of
/// it by a power of two.
const SMALLEST: usize = 4 << 10;

/// A regular expression that has to match a whole text, compiled as the proxy does it.
///
/// Matching takes linear time, as with RE2. One difference remains: `\d`, `\w` and `\s` mean
/// Unicode's classes, and not ASCII's.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    size: usize,
}

/// Why an expression can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is the empty text, which would match nothing but the empty text.
    #[error("the expression is empty")]
    Empty,
    /// It has more than 1,024 bytes.
    #[error("the expression has more than 1024 bytes")]
    TooLong,
    /// It would take too much memory.
    #[error("the expression takes too much memory: lower its repetition counts")]
    TooLarge,
    /// It is `*`, which many write and mean `.*`.
    #[error(
        "`*` has nothing to repeat: write `.*`, or leave the condition empty ({{}}) if it only has to be there"
    )]
    Star,
    /// It is in the syntax of Rust's `regex`, and means another thing, or nothing, in RE2's.
    #[error("{0}")]
    Different(&'static str),
    /// It is not in the syntax.
    #[error("the expression is not in RE2's syntax: {0}")]
    Syntax(String),
}

impl Pattern {
    /// Compiles an expression in RE2's syntax.
    ///
    /// # Errors
    ///
    /// If it is not in the syntax, or too large.
    pub fn new(expression: &str) -> Result<Self, PatternError> {
        match expression {
            "" => return Err(PatternError::Empty),
            "*" => return Err(PatternError::Star),
            _ if expression.len() > LONGEST => return Err(PatternError::TooLong),
            _ => {}
        }
        if let Some(difference) = re2::difference(expression) {
            return Err(PatternError::Different(difference));
        }
        // By itself first: `a)|(b` would be an expression once it is in a group.
        compile(expression, LARGEST)?;
        let whole = format!(r"\A(?:{expression})\z");
        let mut size = SMALLEST;
        loop {
            match compile(&whole, size) {
                Err(PatternError::TooLarge) if size < LARGEST => size *= 2,
                compiled => return compiled.map(|regex| Self { regex, size }),
            }
        }
    }

    /// The number of its groups.
    pub fn groups(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// About the bytes that it takes, rounded up to a power of two.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether the expression matches the whole of `text`.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }
}

/// Compiles an expression as it is, unless it takes more than so many bytes.
fn compile(expression: &str, largest: usize) -> Result<Regex, PatternError> {
    RegexBuilder::new(expression)
        .size_limit(largest)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
            // The last line says what is wrong; those before it show where, in several lines.
            error => PatternError::Syntax(
                error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned(),
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_whole_text() {
        let pattern = Pattern::new("a|ab+").unwrap();
        assert!(pattern.matches(b"a"));
        assert!(pattern.matches(b"abb"));
        assert!(!pattern.matches(b"abc"));
        assert!(!pattern.matches(b"xa"));
        assert!(!pattern.matches(b"a\n"));
    }

    #[test]
    fn says_how_much_it_takes() {
        let size = |expression| Pattern::new(expression).unwrap().size();
        assert_eq!(size("a"), SMALLEST);
        assert!(size(r"\w{4}") > size(r"\w"));
        assert!(size(r"\w{4}") <= LARGEST);
    }

    #[test]
    fn refuses_what_cannot_be_compiled() {
        assert_eq!(Pattern::new("").unwrap_err(), PatternError::Empty);
        assert_eq!(Pattern::new("*").unwrap_err(), PatternError::Star);
        assert!(matches!(
            Pattern::new("[a&&b]").unwrap_err(),
            PatternError::Different(_)
        ));
        assert_eq!(
            Pattern::new(&"a".repeat(1025)).unwrap_err(),
            PatternError::TooLong
        );
        assert_eq!(
            Pattern::new("((a{100}){100}){100}").unwrap_err(),
            PatternError::TooLarge
        );
        for expression in ["(", "a)|(b", "[", "a**b(", r"\1", "(?=a)"] {
            let error = Pattern::new(expression).unwrap_err();
            assert!(
                matches!(&error, PatternError::Syntax(message) if !message.is_empty()),
                "{expression}: {error}"
            );
        }
    }
}
