//! When statuses are due.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use crate::model::ObjectRef;

/// Objects, each with the time when its status is due.
#[derive(Debug, Default)]
pub(super) struct Due {
    times: HashMap<ObjectRef, Instant>,
    order: BTreeSet<(Instant, ObjectRef)>,
}

impl Due {
    /// Makes an object due, unless it is already.
    pub fn add(&mut self, object: &ObjectRef, at: Instant) {
        if !self.times.contains_key(object) {
            self.times.insert(object.clone(), at);
            self.order.insert((at, object.clone()));
        }
    }

    /// Makes an object due at this time, and not at another one.
    pub fn set(&mut self, object: &ObjectRef, at: Instant) {
        self.remove(object);
        self.add(object, at);
    }

    /// Makes an object that is due later due at this time.
    pub fn advance(&mut self, object: &ObjectRef, at: Instant) {
        if self.times.get(object).is_some_and(|due| *due > at) {
            self.set(object, at);
        }
    }

    /// Makes an object no longer due.
    pub fn remove(&mut self, object: &ObjectRef) {
        if let Some((object, at)) = self.times.remove_entry(object) {
            self.order.remove(&(at, object));
        }
    }

    /// When the first is due.
    pub fn first(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Removes the first, if it is due.
    pub fn take(&mut self, now: Instant) -> Option<ObjectRef> {
        if self.first()? > now {
            return None;
        }
        let (_, object) = self.order.pop_first()?;
        self.times.remove(&object);
        Some(object)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.times.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Key, Kind};

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            kind: Kind::Gateway,
            key: Key::new("shop", name),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn objects_come_in_the_order_of_their_times() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut due = Due::default();
        due.add(&object("b"), at(2));
        due.add(&object("a"), at(3));
        due.add(&object("b"), at(9));
        due.add(&object("c"), at(1));
        due.set(&object("c"), at(4));
        due.advance(&object("c"), at(5));
        due.advance(&object("e"), at(1));
        due.add(&object("d"), at(1));
        due.remove(&object("d"));
        assert_eq!(due.first(), Some(at(2)));
        assert_eq!(due.take(at(1)), None);
        for name in ["b", "a", "c"] {
            assert_eq!(due.take(at(9)), Some(object(name)));
        }
        assert_eq!(due.take(at(9)), None);
        assert_eq!(due.first(), None);
    }
}
