//! Tests of a text.

use super::Pattern;

/// What a text has to be.
#[derive(Debug, Clone)]
pub(crate) struct TextMatch {
    test: Test,
    ignores_case: bool,
}

#[derive(Debug, Clone)]
enum Test {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<[u8]>),
    Regex(Pattern),
}

impl TextMatch {
    /// It is that text.
    pub fn exact(text: &str) -> Self {
        Self::new(Test::Exact(text.as_bytes().into()))
    }

    /// It begins so.
    pub fn prefix(text: &str) -> Self {
        Self::new(Test::Prefix(text.as_bytes().into()))
    }

    /// It ends so.
    pub fn suffix(text: &str) -> Self {
        Self::new(Test::Suffix(text.as_bytes().into()))
    }

    /// That is in it.
    pub fn contains(text: &str) -> Self {
        Self::new(Test::Contains(text.as_bytes().into()))
    }

    /// The expression matches all of it.
    pub fn regex(pattern: Pattern) -> Self {
        Self::new(Test::Regex(pattern))
    }

    /// The same, whatever the case of ASCII letters is. An expression says so by itself
    /// (`(?i)`).
    pub fn ignoring_case(mut self) -> Self {
        self.ignores_case = true;
        self
    }

    /// Whether the text is so.
    pub fn matches(&self, text: &[u8]) -> bool {
        let same = |a: &[u8], b: &[u8]| match self.ignores_case {
            true => a.eq_ignore_ascii_case(b),
            false => a == b,
        };
        match &self.test {
            Test::Exact(exact) => same(text, exact),
            Test::Prefix(prefix) => text
                .get(..prefix.len())
                .is_some_and(|start| same(start, prefix)),
            Test::Suffix(suffix) => text
                .len()
                .checked_sub(suffix.len())
                .is_some_and(|at| same(&text[at..], suffix)),
            Test::Contains(part) if part.is_empty() => true,
            Test::Contains(part) => text.windows(part.len()).any(|window| same(window, part)),
            Test::Regex(pattern) => pattern.matches(text),
        }
    }

    fn new(test: Test) -> Self {
        Self {
            test,
            ignores_case: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_each_part_of_a_text() {
        assert!(TextMatch::exact("a").matches(b"a") && !TextMatch::exact("a").matches(b"A"));
        assert!(TextMatch::prefix("ab").matches(b"abc") && !TextMatch::prefix("ab").matches(b"a"));
        assert!(TextMatch::suffix("bc").matches(b"abc") && !TextMatch::suffix("bc").matches(b"c"));
        assert!(TextMatch::contains("b").matches(b"abc"));
        assert!(TextMatch::contains("").matches(b"") && !TextMatch::contains("ab").matches(b"a"));
        let digits = TextMatch::regex(Pattern::whole(r"\d+").unwrap());
        assert!(digits.matches(b"12") && !digits.matches(b"12a"));
    }

    #[test]
    fn ignores_case_where_told() {
        let end_user = TextMatch::exact("Jason").ignoring_case();
        assert!(end_user.matches(b"JASON") && !end_user.matches(b"jaso"));
        assert!(TextMatch::contains("AB").ignoring_case().matches(b"xaby"));
    }
}
