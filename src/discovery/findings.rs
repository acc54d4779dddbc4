//! What objects ask for and don't get: looked for on the replica that writes statuses, a while
//! after rules or pods have changed, and less often the more work it makes. What the webhook says of
//! it is looked for on every replica.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{beside::Beside, snapshots::Snapshots, status::Board};
use crate::model::Kind;

/// The shortest pause between two searches.
const PAUSE: Duration = Duration::from_secs(1);
/// How long pods and endpoints wait that have changed: they do all the time, and findings seldom
/// depend on them.
const PODS: Duration = Duration::from_secs(10);
/// The pause after a search, relative to how long that took.
const REST: u32 = 20;

/// Looks for findings, and puts them on the board; tells the webhook what it says of them.
#[derive(Debug)]
pub(super) struct Findings {
    board: Board,
    beside: Beside,
    leads: watch::Receiver<bool>,
    due: Option<Instant>,
    pause: Duration,
    /// The number of the last spec of each kind that the model was told of.
    seen: BTreeMap<Kind, u64>,
    /// The same of those that are in force: what is found is about these.
    in_force: BTreeMap<Kind, u64>,
}

impl Findings {
    /// Fills the board while `leads` says that this replica writes statuses.
    pub fn new(board: Board, beside: Beside, leads: watch::Receiver<bool>) -> Self {
        Self {
            board,
            beside,
            leads,
            due: None,
            pause: PAUSE,
            seen: BTreeMap::new(),
            in_force: BTreeMap::new(),
        }
    }

    /// Waits until this replica begins or ceases to write statuses.
    pub async fn turn(&mut self) {
        if self.leads.changed().await.is_err() {
            // The process stops.
            std::future::pending::<()>().await;
        }
        if *self.leads.borrow_and_update() {
            self.due = Some(Instant::now());
        }
    }

    /// Records that the model was told of a spec.
    pub fn seen(&mut self, kind: Kind, number: u64) {
        self.seen.insert(kind, number);
    }

    /// Records that all rules that the model was told of are in force.
    pub fn rules_changed(&mut self, now: Instant) {
        self.in_force.clone_from(&self.seen);
        self.search_by(now + self.pause);
    }

    /// Records that pods or endpoints came, went or have changed, and rules have not.
    pub fn pods_changed(&mut self, now: Instant) {
        self.search_by(now + self.pause.max(PODS));
    }

    fn search_by(&mut self, at: Instant) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When to search; `None` if there is no reason to.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Searches, if that is due.
    pub fn search(&mut self, snapshots: &Snapshots) {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        self.due = None;
        self.beside.set(snapshots.strict_hosts());
        if *self.leads.borrow() {
            self.board
                .found(snapshots.findings(), self.in_force.clone());
        }
        self.pause = PAUSE.max(now.elapsed() * REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pods_change_waits_longer_than_what_rules_change() {
        let (_leads, receiver) = watch::channel(true);
        let mut findings = Findings::new(Board::default(), Beside::default(), receiver);
        let now = Instant::now();
        findings.pods_changed(now);
        assert_eq!(findings.due(), Some(now + PODS));
        findings.rules_changed(now);
        assert_eq!(findings.due(), Some(now + PAUSE));
        // What comes later does not delay it.
        findings.pods_changed(now + PAUSE);
        findings.rules_changed(now + PAUSE);
        assert_eq!(findings.due(), Some(now + PAUSE));
    }

    #[test]
    fn a_replica_that_writes_no_statuses_finds_what_its_webhook_says() {
        let (_leads, receiver) = watch::channel(false);
        let mut findings = Findings::new(Board::default(), Beside::default(), receiver);
        let now = Instant::now();
        findings.rules_changed(now);
        assert_eq!(findings.due(), Some(now + PAUSE));
    }
}
