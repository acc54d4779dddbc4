//! A certificate that somebody else renews, in a mounted Secret.
//!
//! The kubelet swaps a symbolic link, which file events on the files miss; so
//! the bytes are compared every few seconds. When the CA changes with the
//! certificate, API servers come to trust the new one first; until then the
//! certificate before is served on.

mod files;

use std::{path::PathBuf, time::Duration};

use pillion_certs::{Bundle, Pair};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use self::files::Files;
use super::Serving;
use crate::injector::ca_bundle::{Roots, Trusted};

const POLL: Duration = Duration::from_secs(2);

/// Where the files are, and how long both CAs are trusted when they change.
pub(in crate::injector) struct Settings {
    pub folder: PathBuf,
    pub overlap: Duration,
}

/// Serves what the folder holds, and what it holds later.
pub(in crate::injector) async fn run(
    settings: Settings,
    serving: Serving,
    mut trusted: watch::Receiver<Option<Trusted>>,
) {
    let mut ticks = interval(POLL.min(settings.overlap.max(Duration::from_millis(100))));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tried = None;
    let mut keeper = Keeper {
        settings,
        serving,
        served: None,
        coming: None,
    };
    loop {
        ticks.tick().await;
        let now = OffsetDateTime::now_utc();
        let files = Files::read(&keeper.settings.folder).map_err(|error| error.to_string());
        // What was tried is not tried again, whether it was good or not.
        if tried.as_ref() != Some(&files) {
            keeper.load(&files, now);
            tried = Some(files);
        }
        let trusted = trusted.borrow_and_update().clone();
        keeper.advance(trusted.as_ref(), now);
    }
}

/// A certificate, and the CAs that came with it, if any did.
struct Mounted {
    pair: Pair,
    roots: Option<Bundle>,
}

struct Keeper {
    settings: Settings,
    serving: Serving,
    served: Option<Mounted>,
    /// Not served yet.
    coming: Option<Mounted>,
}

impl Keeper {
    fn load(&mut self, files: &Result<Files, String>, now: OffsetDateTime) {
        let loaded = match files {
            Ok(files) => files.load(now).map_err(|error| error.to_string()),
            Err(error) => Err(error.clone()),
        };
        match loaded {
            Ok((pair, roots)) => {
                self.serving.trust(self.roots_beside(roots.as_ref()));
                self.coming = Some(Mounted { pair, roots });
            }
            Err(error) => {
                self.serving.shared.metrics.certificate_rejected();
                tracing::error!(
                    folder = %self.settings.folder.display(), error,
                    "the mounted certificate can't be used; the one before stays"
                );
            }
        }
    }

    /// The roots to come, beside those of what is served.
    fn roots_beside(&self, coming: Option<&Bundle>) -> Roots {
        let Some(coming) = coming.cloned() else {
            return Roots::Foreign;
        };
        let served = self.served.as_ref().and_then(|served| served.roots.clone());
        Roots::Ours(coming.join(served.unwrap_or_default()))
    }

    fn advance(&mut self, trusted: Option<&Trusted>, now: OffsetDateTime) {
        let Some(coming) = self.coming.take_if(|coming| {
            is_due(
                self.served.as_ref(),
                coming,
                trusted,
                self.settings.overlap,
                now,
            )
        }) else {
            return;
        };
        if let Err(error) = self.serving.serve(&coming.pair) {
            tracing::error!(%error, "the mounted certificate can't be used; the one before stays");
            return;
        }
        self.serving
            .trust(coming.roots.clone().map_or(Roots::Foreign, Roots::Ours));
        self.served = Some(coming);
    }
}

/// Whether a certificate may be served: API servers have trusted its CA for long
/// enough, or there is nothing better to serve.
fn is_due(
    served: Option<&Mounted>,
    coming: &Mounted,
    trusted: Option<&Trusted>,
    overlap: Duration,
    now: OffsetDateTime,
) -> bool {
    let (Some(served), Some(roots)) = (served, &coming.roots) else {
        return true;
    };
    let has_ended = served
        .pair
        .validity()
        .is_ok_and(|validity| validity.has_ended(now));
    let is_trusted = trusted
        .is_some_and(|trusted| trusted.roots.contains(roots) && now - trusted.since >= overlap);
    has_ended || served.roots.as_ref() == Some(roots) || is_trusted
}

#[cfg(test)]
mod tests {
    use pillion_certs::Authority;

    use super::*;

    const OVERLAP: Duration = Duration::from_secs(120);

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000)
    }

    fn mounted() -> Mounted {
        let authority = Authority::generate("ca", now(), time::Duration::days(2)).unwrap();
        Mounted {
            pair: authority
                .issue(&["a.svc".to_owned()], now(), time::Duration::days(1))
                .unwrap(),
            roots: Some(Bundle::from_pem(authority.certificate()).unwrap()),
        }
    }

    fn trusted(mounted: &Mounted, since: OffsetDateTime) -> Trusted {
        Trusted {
            roots: mounted.roots.clone().unwrap(),
            since,
        }
    }

    #[test]
    fn the_first_certificate_is_served_at_once() {
        assert!(is_due(None, &mounted(), None, OVERLAP, now()));
    }

    #[test]
    fn another_certificate_of_the_same_ca_is_served_at_once() {
        let served = mounted();
        let coming = Mounted {
            roots: served.roots.clone(),
            ..mounted()
        };
        assert!(is_due(Some(&served), &coming, None, OVERLAP, now()));
    }

    #[test]
    fn another_ca_has_to_be_trusted_for_a_while() {
        let (served, coming) = (mounted(), mounted());
        let due =
            |trusted: Option<&Trusted>, at| is_due(Some(&served), &coming, trusted, OVERLAP, at);
        assert!(!due(None, now()));
        assert!(!due(Some(&trusted(&served, now())), now() + OVERLAP));
        let both = trusted(&coming, now());
        assert!(!due(Some(&both), now() + OVERLAP / 2));
        assert!(due(Some(&both), now() + OVERLAP));
    }

    #[test]
    fn a_certificate_that_has_ended_gives_way_at_once() {
        let later = now() + time::Duration::days(1);
        assert!(is_due(Some(&mounted()), &mounted(), None, OVERLAP, later));
    }
}
