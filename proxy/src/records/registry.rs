//! The series of a kind, bounded in number.
//!
//! A series is a set of labels, and each worker has a slot of its own in it. What nobody
//! has used for a while is forgotten: a worker finds its slot marked and enters it again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

/// Who made up a series' labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The configuration.
    Configured,
    /// A client: one of its labels is what it asked for.
    Client,
    /// Nobody: the series takes what has no place.
    Overflow,
}

/// How many series there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub all: usize,
    /// Of these, series that clients made up.
    pub clients: usize,
}

/// Sweeps that a series outlives without being used.
pub(super) const SWEEPS: u32 = 6;

/// A worker's part of a series.
#[derive(Debug, Default)]
pub(super) struct Slot<C> {
    pub cells: C,
    used: AtomicBool,
    gone: AtomicBool,
}

impl<C> Slot<C> {
    /// Marks the slot as used; `false` if its series has been forgotten.
    pub fn touch(&self) -> bool {
        // Most often it is marked already: then there is nothing to write.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        !self.gone.load(Relaxed)
    }

    /// Whether its series has been forgotten.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }
}

/// A series in a scrape: its labels, and the slots of the workers.
pub(super) type Shown<C> = (Arc<str>, Vec<Arc<Slot<C>>>);

/// All series of a kind.
#[derive(Debug)]
pub(super) struct Registry<C> {
    series: Mutex<BTreeMap<Arc<str>, Series<C>>>,
    caps: Caps,
    /// Changes when there is room again.
    generation: AtomicU32,
}

#[derive(Debug)]
struct Series<C> {
    origin: Origin,
    slots: Vec<(usize, Arc<Slot<C>>)>,
    /// Sweeps since it was used.
    idle: u32,
}

impl<C: Default> Registry<C> {
    /// Without series.
    pub fn new(caps: Caps) -> Self {
        Self {
            series: Mutex::default(),
            caps,
            generation: AtomicU32::default(),
        }
    }

    /// A worker's slot in the series of these labels; `None` if there are too many.
    pub fn enter(&self, worker: usize, labels: &str, origin: Origin) -> Option<Arc<Slot<C>>> {
        let mut all = self.lock();
        if !all.contains_key(labels) {
            if !self.has_room(&all, origin) {
                return None;
            }
            let series = Series {
                origin,
                slots: Vec::new(),
                idle: 0,
            };
            all.insert(labels.into(), series);
        }
        let slots = &mut all.get_mut(labels)?.slots;
        if let Some((_, slot)) = slots.iter().find(|(other, _)| *other == worker) {
            return Some(Arc::clone(slot));
        }
        let slot = Arc::<Slot<C>>::default();
        slots.push((worker, Arc::clone(&slot)));
        Some(slot)
    }

    fn has_room(&self, all: &BTreeMap<Arc<str>, Series<C>>, origin: Origin) -> bool {
        let count = |origin| all.values().filter(|it| it.origin == origin).count();
        match origin {
            Origin::Overflow => true,
            Origin::Configured => all.len() < self.caps.all,
            Origin::Client => all.len() < self.caps.all && count(origin) < self.caps.clients,
        }
    }

    /// Forgets what has not been used for some sweeps and is not in use.
    pub fn sweep(&self, in_use: impl Fn(&C) -> bool) {
        let mut all = self.lock();
        let before = all.len();
        all.retain(|_, series| {
            let mut used = false;
            for (_, slot) in &series.slots {
                used |= slot.used.swap(false, Relaxed) || in_use(&slot.cells);
            }
            series.idle = if used { 0 } else { series.idle + 1 };
            let keep = series.idle < SWEEPS;
            if !keep {
                let slots = series.slots.iter();
                slots.for_each(|(_, slot)| slot.gone.store(true, Relaxed));
            }
            keep
        });
        if all.len() < before {
            self.generation.fetch_add(1, Relaxed);
        }
    }

    /// Another number than before if there is room again.
    pub fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }

    /// All series, ordered by their labels. Workers don't wait while they are written.
    pub fn snapshot(&self) -> Vec<Shown<C>> {
        let all = self.lock();
        let shown = all.iter().map(|(labels, series)| {
            let slots = series.slots.iter().map(|(_, slot)| Arc::clone(slot));
            (Arc::clone(labels), slots.collect())
        });
        shown.collect()
    }

    /// Nothing under the lock panics halfway, so what is behind it is whole.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Series<C>>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    const CAPS: Caps = Caps { all: 3, clients: 1 };

    fn registry() -> Registry<AtomicU64> {
        Registry::new(CAPS)
    }

    fn labels(registry: &Registry<AtomicU64>) -> Vec<String> {
        let shown = registry.snapshot().into_iter();
        shown.map(|(labels, _)| labels.to_string()).collect()
    }

    #[test]
    fn workers_share_a_series_but_no_slot() {
        let registry = registry();
        let enter = |worker| registry.enter(worker, "a", Origin::Configured).unwrap();
        assert!(Arc::ptr_eq(&enter(0), &enter(0)));
        assert!(!Arc::ptr_eq(&enter(0), &enter(1)));
        assert_eq!(labels(&registry), ["a"]);
        assert_eq!(registry.snapshot()[0].1.len(), 2);
    }

    #[test]
    fn clients_have_fewer_series_than_the_configuration() {
        let registry = registry();
        assert!(registry.enter(0, "a", Origin::Client).is_some());
        assert!(registry.enter(0, "b", Origin::Client).is_none());
        assert!(registry.enter(1, "a", Origin::Client).is_some());
        assert!(registry.enter(0, "c", Origin::Configured).is_some());
        assert!(registry.enter(0, "d", Origin::Configured).is_some());
        assert!(registry.enter(0, "e", Origin::Configured).is_none());
        assert!(registry.enter(0, "rest", Origin::Overflow).is_some());
        assert_eq!(labels(&registry), ["a", "c", "d", "rest"]);
    }

    #[test]
    fn an_idle_series_is_forgotten_and_makes_room() {
        let registry = registry();
        let idle = registry.enter(0, "idle", Origin::Client).unwrap();
        let used = registry.enter(0, "used", Origin::Configured).unwrap();
        let open = registry.enter(0, "open", Origin::Configured).unwrap();
        open.cells.store(1, Relaxed);
        let before = registry.generation();
        for _ in 0..SWEEPS {
            assert!(used.touch());
            registry.sweep(|cells| cells.load(Relaxed) == 1);
        }
        assert!(!idle.touch() && idle.is_gone());
        assert_eq!(labels(&registry), ["open", "used"]);
        assert_ne!(registry.generation(), before);
        let again = registry.enter(0, "idle", Origin::Client).unwrap();
        assert!(again.touch() && !Arc::ptr_eq(&again, &idle));
    }
}
