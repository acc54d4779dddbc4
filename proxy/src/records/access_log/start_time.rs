//! `%START_TIME(FORMAT)%`: strftime's specifiers, with Envoy's additions for fractions.

use std::{io::Write as _, time::SystemTime};

use time::OffsetDateTime;

/// Envoy's default.
pub(super) const DEFAULT: &str = "%Y-%m-%dT%H:%M:%E3SZ";

/// A compiled format. Times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeFormat(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Year,
    YearOfCentury,
    Month,
    MonthName,
    MonthShort,
    Day,
    DayBlank,
    DayOfYear,
    WeekdayName,
    WeekdayShort,
    Hour,
    Hour12,
    Minute,
    Second,
    HalfOfDay,
    /// Seconds since the epoch.
    Epoch,
    /// So many digits of the second's fraction.
    Fraction(u8),
}

impl TimeFormat {
    /// Compiles a format.
    ///
    /// # Errors
    ///
    /// The specifier that is not known.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            literal(&mut pieces, before);
            rest = specifier(after, &mut pieces)?;
        }
        literal(&mut pieces, rest);
        Ok(Self(pieces))
    }

    /// Appends a time.
    pub fn write(&self, at: SystemTime, line: &mut Vec<u8>) {
        let at = OffsetDateTime::from(at);
        for piece in &self.0 {
            piece.write(at, line);
        }
    }
}

fn literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
}

/// Reads one specifier, without its percent sign; returns what follows.
fn specifier<'a>(text: &'a str, pieces: &mut Vec<Piece>) -> Result<&'a str, String> {
    let unknown = |length: usize| {
        let name: String = text.chars().take(length).collect();
        format!("START_TIME can't show %{name}")
    };
    let mut characters = text.chars();
    let first = characters.next().ok_or_else(|| unknown(1))?;
    let mut rest = characters.as_str();
    let nested = |format: &str, pieces: &mut Vec<Piece>| {
        pieces.extend(TimeFormat::new(format)?.0);
        Ok::<_, String>(())
    };
    match first {
        'E' => {
            // %E3S: seconds with three digits of their fraction.
            let digits = characters.next().and_then(|digit| digit.to_digit(10));
            let (Some(digits @ 1..=9), Some('S')) = (digits, characters.next()) else {
                return Err(unknown(3));
            };
            let digits = u8::try_from(digits).unwrap_or(9);
            let point = Piece::Literal(".".to_owned());
            pieces.extend([Piece::Second, point, Piece::Fraction(digits)]);
            rest = characters.as_str();
        }
        '1'..='9' => {
            let digits = first
                .to_digit(10)
                .and_then(|digits| u8::try_from(digits).ok());
            rest = rest.strip_prefix('f').ok_or_else(|| unknown(2))?;
            pieces.push(Piece::Fraction(digits.unwrap_or(9)));
        }
        'D' => nested("%m/%d/%y", pieces)?,
        'F' => nested("%Y-%m-%d", pieces)?,
        'R' => nested("%H:%M", pieces)?,
        'T' => nested("%H:%M:%S", pieces)?,
        other => pieces.push(simple(other).ok_or_else(|| unknown(1))?),
    }
    Ok(rest)
}

fn simple(specifier: char) -> Option<Piece> {
    Some(match specifier {
        'Y' => Piece::Year,
        'y' => Piece::YearOfCentury,
        'm' => Piece::Month,
        'B' => Piece::MonthName,
        'b' | 'h' => Piece::MonthShort,
        'd' => Piece::Day,
        'e' => Piece::DayBlank,
        'j' => Piece::DayOfYear,
        'A' => Piece::WeekdayName,
        'a' => Piece::WeekdayShort,
        'H' => Piece::Hour,
        'I' => Piece::Hour12,
        'M' => Piece::Minute,
        'S' => Piece::Second,
        'p' => Piece::HalfOfDay,
        's' => Piece::Epoch,
        'f' => Piece::Fraction(9),
        'z' => Piece::Literal("+0000".to_owned()),
        'Z' => Piece::Literal("UTC".to_owned()),
        '%' => Piece::Literal("%".to_owned()),
        _ => return None,
    })
}

