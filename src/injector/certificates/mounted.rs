//! A certificate that somebody else renews, in a mounted Secret.
//!
//! The kubelet swaps a symbolic link, which file events on the files miss; so
//! the bytes are compared every few seconds. When the CA changes with the
//! certificate, API servers come to trust the new one first; until then the
//! certificate before is served on.

mod files;

use std::{path::PathBuf, time::Duration};

use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::files::Files;
use super::serving::{Certificate, Serving};

const POLL: Duration = Duration::from_secs(2);

/// So many looks at least while a new CA comes to be trusted.
const LOOKS: u32 = 8;

/// When files that were refused are looked at again: some only had not begun to
/// be valid.
const AGAIN: Duration = Duration::from_secs(60);

/// Where the files are, and what API servers call us by.
pub(in crate::injector) struct Settings {
    pub folder: PathBuf,
    pub names: Vec<String>,
    /// How long API servers take to learn what is trusted.
    pub overlap: Duration,
}

/// Serves what the folder holds, and what it holds later.
pub(in crate::injector) async fn run(settings: Settings, serving: Serving) {
    let mut ticks = interval(POLL.min((settings.overlap / LOOKS).max(Duration::from_millis(100))));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reconciler = Reconciler {
        settings,
        serving,
        tried: None,
    };
    loop {
        ticks.tick().await;
        reconciler.look(OffsetDateTime::now_utc());
    }
}

struct Reconciler {
    settings: Settings,
    serving: Serving,
    /// The files as last seen, and when they were refused if they were.
    tried: Option<(Result<Files, String>, Option<Instant>)>,
}

impl Reconciler {
    fn look(&mut self, now: OffsetDateTime) {
        let files = Files::read(&self.settings.folder).map_err(|error| error.to_string());
        let is_new = match &self.tried {
            Some((tried, refused)) => {
                tried != &files || refused.is_some_and(|refused| refused.elapsed() >= AGAIN)
            }
            None => true,
        };
        if is_new {
            let refused = self.load(&files, now).err();
            if let Some(error) = &refused {
                self.serving.refused();
                tracing::error!(
                    folder = %self.settings.folder.display(), error,
                    "the mounted certificate can't be used; the one before stays"
                );
            }
            self.tried = Some((files, refused.map(|_| Instant::now())));
        }
        self.serving.advance(now);
        self.serving.trust(None);
    }

    fn load(&mut self, files: &Result<Files, String>, now: OffsetDateTime) -> Result<(), String> {
        let files = files.as_ref().map_err(Clone::clone)?;
        let loaded = files.load(&self.settings.names, now);
        let (pair, roots) = loaded.map_err(|error| error.to_string())?;
        self.serving
            .offer(Certificate { pair, roots }, now)
            .map_err(|error| error.to_string())
    }
}
