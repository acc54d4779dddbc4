//! A certificate in a mounted Secret, which somebody else renews.
//!
//! The kubelet updates the files by replacing a symbolic link, which file events don't
//! report, so their contents are compared every few seconds. If the CA changes with the
//! certificate, the previous certificate is served until API servers trust the new CA.

mod files;

use std::{path::PathBuf, time::Duration};

use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::files::Files;
use super::serving::{Certificate, Serving};

const POLL: Duration = Duration::from_secs(2);

/// The minimum number of polls while API servers learn to trust a new CA.
const POLLS_PER_OVERLAP: u32 = 8;

/// When to check files again that were refused: a certificate may not have been valid yet.
const RETRY: Duration = Duration::from_secs(60);

/// Where the files are, and the names by which clients call the role.
pub(crate) struct Settings {
    pub folder: PathBuf,
    pub names: Vec<String>,
    /// How long API servers take to learn of a changed caBundle.
    pub overlap: Duration,
}

/// Serves the certificate in the directory, and reloads it when it changes.
pub(crate) async fn run(settings: Settings, serving: Serving) {
    let mut ticks =
        interval(POLL.min((settings.overlap / POLLS_PER_OVERLAP).max(Duration::from_millis(100))));
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
    /// The files when they were last loaded, and when they were refused, if they were.
    tried: Option<(Result<Files, String>, Option<Instant>)>,
}

impl Reconciler {
    fn look(&mut self, now: OffsetDateTime) {
        let files = Files::read(&self.settings.folder).map_err(|error| error.to_string());
        let is_new = match &self.tried {
            Some((tried, refused)) => {
                tried != &files || refused.is_some_and(|refused| refused.elapsed() >= RETRY)
            }
            None => true,
        };
        if is_new {
            let refused = self.load(&files, now).err();
            if let Some(error) = &refused {
                self.serving.record_refused();
                tracing::error!(
                    folder = %self.settings.folder.display(), error,
                    "the mounted certificate is invalid; the previous one stays in use"
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
