//! What code logs, for its tests.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt::MakeWriter};

use crate::{Format, logging::subscriber};

/// What is logged in this format while `log` runs.
pub fn logged(format: Format, log: impl FnOnce()) -> String {
    logged_by(EnvFilter::new("info"), format, log)
}

pub(crate) fn logged_by(
    filter: impl Layer<Registry> + Send + Sync,
    format: Format,
    log: impl FnOnce(),
) -> String {
    let lines = Lines::default();
    let subscriber = subscriber(format, filter, lines.clone(), false);
    tracing::subscriber::with_default(subscriber, log);
    let lines = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&lines).into_owned()
}

#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
