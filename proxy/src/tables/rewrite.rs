//! How routes change the path and the host of a request.

use regex_automata::util::captures::Captures;

use super::{Pattern, route_match::split_query};

/// What the path becomes. The query stays.
#[derive(Debug, Clone)]
pub(crate) enum PathRewrite {
    /// This in the place of what the route has matched: a prefix, or all of it. It has
    /// neither spaces nor control characters in it.
    Matched(Box<[u8]>),
    /// Each match of an expression is replaced.
    Regex {
        pattern: Pattern,
        substitution: Substitution,
    },
}

/// What stands for a match: texts, and what groups of the expression have matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Substitution(Box<[Part]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Group(usize),
}

/// Why a text is not a substitution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSubstitution {
    /// RE2 knows `\0` to `\9` and `\\`.
    #[error("behind a backslash there has to be a digit or another backslash")]
    Escape,
    /// The expression has not so many groups.
    #[error("the substitution names group {0}, which the regular expression does not have")]
    Group(usize),
    /// It would be sent as it is.
    #[error("there is a space or a control character in it, which a path can't have")]
    Character,
}

impl Substitution {
    /// Reads RE2's syntax: `\1` is the first group, `\0` the whole match.
    ///
    /// # Errors
    ///
    /// When an escape has no meaning, or the expression has no such group.
    pub fn new(text: &str, pattern: &Pattern) -> Result<Self, BadSubstitution> {
        let mut parts = Vec::new();
        let mut current = Vec::new();
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte != b'\\' {
                if byte <= b' ' || byte == 127 {
                    return Err(BadSubstitution::Character);
                }
                current.push(byte);
                continue;
            }
            match bytes.next() {
                Some(b'\\') => current.push(b'\\'),
                Some(digit @ b'0'..=b'9') => {
                    let group = usize::from(digit - b'0');
                    if group >= pattern.regex().captures_len() {
                        return Err(BadSubstitution::Group(group));
                    }
                    parts.push(Part::Text(std::mem::take(&mut current)));
                    parts.push(Part::Group(group));
                }
                _ => return Err(BadSubstitution::Escape),
            }
        }
        parts.push(Part::Text(current));
        parts.retain(|part| *part != Part::Text(Vec::new()));
        Ok(Self(parts.into()))
    }

    fn append(&self, path: &[u8], captures: &Captures, out: &mut Vec<u8>) {
        let group = |group| {
            captures
                .get_group(group)
                .and_then(|at| path.get(at.range()))
        };
        for part in &self.0 {
            out.extend_from_slice(match part {
                Part::Text(text) => text,
                Part::Group(index) => group(*index).unwrap_or_default(),
            });
        }
    }

    /// The path, with this in the place of each match.
    fn replace_all(&self, pattern: &Pattern, path: &[u8]) -> Vec<u8> {
        let (mut new, mut end) = (Vec::new(), 0);
        for captures in pattern.regex().captures_iter(path) {
            let Some(found) = captures.get_match() else {
                continue;
            };
            new.extend_from_slice(path.get(end..found.start()).unwrap_or_default());
            self.append(path, &captures, &mut new);
            end = found.end();
        }
        new.extend_from_slice(path.get(end..).unwrap_or_default());
        new
    }
}

impl PathRewrite {
    /// The new path and query, where the route has matched so many bytes of the path.
    pub fn apply(&self, target: &[u8], matched: usize) -> Vec<u8> {
        let path = split_query(target).0;
        let rest = &target[path.len()..];
        let mut new = match self {
            Self::Matched(text) => {
                let behind = path.get(matched..).unwrap_or_default();
                [text, behind].concat()
            }
            Self::Regex {
                pattern,
                substitution,
            } => substitution.replace_all(pattern, path),
        };
        new.extend_from_slice(rest);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(rewrite: &PathRewrite, target: &str, matched: usize) -> String {
        String::from_utf8(rewrite.apply(target.as_bytes(), matched)).unwrap()
    }

    fn regex(pattern: &str, substitution: &str) -> PathRewrite {
        let pattern = Pattern::anywhere(pattern).unwrap();
        PathRewrite::Regex {
            substitution: Substitution::new(substitution, &pattern).unwrap(),
            pattern,
        }
    }

    #[test]
    fn replaces_what_was_matched() {
        let rewrite = PathRewrite::Matched(b"/new"[..].into());
        assert_eq!(rewritten(&rewrite, "/old/a?b=/old", 4), "/new/a?b=/old");
        assert_eq!(rewritten(&rewrite, "/old?x", 4), "/new?x");
        assert_eq!(rewritten(&rewrite, "/", 1), "/new");
        let root = PathRewrite::Matched(b"/"[..].into());
        assert_eq!(rewritten(&root, "/old/a", 5), "/a");
    }

    #[test]
    fn replaces_each_match_of_an_expression() {
        let rewrite = regex("^/service/([^/]+)(/.*)$", r"\2/instance/\1");
        assert_eq!(
            rewritten(&rewrite, "/service/foo/v1/api?x=1", 0),
            "/v1/api/instance/foo?x=1"
        );
        assert_eq!(
            rewritten(&regex("one", "two"), "/xxx/one/yyy/one", 0),
            "/xxx/two/yyy/two"
        );
        assert_eq!(rewritten(&regex("(?i)/X", r"\\"), "/x", 0), "\\");
    }

    #[test]
    fn refuses_what_stands_for_nothing() {
        let pattern = Pattern::anywhere("(a)").unwrap();
        let bad = |text| Substitution::new(text, &pattern).unwrap_err();
        assert_eq!(bad(r"\2"), BadSubstitution::Group(2));
        assert_eq!(
            (bad(r"\"), bad(r"\x")),
            (BadSubstitution::Escape, BadSubstitution::Escape)
        );
        assert_eq!(bad("a b"), BadSubstitution::Character);
    }
}
