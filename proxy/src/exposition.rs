//! Metrics of several sources in one exposition.
//!
//! What comes out is Prometheus' text format 0.0.4, which every scraper takes. What goes
//! in is that or OpenMetrics, and is checked: a scraper that meets one bad line takes
//! nothing of the rest either.

mod format;
mod line;

use std::collections::{HashMap, HashSet};

pub(crate) use self::format::Format;
use self::line::{Comment, Sample, comment};

/// The content type of what comes out.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The media type of the other format that can go in.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text";

/// Families of one source; each takes memory besides its text.
const MAX_FAMILIES: usize = 20_000;

/// Why a source can't be part of an exposition.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("line {0} is neither a sample nor a comment in Prometheus' text format or OpenMetrics")]
    Line(usize),
    #[error("it has more than {MAX_FAMILIES} metrics")]
    Families,
}

/// The families of one source.
#[derive(Debug, Default)]
pub(crate) struct Source {
    families: Vec<Family>,
    by_name: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: Option<String>,
    help: Option<String>,
    /// Whole lines.
    samples: String,
}

impl Source {
    /// Reads an exposition.
    pub fn parse(text: &str, format: Format) -> Result<Self, Unreadable> {
        let mut source = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line == "# EOF" && format == Format::OpenMetrics {
                break;
            }
            if line.is_empty() {
                continue;
            }
            let bad_line = Unreadable::Line(number + 1);
            if line.starts_with('#') {
                source.comment(line, format).ok_or(bad_line)?;
            } else {
                source.sample(line, format).ok_or(bad_line)?;
            }
            if source.families.len() > MAX_FAMILIES {
                return Err(Unreadable::Families);
            }
        }
        if format == Format::OpenMetrics {
            source.families.iter_mut().for_each(Family::rename_to_text);
        }
        Ok(source)
    }

    /// Puts a word before the names that start so.
    pub fn prefix(&mut self, prefix: &str, names: &str) {
        for family in &mut self.families {
            if family.name.starts_with(names) {
                family.name.insert_str(0, prefix);
                let lines = family.samples.lines();
                family.samples = lines.map(|line| format!("{prefix}{line}\n")).collect();
            }
        }
    }

    /// The samples, as series and value.
    pub fn samples(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.families.iter().flat_map(|it| it.samples.lines());
        lines.filter_map(|line| line.split_at_checked(line::series_length(line)?))
    }

    /// Leaves out the series that are not wanted, by the type of their family, their name with
    /// its labels, and their value.
    pub fn retain(&mut self, mut wanted: impl FnMut(Option<&str>, &str, &str) -> bool) {
        for family in &mut self.families {
            let kind = family.kind.as_deref();
            let lines = family.samples.lines().filter(|line| {
                let length = line::series_length(line);
                let split = length.and_then(|length| line.split_at_checked(length));
                split.is_some_and(|(series, value)| wanted(kind, series, value))
            });
            family.samples = lines.flat_map(|line| [line, "\n"]).collect();
        }
    }

    fn comment(&mut self, line: &str, format: Format) -> Option<()> {
        match comment(line) {
            Comment::Help(name, text) => {
                let help = match format {
                    Format::Text => text.to_owned(),
                    // The text format has no such escape.
                    Format::OpenMetrics => text.replace("\\\"", "\""),
                };
                self.family(name)?.help.get_or_insert(help);
            }
            Comment::Type(name, kind) => {
                self.family(name)?.kind.get_or_insert(kind.to_owned());
            }
            Comment::Other => {}
        }
        Some(())
    }

    fn sample(&mut self, line: &str, format: Format) -> Option<()> {
        let sample = Sample::parse(line, format)?;
        let (owner, is_created) = self.owner(sample.name, format);
        // The text format has no such sample: it would be a metric of its own.
        if is_created {
            return Some(());
        }
        let owner = owner.to_owned();
        sample.write(&mut self.family(&owner)?.samples);
        Some(())
    }

    /// The family that a sample belongs to, and whether it says when the family was created.
    fn owner<'a>(&self, sample: &'a str, format: Format) -> (&'a str, bool) {
        if self.by_name.contains_key(sample) {
            return (sample, false);
        }
        let Some((name, suffix)) = sample.rsplit_once('_') else {
            return (sample, false);
        };
        let family = self.by_name.get(name).and_then(|at| self.families.get(*at));
        let kind = family.and_then(|family| family.kind.as_deref());
        let is_open = format == Format::OpenMetrics;
        match (kind.unwrap_or_default(), suffix) {
            ("histogram", "bucket" | "sum" | "count") | ("summary", "sum" | "count") => {
                (name, false)
            }
            ("counter", "total") | ("info", "info") if is_open => (name, false),
            ("histogram" | "summary" | "counter", "created") if is_open => (name, true),
            _ => (sample, false),
        }
    }

    /// The family of this name, which is a new one if need be; `None` if it is not a name.
    fn family(&mut self, name: &str) -> Option<&mut Family> {
        if !line::is_name(name) {
            return None;
        }
        let at = match self.by_name.get(name) {
            Some(at) => *at,
            None => {
                let family = Family {
                    name: name.to_owned(),
                    ..Family::default()
                };
                self.families.push(family);
                let at = self.families.len() - 1;
                self.by_name.insert(name.to_owned(), at);
                at
            }
        };
        self.families.get_mut(at)
    }
}

impl Family {
    /// OpenMetrics' names and types, in those of the text format.
    fn rename_to_text(&mut self) {
        match self.kind.as_deref() {
            Some("counter") => self.name.push_str("_total"),
            Some("info") => {
                self.name.push_str("_info");
                self.kind = Some("gauge".to_owned());
            }
            Some("stateset") => self.kind = Some("gauge".to_owned()),
            _ => {}
        }
    }

    fn write(&self, text: &mut String) {
        const KINDS: [&str; 4] = ["counter", "gauge", "histogram", "summary"];
        let Self { name, .. } = self;
        if self.samples.is_empty() {
            return;
        }
        if let Some(help) = &self.help {
            text.extend(["# HELP ", name, " ", help, "\n"]);
        }
        if let Some(kind) = &self.kind {
            let known = KINDS.contains(&kind.as_str());
            let kind = if known { kind } else { "untyped" };
            text.extend(["# TYPE ", name, " ", kind, "\n"]);
        }
        text.push_str(&self.samples);
    }
}

/// Sources as one: each family once, with the samples of all. Of a series that several
/// have, the first source's is taken.
pub(crate) fn merge(sources: Vec<Source>) -> String {
    let mut merged = Source::default();
    let mut series: HashMap<usize, HashSet<String>> = HashMap::new();
    for source in sources {
        for family in source.families {
            match merged.by_name.get(&family.name) {
                None => {
                    let at = merged.families.len();
                    merged.by_name.insert(family.name.clone(), at);
                    merged.families.push(family);
                }
                Some(at) => {
                    let Some(first) = merged.families.get_mut(*at) else {
                        continue;
                    };
                    let known = series.entry(*at).or_default();
                    if known.is_empty() {
                        known.extend(first.samples.lines().map(series_of));
                    }
                    for line in family.samples.lines() {
                        if known.insert(series_of(line)) {
                            first.samples.extend([line, "\n"]);
                        }
                    }
                }
            }
        }
    }
    let mut text = String::new();
    for family in &merged.families {
        family.write(&mut text);
    }
    text
}

fn series_of(line: &str) -> String {
    let length = line::series_length(line).unwrap_or(line.len());
    line.get(..length).unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests;
