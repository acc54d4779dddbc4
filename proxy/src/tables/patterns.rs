//! The regular expressions of one proxy, each once.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, Weak},
};

use super::pattern::{BadPattern, LEAST, Pattern, Program, TEXT};

/// What has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    Anywhere,
}

/// Expressions that are in use, by their texts: many hosts have the same ones. All together
/// have a budget, because a short text may need much memory.
#[derive(Debug)]
pub(crate) struct Patterns {
    known: RefCell<HashMap<Key, Weak<Program>>>,
    /// Texts that are no expressions, or too large: finding out takes longest for them.
    bad: RefCell<HashMap<Key, BadPattern>>,
    budget: usize,
}

type Key = (Part, Box<str>);

/// Texts that are remembered to be bad.
const MAX_BAD: usize = 256;

impl Default for Patterns {
    fn default() -> Self {
        Self::new(Self::BUDGET)
    }
}

impl Patterns {
    /// Bytes that all expressions of a proxy may take.
    pub const BUDGET: usize = 32 * 1024 * 1024;

    /// Without expressions, with a budget in bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            known: RefCell::default(),
            bad: RefCell::default(),
            budget,
        }
    }

    /// An expression that has to match a whole text, as Envoy's do.
    ///
    /// # Errors
    ///
    /// When the text is not an expression, or there is no room for it.
    pub fn whole(&self, text: &str) -> Result<Pattern, BadPattern> {
        self.get(Part::Whole, text, Pattern::whole)
    }

    /// An expression that may match a part of a text.
    ///
    /// # Errors
    ///
    /// As for [`Patterns::whole`].
    pub fn anywhere(&self, text: &str) -> Result<Pattern, BadPattern> {
        self.get(Part::Anywhere, text, Pattern::anywhere)
    }

    fn get(
        &self,
        part: Part,
        text: &str,
        compile: fn(&str) -> Result<Pattern, BadPattern>,
    ) -> Result<Pattern, BadPattern> {
        if text.len() > TEXT {
            return Err(BadPattern::Long);
        }
        let mut known = self.known.borrow_mut();
        let key: Key = (part, Box::from(text));
        if let Some(program) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(Pattern::of(program));
        }
        let mut bad = self.bad.borrow_mut();
        if let Some(reason) = bad.get(&key) {
            return Err(reason.clone());
        }
        // Those that nobody uses any more go first.
        known.retain(|_, program| program.strong_count() > 0);
        let programs = known.values().filter_map(Weak::upgrade);
        let used: usize = programs.map(|program| Pattern::of(program).bytes()).sum();
        let full = BadPattern::Budget(self.budget);
        if used + LEAST > self.budget {
            return Err(full);
        }
        let pattern = compile(text).inspect_err(|reason| {
            if bad.len() >= MAX_BAD {
                bad.clear();
            }
            bad.insert(key.clone(), reason.clone());
        })?;
        if used + pattern.bytes() > self.budget {
            return Err(full);
        }
        known.insert(key, Arc::downgrade(pattern.program()));
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_compiled_once() {
        let patterns = Patterns::default();
        let first = patterns.whole("/v[12]").unwrap();
        let second = patterns.whole("/v[12]").unwrap();
        assert!(Arc::ptr_eq(first.program(), second.program()));
        // It means something else.
        let part = patterns.anywhere("/v[12]").unwrap();
        assert!(part.matches(b"a/v1/b") && !first.matches(b"a/v1/b"));
    }

    #[test]
    fn what_is_bad_stays_so() {
        let patterns = Patterns::default();
        for _ in 0..2 {
            assert!(matches!(patterns.whole("("), Err(BadPattern::Syntax(_))));
        }
        assert_eq!(patterns.bad.borrow().len(), 1);
    }

    #[test]
    fn all_together_have_a_budget_and_those_that_are_gone_leave_it() {
        let one = Pattern::whole("a0").unwrap().bytes();
        let patterns = Patterns::new(2 * one);
        let first = patterns.whole("a1").unwrap();
        let _second = patterns.whole("a2").unwrap();
        let full = BadPattern::Budget(2 * one);
        assert_eq!(patterns.whole("a3").unwrap_err(), full);
        // Once more costs nothing.
        assert!(patterns.whole("a1").is_ok());
        drop(first);
        assert!(patterns.whole("a3").is_ok());
    }
}
