//! Writing DER, as far as certificates need it.

use time::OffsetDateTime;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;

/// An element that consists of these parts, one after the other.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = Vec::with_capacity(length + 6);
    element.push(tag);
    let bytes = length.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let significant = bytes.get(zeros..).unwrap_or_default();
    match significant {
        [] => element.push(0),
        [short] if *short < 0x80 => element.push(*short),
        long => {
            // At most 8 bytes tell the length.
            element.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
            element.extend_from_slice(long);
        }
    }
    for part in parts {
        element.extend_from_slice(part);
    }
    element
}

/// A number that is not negative, from its bytes with the most significant first.
pub(crate) fn number(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..).unwrap_or_default() {
        [] => element(INTEGER, &[&[0]]),
        // The highest bit is the sign.
        digits @ [first, ..] if *first >= 0x80 => element(INTEGER, &[&[0], digits]),
        digits => element(INTEGER, &[digits]),
    }
}

/// A string of whole bytes.
pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes])
}

/// A time in seconds, as RFC 5280 has them in certificates: with two digits for the year up to
/// 2049.
pub(crate) fn time(time: OffsetDateTime) -> Vec<u8> {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let rest = format!(
        "{:02}{day:02}{hour:02}{minute:02}{second:02}Z",
        u8::from(month)
    );
    if (1950..2050).contains(&year) {
        let year = format!("{:02}", year % 100);
        element(UTC_TIME, &[year.as_bytes(), rest.as_bytes()])
    } else {
        let year = format!("{:04}", year.clamp(0, 9999));
        element(GENERALIZED_TIME, &[year.as_bytes(), rest.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use time::{Date, Month, Time};

    use super::*;

    #[test]
    fn tells_lengths() {
        assert_eq!(element(SEQUENCE, &[]), [0x30, 0]);
        assert_eq!(element(OCTET_STRING, &[&[1], &[2, 3]]), [4, 3, 1, 2, 3]);
        assert_eq!(element(SEQUENCE, &[&[0; 127]])[..2], [0x30, 127]);
        assert_eq!(element(SEQUENCE, &[&[0; 128]])[..3], [0x30, 0x81, 128]);
        assert_eq!(element(SEQUENCE, &[&[0; 256]])[..4], [0x30, 0x82, 1, 0]);
    }

    #[test]
    fn writes_numbers_in_their_shortest_form() {
        assert_eq!(number(&[]), [2, 1, 0]);
        assert_eq!(number(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(number(&[0x80]), [2, 2, 0, 0x80]);
    }

    #[test]
    fn writes_times_as_certificates_do() {
        let at = |year| {
            let date = Date::from_calendar_date(year, Month::March, 4).unwrap();
            OffsetDateTime::new_utc(date, Time::from_hms(5, 6, 7).unwrap())
        };
        assert_eq!(time(at(2026))[2..], *b"260304050607Z");
        assert_eq!(time(at(2049))[..2], [UTC_TIME, 13]);
        assert_eq!(time(at(2050))[2..], *b"20500304050607Z");
        assert_eq!(time(at(2050))[..2], [GENERALIZED_TIME, 15]);
    }
}
