//! What is in force of a resource, and what waits to be.

use std::sync::Arc;

use tokio::time::Instant;

/// A resource's two generations: the one that serves, and a newer one that waits for what
/// it needs. The wait ends by a deadline, so that the server's word counts in the end.
#[derive(Debug)]
pub(super) struct Slot<T> {
    in_force: Option<Arc<T>>,
    pending: Option<Pending<T>>,
}

#[derive(Debug)]
struct Pending<T> {
    value: Arc<T>,
    until: Instant,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            in_force: None,
            pending: None,
        }
    }
}

impl<T> Slot<T> {
    /// Has a newer value wait until then at most. It takes the place of one that waits
    /// already, and its deadline if that is sooner: a server that keeps changing its mind
    /// can't keep the oldest value in force.
    pub fn offer(&mut self, value: T, until: Instant) {
        let until = match &self.pending {
            Some(pending) => pending.until.min(until),
            None => until,
        };
        self.pending = Some(Pending {
            value: Arc::new(value),
            until,
        });
    }

    /// Puts what waits in force if it has all that it needs, or has waited for long enough.
    /// Returns whether it did.
    pub fn promote(&mut self, now: Instant, has_all: impl FnOnce(&T) -> bool) -> bool {
        let taken = self
            .pending
            .take_if(|pending| pending.until <= now || has_all(&pending.value));
        match taken {
            Some(pending) => {
                self.in_force = Some(pending.value);
                true
            }
            None => false,
        }
    }

    /// What serves.
    pub fn in_force(&self) -> Option<&Arc<T>> {
        self.in_force.as_ref()
    }

    /// What waits.
    pub fn pending(&self) -> Option<&T> {
        self.pending.as_ref().map(|pending| &*pending.value)
    }

    /// What waits, or what serves if nothing does.
    pub fn newest(&self) -> Option<&T> {
        self.pending().or(self.in_force.as_deref())
    }

    /// When the wait ends.
    pub fn deadline(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.until)
    }

    /// What serves, and what waits.
    pub fn both(&self) -> impl Iterator<Item = &T> {
        let in_force = self.in_force.as_deref();
        in_force.into_iter().chain(self.pending())
    }

    /// Drops what waits: its resource is gone.
    pub fn withdraw(&mut self) {
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_old_value_serves_until_the_new_one_has_all_it_needs() {
        let now = Instant::now();
        let mut slot = Slot::default();
        slot.offer(1, now + 2 * SECOND);
        assert!(slot.promote(now, |_| true));
        slot.offer(2, now + 2 * SECOND);
        assert!(!slot.promote(now + SECOND, |_| false));
        assert_eq!(slot.in_force().map(|value| **value), Some(1));
        assert_eq!(slot.both().copied().collect::<Vec<_>>(), [1, 2]);
        assert!(slot.promote(now + SECOND, |_| true));
        assert_eq!(slot.both().copied().collect::<Vec<_>>(), [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_number_of_changes_makes_the_wait_longer() {
        let now = Instant::now();
        let mut slot = Slot::default();
        slot.offer(1, now + 2 * SECOND);
        slot.offer(2, now + 3 * SECOND);
        assert_eq!(slot.deadline(), Some(now + 2 * SECOND));
        assert!(slot.promote(now + 2 * SECOND, |_| false));
        assert_eq!(
            (slot.in_force().map(|value| **value), slot.deadline()),
            (Some(2), None)
        );
    }
}
