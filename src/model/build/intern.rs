//! Equal values, made for different clients or after a change of other rules, become one:
//! what did not change is the same value as before, which costs nothing to compare.

use std::{collections::BTreeMap, sync::Arc};

/// Values by name; there may be several of one name.
#[derive(Debug)]
pub(super) struct Interner<T>(BTreeMap<Arc<str>, Vec<Kept<T>>>);

#[derive(Debug)]
struct Kept<T> {
    value: Arc<T>,
    /// Whether it was wanted since the rules changed.
    used: bool,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: PartialEq> Interner<T> {
    /// The value of that name that is equal to `value`: an old one, if there is one.
    pub fn intern(&mut self, name: &Arc<str>, value: T) -> Arc<T> {
        let values = self.0.entry(Arc::clone(name)).or_default();
        if let Some(old) = values.iter_mut().find(|old| *old.value == value) {
            old.used = true;
            return Arc::clone(&old.value);
        }
        let value = Arc::new(value);
        values.push(Kept {
            value: Arc::clone(&value),
            used: true,
        });
        value
    }

    /// Forgets what was not wanted since the last call.
    pub fn rules_changed(&mut self) {
        self.0.retain(|_, values| {
            values.retain(|kept| kept.used);
            for kept in values.iter_mut() {
                kept.used = false;
            }
            !values.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_as_long_as_it_is_wanted() {
        let mut interner = Interner::default();
        let name = Arc::from("a");
        let first = interner.intern(&name, 1);
        assert!(Arc::ptr_eq(&first, &interner.intern(&name, 1)));
        interner.intern(&name, 2);
        interner.rules_changed();
        assert!(Arc::ptr_eq(&first, &interner.intern(&name, 1)));
        interner.rules_changed();
        assert_eq!(interner.0[&name].len(), 1);
        interner.rules_changed();
        assert!(interner.0.is_empty());
    }
}
