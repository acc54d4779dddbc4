//! Entries by name, and the memory that they take because of what a client asks for.

use std::{collections::BTreeMap, sync::Arc};

/// About the bytes that an entry takes besides its own name, where the name is the client's.
const OWN: usize = 96;

/// Entries by name. What they take is known without counting.
#[derive(Debug)]
pub(super) struct Charged<V> {
    entries: BTreeMap<Arc<str>, Entry<V>>,
    /// About the bytes that an entry takes whose name the snapshot has anyway.
    shared: usize,
    bytes: usize,
    /// Those of them that are of names which are in memory because of the client.
    own: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// Whether the name is in memory because of the client.
    is_own: bool,
}

impl<V> Default for Charged<V> {
    fn default() -> Self {
        Self::new(0)
    }
}

fn charge(name: &str, is_own: bool, shared: usize) -> usize {
    if is_own { OWN + name.len() } else { shared }
}

impl<V> Charged<V> {
    /// No entries, of which each takes this many bytes if its name is the snapshot's.
    pub(super) fn new(shared: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            shared,
            bytes: 0,
            own: 0,
        }
    }

    /// About the bytes that all entries take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// About the bytes that entries take whose names are in memory because of the client.
    pub(super) fn own_bytes(&self) -> usize {
        self.own
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&V> {
        self.entries.get(name).map(|entry| &entry.value)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.entries.get_mut(name).map(|entry| &mut entry.value)
    }

    /// Inserts or replaces an entry. `is_own` says that the name is in memory because of the
    /// client, and not because the snapshot has it.
    pub(super) fn insert(&mut self, name: Arc<str>, is_own: bool, value: V) {
        self.remove(&name);
        self.bytes += charge(&name, is_own, self.shared);
        self.own += charge(&name, is_own, 0);
        self.entries.insert(name, Entry { value, is_own });
    }

    /// Removes an entry, and returns its name.
    pub(super) fn remove(&mut self, name: &str) -> Option<Arc<str>> {
        let (name, entry) = self.entries.remove_entry(name)?;
        self.bytes -= charge(&name, entry.is_own, self.shared);
        self.own -= charge(&name, entry.is_own, 0);
        Some(name)
    }

    /// Keeps the entries for which `keep` is true.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Arc<str>, &mut V) -> bool) {
        let (bytes, own, shared) = (&mut self.bytes, &mut self.own, self.shared);
        self.entries.retain(|name, entry| {
            let is_kept = keep(name, &mut entry.value);
            if !is_kept {
                *bytes -= charge(name, entry.is_own, shared);
                *own -= charge(name, entry.is_own, 0);
            }
            is_kept
        });
    }

    /// The entries, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        let entries = self.entries.iter();
        entries.map(|(name, entry)| (name, &entry.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_takes_nothing() {
        let mut charged = Charged::new(24);
        charged.insert("a".into(), true, 1);
        charged.insert("a".into(), false, 2);
        assert_eq!(charged.bytes(), 24);
        charged.insert("bb".into(), true, 3);
        charged.insert("c".into(), true, 4);
        assert_eq!(charged.bytes(), 24 + 2 * OWN + 3);
        assert_eq!(charged.own_bytes(), 2 * OWN + 3);
        charged.retain(|name, _| **name != *"c");
        charged.remove("a");
        charged.remove("bb");
        assert_eq!(
            (charged.bytes(), charged.own_bytes(), charged.len()),
            (0, 0, 0)
        );
    }
}