impl Piece {
    fn write(&self, at: OffsetDateTime, line: &mut Vec<u8>) {
        let year = u32::try_from(at.year()).unwrap_or_default();
        match self {
            Self::Literal(text) => line.extend_from_slice(text.as_bytes()),
            Self::Year => padded(year, 4, line),
            Self::YearOfCentury => padded(year % 100, 2, line),
            Self::Month => padded(u8::from(at.month()).into(), 2, line),
            Self::MonthName => shown(format_args!("{}", at.month()), line),
            Self::MonthShort => shown(format_args!("{:.3}", at.month()), line),
            Self::Day => padded(at.day().into(), 2, line),
            Self::DayBlank => shown(format_args!("{:2}", at.day()), line),
            Self::DayOfYear => padded(at.ordinal().into(), 3, line),
            Self::WeekdayName => shown(format_args!("{}", at.weekday()), line),
            Self::WeekdayShort => shown(format_args!("{:.3}", at.weekday()), line),
            Self::Hour => padded(at.hour().into(), 2, line),
            Self::Hour12 => padded(u32::from(at.hour() + 11) % 12 + 1, 2, line),
            Self::Minute => padded(at.minute().into(), 2, line),
            Self::Second => padded(at.second().into(), 2, line),
            Self::HalfOfDay => line.extend_from_slice(if at.hour() < 12 { b"AM" } else { b"PM" }),
            Self::Epoch => shown(format_args!("{}", at.unix_timestamp()), line),
            Self::Fraction(digits) => {
                let digits = *digits.min(&9);
                let fraction = at.nanosecond() / 10_u32.pow(u32::from(9 - digits));
                padded(fraction, digits.into(), line);
            }
        }
    }
}

/// Appends a number with leading zeros. Each line has several: `write!` takes much longer.
fn padded(number: u32, width: usize, line: &mut Vec<u8>) {
    let mut text = [b'0'; 10];
    let (mut rest, mut start) = (number, text.len());
    while rest > 0 {
        start -= 1;
        // A digit.
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    line.extend_from_slice(&text[start.min(text.len().saturating_sub(width))..]);
}

fn shown(text: std::fmt::Arguments<'_>, line: &mut Vec<u8>) {
    // A Vec takes every write.
    let _ = line.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn show(format: &str) -> String {
        // A Friday.
        let at = UNIX_EPOCH + Duration::new(1_460_751_600 + 310, 7_000_000);
        let mut line = Vec::new();
        TimeFormat::new(format).unwrap().write(at, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn the_default_is_envoy_s() {
        assert_eq!(show(DEFAULT), "2016-04-15T20:25:10.007Z");
    }

    #[test]
    fn specifiers_are_strftime_s() {
        assert_eq!(
            show("%a %A %b %B %e %j %y"),
            "Fri Friday Apr April 15 106 16"
        );
        assert_eq!(
            show("%D %F %R %T %I %p"),
            "04/15/16 2016-04-15 20:25 20:25:10 08 PM"
        );
        assert_eq!(show("%s.%3f %6f %f"), "1460751910.007 007000 007000000");
        assert_eq!(show("%H%M%S %z %Z 100%%"), "202510 +0000 UTC 100%");
    }

    #[test]
    fn says_which_specifier_is_not_known() {
        for (format, name) in [
            ("%Y %q", "%q"),
            ("%", "%"),
            ("%3d", "%3d"),
            ("%E0S", "%E0S"),
        ] {
            let error = TimeFormat::new(format).unwrap_err();
            assert!(error.ends_with(&format!("can't show {name}")), "{error}");
        }
    }
}
