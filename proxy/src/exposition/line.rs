//! Lines of an exposition.

use super::format::Format;

/// What a line says that starts with `#`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comment<'a> {
    Help(&'a str, &'a str),
    Type(&'a str, &'a str),
    Other,
}

pub(super) fn comment(line: &str) -> Comment<'_> {
    let text = line.trim_start_matches('#').trim_start();
    let (keyword, rest) = split_blank(text);
    let (name, rest) = split_blank(rest);
    match keyword {
        "HELP" => Comment::Help(name, rest),
        "TYPE" => Comment::Type(name, rest.trim_end()),
        _ => Comment::Other,
    }
}

/// The first word, and what follows the blanks after it.
fn split_blank(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// One value of one series.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub name: &'a str,
    series: &'a str,
    value: &'a str,
    /// In milliseconds.
    timestamp: Option<i64>,
}

impl<'a> Sample<'a> {
    /// Reads a line; `None` if it is not a sample. An exemplar is left out.
    pub fn parse(line: &'a str, format: Format) -> Option<Self> {
        let length = series_length(line)?;
        let (series, rest) = line.split_at_checked(length)?;
        let name = line.get(..name_length(line))?;
        let rest = match format {
            Format::Text => rest,
            Format::OpenMetrics => rest.split_once('#').map_or(rest, |(rest, _)| rest),
        };
        let mut words = rest.split_whitespace();
        let value = words.next()?;
        value.parse::<f64>().ok()?;
        let timestamp = match (words.next(), format) {
            (None, _) => None,
            (Some(word), Format::Text) => Some(word.parse().ok()?),
            // Seconds; a cast from a float saturates.
            (Some(word), Format::OpenMetrics) => {
                Some((word.parse::<f64>().ok()? * 1000.0).round() as i64)
            }
        };
        words.next().is_none().then_some(Self {
            name,
            series,
            value,
            timestamp,
        })
    }

    pub fn write(&self, text: &mut String) {
        text.extend([self.series.trim_end(), " ", self.value]);
        if let Some(timestamp) = self.timestamp {
            text.extend([" ", &timestamp.to_string()]);
        }
        text.push('\n');
    }
}

/// Whether it is the name of a metric.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name_length(name) == name.len()
}

fn name_length(text: &str) -> usize {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    let end = text.bytes().position(|byte| !is_part(byte));
    end.unwrap_or(text.len())
}

/// The length of a sample's name and labels; `None` if it has none or they are broken.
pub(super) fn series_length(line: &str) -> Option<usize> {
    let name = name_length(line);
    if name == 0 {
        return None;
    }
    let mut rest = line.get(name..)?;
    let Some(labels) = rest.trim_start().strip_prefix('{') else {
        return Some(name);
    };
    rest = labels.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some(line.len() - after.len());
        }
        let label = name_length(rest);
        if label == 0 {
            return None;
        }
        rest = rest.get(label..)?.trim_start().strip_prefix('=')?;
        rest = after_string(rest.trim_start().strip_prefix('"')?)?.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        } else if !rest.starts_with('}') {
            return None;
        }
    }
}

/// What follows the quotation mark that ends a label's value.
fn after_string(text: &str) -> Option<&str> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_a_series() {
        for (line, series) in [
            ("a 1", "a"),
            ("a{} 1", "a{}"),
            (r#"a:b{c="} \" {",d="é",} 1"#, r#"a:b{c="} \" {",d="é",}"#),
            (r#"a { b = "c" , d="" } 1"#, r#"a { b = "c" , d="" }"#),
        ] {
            assert_eq!(series_length(line), Some(series.len()), "{line}");
        }
        for bad in [
            "",
            "1a 1",
            "{b=\"c\"} 1",
            "a{b} 1",
            "a{b=\"c} 1",
            "a{b=c} 1",
            "a{b=\"c\"d=\"\"} 1",
            "é 1",
        ] {
            assert_eq!(series_length(bad), None, "{bad}");
        }
    }

    #[test]
    fn reads_values_and_timestamps() {
        let written = |line, format| {
            let mut text = String::new();
            Sample::parse(line, format)?.write(&mut text);
            Some(text)
        };
        let text = |line| written(line, Format::Text);
        assert_eq!(text("a  1.5e3 ").as_deref(), Some("a 1.5e3\n"));
        assert_eq!(
            text("a{b=\"#\"} NaN 12").as_deref(),
            Some("a{b=\"#\"} NaN 12\n")
        );
        assert_eq!(text("a +Inf -1").as_deref(), Some("a +Inf -1\n"));
        for bad in ["a", "a one", "a 1 2 3", "a 1 1.5", "a 1 # {} 1"] {
            assert_eq!(text(bad), None, "{bad}");
        }
        let open = written(
            "a_bucket{le=\"1\"} 2 1.5 # {trace=\"x\"} 1 2",
            Format::OpenMetrics,
        );
        assert_eq!(open.as_deref(), Some("a_bucket{le=\"1\"} 2 1500\n"));
    }

    #[test]
    fn reads_comments() {
        assert_eq!(comment("# HELP a b  c"), Comment::Help("a", "b  c"));
        assert_eq!(comment("#\tTYPE a\tgauge"), Comment::Type("a", "gauge"));
        assert_eq!(comment("# a remark"), Comment::Other);
        assert_eq!(comment("#"), Comment::Other);
    }
}
