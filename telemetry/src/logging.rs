//! Structured logs on standard output.
//!
//! One line an event, as JSON or as text, filtered by `RUST_LOG`. For the
//! roles that run in a cluster; the commands that print their result to
//! standard output keep their words for standard error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal},
    net::Ipv4Addr,
    panic,
    sync::LazyLock,
};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

use crate::{
    throttle::{Rates, Throttle},
    writer::{self, Guard},
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line, for collectors.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Why logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` can't be read.
    #[error(
        "RUST_LOG is {value:?}, which is not a filter ({source}): write for example `info` or `info,pillion=debug`"
    )]
    Filter {
        /// What it is set to.
        value: String,
        /// Where it can't be parsed.
        source: tracing_subscriber::filter::ParseError,
    },
    /// `RUST_LOG` contains a word that would silence the log.
    #[error(
        "RUST_LOG is {value:?}, where {word:?} is not a level (off, error, warn, info, debug, trace): write for example \
         `info` or, for the level of a module, `info,pillion=debug`"
    )]
    Word {
        /// What it is set to.
        value: String,
        /// What is not a level.
        word: String,
    },
    /// The thread that writes can't be started.
    #[error("can't start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
    /// The process is about to end, and logs no more.
    #[error("the log has ended: {0}")]
    Ended(#[from] reload::Error),
    /// Something else in the process has set up logging.
    #[error("logging is set up already: {0}")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets up logging for the process: `RUST_LOG`, or `info` without it. Panics
/// are logged, too. Lines that are still unwritten when the guard is dropped are
/// written then, so keep it in the outermost function.
///
/// # Errors
///
/// When `RUST_LOG` is not a filter, or logging was set up before.
pub fn init(format: Format) -> Result<Guard, Error> {
    set_up(
        format,
        filter(env::var("RUST_LOG").ok(), LevelFilter::INFO)?,
    )
}

/// As [`init`], with another level where `RUST_LOG` is not set, which can be changed while
/// the process runs.
///
/// # Errors
///
/// As for [`init`].
pub fn init_adjustable(format: Format, level: LevelFilter) -> Result<(Guard, Adjust), Error> {
    let filter = filter(env::var("RUST_LOG").ok(), level)?;
    let (filter, handle) = reload::Layer::new(filter);
    Ok((set_up(format, filter)?, Adjust(handle)))
}

fn set_up<F>(format: Format, filter: F) -> Result<Guard, Error>
where
    F: Layer<Registry> + Send + Sync,
{
    let (writer, guard) = writer::spawn(io::stdout())?;
    let colours = io::stdout().is_terminal();
    subscriber(format, filter, writer, colours).try_init()?;
    panic::set_hook(Box::new(log_panic));
    Ok(guard)
}

/// What is logged, for whoever may change it while the process runs. Clones change the same.
#[derive(Debug, Clone)]
pub struct Adjust(reload::Handle<EnvFilter, Registry>);

impl Adjust {
    /// Logs at this level from now on, whatever `RUST_LOG` says.
    ///
    /// # Errors
    ///
    /// When the log has ended.
    pub fn set(&self, level: LevelFilter) -> Result<(), Error> {
        Ok(self.0.reload(filter(None, level)?)?)
    }

    /// The filter that holds.
    ///
    /// # Errors
    ///
    /// When the log has ended.
    pub fn current(&self) -> Result<String, Error> {
        Ok(self.0.with_current(ToString::to_string)?)
    }
}

pub(crate) fn subscriber<F, W>(
    format: Format,
    filter: F,
    writer: W,
    colours: bool,
) -> Box<dyn Subscriber + Send + Sync>
where
    F: Layer<Registry> + Send + Sync,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Json => Box::new(
            registry.with(
                layer
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false),
            ),
        ),
        Format::Text => Box::new(registry.with(layer.with_ansi(colours))),
    }
}

fn filter(set: Option<String>, level: LevelFilter) -> Result<EnvFilter, Error> {
    let value = match set {
        Some(value) if !value.trim().is_empty() => value,
        _ => level.to_string(),
    };
    let names_h2 = value.split(',').any(|part| part.trim().starts_with("h2"));
    // h2 warns of what callers do, as often as they do it, without naming the caller.
    let directives = if names_h2 {
        value.clone()
    } else {
        format!("{value},h2=error")
    };
    if let Some(word) = stray_word(&value) {
        return Err(Error::Word {
            word: word.to_owned(),
            value,
        });
    }
    EnvFilter::builder()
        .parse(&directives)
        .map_err(|source| Error::Filter { value, source })
}

/// A word that `EnvFilter` would take for a module, and log nothing else: a
/// misspelt level, or Istio's `default:info`.
fn stray_word(filter: &str) -> Option<&str> {
    filter.split(',').map(str::trim).find(|part| {
        let is_word = !part.is_empty() && !part.contains(['=', '[', ']', '{', '}']);
        let is_module = *part == "pillion" || part.starts_with("pillion_") || part.contains("::");
        is_word && !is_module && part.parse::<LevelFilter>().is_err()
    })
}

/// Lines a second about panics: most often they all come from one fault.
static PANICS: LazyLock<Throttle> = LazyLock::new(|| {
    Throttle::new(Rates {
        each: 5,
        first: 5,
        more: 5,
    })
});

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    // Another line, of the request, says who caused it.
    let Some(held_back) = PANICS.pass(Ipv4Addr::UNSPECIFIED.into()) else {
        return;
    };
    let location = panic.location().map(tracing::field::display);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        location,
        held_back = held_back.own(),
        backtrace = backtrace.as_ref().map(tracing::field::display),
        "panicked: {}",
        panic.payload_as_str().unwrap_or("no message")
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{logged, logged_by};

    #[test]
    fn the_level_can_be_changed() {
        let (layer, handle) = reload::Layer::new(filter(None, LevelFilter::INFO).unwrap());
        let adjust = Adjust(handle);
        let text = logged_by(layer, Format::Text, || {
            tracing::debug!("before");
            adjust.set(LevelFilter::DEBUG).unwrap();
            assert!(adjust.current().unwrap().contains("debug"));
            tracing::debug!("between");
            tracing::warn!(target: "h2::proto", "noise");
            adjust.set(LevelFilter::ERROR).unwrap();
            tracing::warn!("after");
        });
        assert!(text.contains("between"), "{text}");
        for absent in ["before", "noise", "after"] {
            assert!(!text.contains(absent), "{text}");
        }
        assert!(matches!(adjust.current(), Err(Error::Ended(_))));
    }

    #[test]
    fn rejects_words_that_would_silence_the_log() {
        for good in [
            "warn",
            "info,pillion=debug",
            "pillion",
            "off,pillion::webhook",
            "info,h2[span]=warn",
            "",
        ] {
            assert!(
                filter(Some(good.to_owned()), LevelFilter::INFO).is_ok(),
                "{good}"
            );
        }
        for bad in ["infoo", "default:info", "info,debgu"] {
            assert!(
                filter(Some(bad.to_owned()), LevelFilter::INFO).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn writes_json_with_the_fields_at_the_top() {
        let line = logged(Format::Json, || tracing::info!(uid = "a\"b", "said"));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["uid"], "a\"b");
        assert_eq!(line["message"], "said");
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn writes_text_for_people() {
        let line = logged(Format::Text, || tracing::warn!(uid = "ab", "said"));
        assert!(
            line.contains("WARN") && line.contains("said uid=\"ab\""),
            "{line}"
        );
    }

    #[test]
    fn keeps_an_event_on_one_line_whatever_it_holds() {
        for format in [Format::Json, Format::Text] {
            let lines = logged(format, || tracing::info!(pod = "a\nlevel=ERROR", "said"));
            assert_eq!(lines.lines().count(), 1, "{lines}");
        }
    }

    #[test]
    fn leaves_out_what_the_filter_does() {
        assert_eq!(logged(Format::Text, || tracing::debug!("said")), "");
    }

    #[test]
    fn logs_from_info_up_when_nothing_is_set() {
        for unset in [None, Some(" ".to_owned())] {
            let filter = filter(unset, LevelFilter::INFO).unwrap().to_string();
            assert!(filter.split(',').any(|part| part == "info"), "{filter}");
        }
    }

    #[test]
    fn leaves_out_what_h2_warns_of_unless_asked() {
        for (set, warns) in [
            (None, false),
            (Some("debug"), false),
            (Some("info,h2=warn"), true),
            (Some("off,h2::proto"), true),
        ] {
            let filter = filter(set.map(str::to_owned), LevelFilter::INFO).unwrap();
            let line = logged_by(filter, Format::Text, || {
                tracing::warn!(target: "h2::proto::ping_pong", "an answer that nobody asked for");
            });
            assert_eq!(!line.is_empty(), warns, "{set:?}");
        }
    }

    #[test]
    fn takes_a_filter_by_target() {
        let filter = filter(Some("warn,pillion=debug".to_owned()), LevelFilter::INFO).unwrap();
        assert!(filter.to_string().contains("pillion=debug"));
    }

    #[test]
    fn names_a_filter_that_is_none() {
        let error = filter(Some("pillion=loud".to_owned()), LevelFilter::INFO).unwrap_err();
        assert!(error.to_string().contains("\"pillion=loud\""), "{error}");
    }
}
