//! The streams of this replica.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use k8s_openapi::jiff::Timestamp;

use super::{
    kind::KINDS,
    report::{KindReport, ProxyReport, State},
};
use crate::model::Key;

/// The longest version that a proxy may say it has, in bytes.
const VERSION: usize = 64;

/// The streams, shared by those that serve and the debug port.
#[derive(Debug, Clone, Default)]
pub(in crate::discovery) struct Proxies(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    streams: Mutex<BTreeMap<u64, Stream>>,
    next: AtomicU64,
}

/// A stream.
#[derive(Debug)]
struct Stream {
    pod: Key,
    address: IpAddr,
    version: String,
    connected: Timestamp,
    kinds: BTreeMap<&'static str, Progress>,
}

/// How far a proxy is with one kind.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Whether the proxy had the present versions of all that it asked for when it connected.
    pub is_resumed: bool,
    /// The nonce of the last response, and how many resources it had.
    pub sent: Option<(String, usize)>,
    /// The nonce of the last response that was replied to.
    pub answered: Option<String>,
    /// What is refused, and the rules that it was made of.
    pub refusal: Option<(String, Vec<String>)>,
}

impl Proxies {
    /// Adds a stream, and returns its number.
    pub(super) fn add(&self, pod: &Key, address: IpAddr) -> u64 {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let stream = Stream {
            pod: pod.clone(),
            address,
            version: String::new(),
            connected: Timestamp::now(),
            kinds: BTreeMap::new(),
        };
        self.streams().insert(number, stream);
        number
    }

    /// Removes a stream.
    pub(super) fn remove(&self, number: u64) {
        self.streams().remove(&number);
    }

    /// Records which version a proxy says it has. Only what is printable is kept.
    pub(super) fn set_version(&self, number: u64, version: &str) {
        let printable = version.chars().filter(char::is_ascii_graphic);
        if let Some(stream) = self.streams().get_mut(&number) {
            stream.version = printable.take(VERSION).collect();
        }
    }

    /// Changes how far a proxy is with a kind.
    pub(super) fn update(
        &self,
        number: u64,
        kind: &'static str,
        change: impl FnOnce(&mut Progress),
    ) {
        if let Some(stream) = self.streams().get_mut(&number) {
            change(stream.kinds.entry(kind).or_default());
        }
    }

    /// What is known of all proxies, in the order of their names.
    pub(in crate::discovery) fn reports(&self) -> Vec<ProxyReport> {
        let mut reports: Vec<_> = self.streams().values().map(Stream::report).collect();
        reports.sort_by(|a, b| (&a.proxy, &a.connected).cmp(&(&b.proxy, &b.connected)));
        reports
    }

    /// Whether every proxy has replied to the last response of each kind.
    pub(in crate::discovery) fn have_replied(&self) -> bool {
        self.streams().values().all(|stream| {
            let mut kinds = stream.kinds.values();
            kinds.all(|kind| kind.sent.as_ref().map(|(nonce, _)| nonce) == kind.answered.as_ref())
        })
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, Stream>> {
        self.0
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn report(&self) -> ProxyReport {
        let mut kinds: BTreeMap<_, _> = self
            .kinds
            .iter()
            .map(|(kind, progress)| ((*kind).to_owned(), progress.report()))
            .collect();
        for kind in KINDS {
            let nothing = || Progress::default().report();
            kinds.entry(kind.to_owned()).or_insert_with(nothing);
        }
        ProxyReport {
            proxy: format!("{}.{}", self.pod.name, self.pod.namespace),
            address: self.address.to_string(),
            version: self.version.clone(),
            replica: String::new(),
            revision: String::new(),
            connected: self.connected.to_string(),
            kinds,
        }
    }
}

impl Progress {
    fn state(&self) -> State {
        let sent = self.sent.as_ref().map(|(nonce, _)| nonce);
        match (sent, &self.answered, &self.refusal) {
            (None, _, _) if self.is_resumed => State::Synced,
            (None, _, _) => State::NotSent,
            (Some(sent), Some(answered), None) if sent == answered => State::Synced,
            (Some(sent), Some(answered), Some(_)) if sent == answered => State::Nack,
            _ => State::Stale,
        }
    }

    fn report(&self) -> KindReport {
        let (refusal, rules) = self.refusal.clone().unzip();
        let (sent, resources) = self.sent.clone().unwrap_or_default();
        KindReport {
            state: self.state(),
            sent,
            answered: self.answered.clone().unwrap_or_default(),
            resources,
            refusal,
            rules: rules.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn state(proxies: &Proxies) -> State {
        proxies.reports()[0].kinds["CDS"].state
    }

    #[test]
    fn a_proxy_is_stale_until_it_replies() {
        let proxies = Proxies::default();
        let number = proxies.add(&Key::new("shop", "web"), Ipv4Addr::LOCALHOST.into());
        assert_eq!(state(&proxies), State::NotSent);
        let change = |change: fn(&mut Progress)| proxies.update(number, "CDS", change);
        change(|progress| progress.sent = Some(("1".to_owned(), 3)));
        assert_eq!(state(&proxies), State::Stale);
        change(|progress| progress.answered = Some("1".to_owned()));
        assert_eq!(state(&proxies), State::Synced);
        change(|progress| progress.refusal = Some(("no".to_owned(), Vec::new())));
        assert_eq!(state(&proxies), State::Nack);
        change(|progress| progress.sent = Some(("2".to_owned(), 1)));
        assert_eq!(state(&proxies), State::Stale);
        proxies.remove(number);
        assert!(proxies.reports().is_empty());
    }

    #[test]
    fn a_proxy_that_connects_again_with_the_present_versions_is_synced() {
        let proxies = Proxies::default();
        let number = proxies.add(&Key::new("shop", "web"), Ipv4Addr::LOCALHOST.into());
        let change = |change: fn(&mut Progress)| proxies.update(number, "CDS", change);
        change(|progress| progress.is_resumed = true);
        assert_eq!(state(&proxies), State::Synced);
        assert!(proxies.have_replied());
        // What changes after that has to be accepted as ever.
        change(|progress| progress.sent = Some(("1".to_owned(), 1)));
        assert_eq!(state(&proxies), State::Stale);
        change(|progress| progress.answered = Some("1".to_owned()));
        assert_eq!(state(&proxies), State::Synced);
    }

    #[test]
    fn a_version_is_short_and_printable() {
        let proxies = Proxies::default();
        let number = proxies.add(&Key::new("shop", "web"), Ipv4Addr::LOCALHOST.into());
        proxies.set_version(number, &format!("1.0\u{1b}[2J\n{}", "x".repeat(1000)));
        let version = &proxies.reports()[0].version;
        assert!(version.starts_with("1.0[2Jxx"), "{version}");
        assert_eq!(version.len(), VERSION);
    }
}
