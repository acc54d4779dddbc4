//! Equal values, made for different clients or after a change of other rules, become one:
//! what did not change is the same value as before, which costs nothing to compare.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// What tells most values of a name apart at once. Those that it does not tell apart are compared.
pub(super) trait Digest {
    /// The digest. 0 is for those of which a name has few, or that are compared by the addresses of
    /// their parts.
    fn digest(&self) -> u64 {
        0
    }
}

/// The digest of a value by all that it has.
pub(super) fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Values by name; there may be several of one name.
#[derive(Debug)]
pub(super) struct Interner<T>(BTreeMap<Arc<str>, Vec<Kept<T>>>);

#[derive(Debug)]
struct Kept<T> {
    value: Arc<T>,
    digest: u64,
    /// Whether it was wanted since the rules changed.
    used: bool,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: PartialEq + Digest> Interner<T> {
    /// The value of that name that is equal to `value`: an old one, if there is one.
    pub fn intern(&mut self, name: &Arc<str>, value: T) -> Arc<T> {
        let values = self.0.entry(Arc::clone(name)).or_default();
        let digest = value.digest();
        let mut known = values.iter_mut().filter(|old| old.digest == digest);
        if let Some(old) = known.find(|old| *old.value == value) {
            old.used = true;
            return Arc::clone(&old.value);
        }
        let value = Arc::new(value);
        values.push(Kept {
            value: Arc::clone(&value),
            digest,
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

    impl Digest for i32 {
        fn digest(&self) -> u64 {
            hashed(&(self % 2))
        }
    }

    #[test]
    fn values_of_the_same_digest_are_compared() {
        let mut interner = Interner::default();
        let name = Arc::from("a");
        let values = [1, 3, 2].map(|value| interner.intern(&name, value));
        assert_eq!(values.each_ref().map(|value| **value), [1, 3, 2]);
        assert!(Arc::ptr_eq(&values[1], &interner.intern(&name, 3)));
    }

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
