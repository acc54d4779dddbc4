//! The field lines of a head or of a trailer section.

use super::{
    characters::{is_text, trim},
    limits::MOST_FIELDS,
    line::next_line,
    refusal::BadLine,
};
use crate::message::{FieldLine, is_token_byte};

/// The places of fields in the bytes that have been received. It is large, and on the stack:
/// before the head is known to be good, nothing is allocated but a list of what `Connection`
/// names, which has an end.
pub(super) struct FieldLines {
    lines: [Line; MOST_FIELDS],
    count: usize,
    /// Where the first one starts, and where the empty line does.
    start: usize,
    end: usize,
}

/// A field line: offsets into the input.
#[derive(Clone, Copy)]
pub(super) struct Line {
    start: u32,
    colon: u32,
    value: u32,
    value_end: u32,
}

impl FieldLines {
    /// None yet.
    pub fn new() -> Self {
        let line = Line {
            start: 0,
            colon: 0,
            value: 0,
            value_end: 0,
        };
        Self {
            lines: [line; MOST_FIELDS],
            count: 0,
            start: 0,
            end: 0,
        }
    }

    /// Reads the lines from there to the empty line, and returns where that ends.
    ///
    /// `None` if the empty line has not been received. At most `most` fields are taken.
    pub fn read(
        &mut self,
        input: &[u8],
        start: usize,
        most: usize,
    ) -> Result<Option<usize>, BadLine> {
        self.start = start;
        let mut start = start;
        while let Some((line, next)) = next_line(input, start)? {
            if line.is_empty() {
                self.end = start;
                return Ok(Some(next));
            }
            let Some(free) = self.lines.get_mut(self.count).filter(|_| self.count < most) else {
                return Err(BadLine::TooManyFields);
            };
            *free = Line::parse(line, start)?;
            self.count += 1;
            start = next;
        }
        Ok(None)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Names as they were sent, and values, of the input that was read.
    pub fn iter<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let pair = move |line: &Line| (line.name(input), line.value(input));
        self.all().iter().map(pair)
    }

    /// All of them.
    pub fn all(&self) -> &[Line] {
        &self.lines[..self.count]
    }

    /// Their text in the input that was read.
    pub fn text<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.start..self.end]
    }

    /// Where a line is in their text, if it is written as the proxy writes it: one space before
    /// the value, and none behind it.
    pub fn as_written(&self, line: &Line, input: &[u8]) -> Option<FieldLine> {
        let end = line.value_end as usize;
        let is_plain = line.value == line.colon + 2
            && input.get(line.colon as usize + 1) == Some(&b' ')
            && input.get(end..end + 2) == Some(b"\r\n");
        let start = u32::try_from(self.start).unwrap_or_default();
        is_plain.then(|| FieldLine {
            start: line.start - start,
            colon: line.colon - start,
            end: line.value_end - start,
        })
    }
}

impl Line {
    /// The name as it was sent.
    pub fn name<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.start as usize..self.colon as usize]
    }

    /// The value, without blanks around it.
    pub fn value<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        &input[self.value as usize..self.value_end as usize]
    }

    /// Reads a line that is not empty and starts there.
    fn parse(line: &[u8], start: usize) -> Result<Self, BadLine> {
        let Some(colon) = line.iter().position(|byte| !is_token_byte(*byte)) else {
            return Err(BadLine::NoColon);
        };
        if line[colon] != b':' || colon == 0 {
            return Err(bad_name(line, colon));
        }
        let raw = &line[colon + 1..];
        if !is_text(raw) {
            return Err(match raw.contains(&b'\r') {
                true => BadLine::BareCr,
                false => BadLine::FieldValue,
            });
        }
        let value = trim(raw);
        // The start is computed, because an empty value does not say where it is.
        let blanks = raw.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        let value_start = start + colon + 1 + blanks.count();
        // A head is much shorter than 4 GiB.
        Ok(Self {
            start: start as u32,
            colon: (start + colon) as u32,
            value: value_start as u32,
            value_end: (value_start + value.len()) as u32,
        })
    }
}

/// What is wrong with a name that ends there without a colon.
fn bad_name(line: &[u8], end: usize) -> BadLine {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    match line[end] {
        b'\r' => BadLine::BareCr,
        b' ' | b'\t' if end == 0 => BadLine::ObsFold,
        b' ' | b'\t' => match line[end..].iter().find(|byte| !is_blank(byte)) {
            Some(b':') => BadLine::SpaceBeforeColon,
            _ => BadLine::FieldName,
        },
        _ => BadLine::FieldName,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, most: usize) -> Result<Option<Vec<(String, String)>>, BadLine> {
        let mut lines = FieldLines::new();
        let end = lines.read(text.as_bytes(), 0, most)?;
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let list = lines.iter(text.as_bytes());
        let list = list.map(|(name, value)| (text_of(name), text_of(value)));
        Ok(end.map(|_| list.collect()))
    }

    #[test]
    fn reads_names_and_values() {
        for (text, name, value) in [
            ("Host: a\r\n\r\n", "Host", "a"),
            ("a:b\r\n\r\n", "a", "b"),
            ("a: \t b c \t\r\n\r\n", "a", "b c"),
            ("a:\r\n\r\n", "a", ""),
            ("a: \t \r\n\r\n", "a", ""),
            ("a::b:\r\n\r\n", "a", ":b:"),
            ("_a: é\r\n\r\n", "_a", "é"),
        ] {
            let expected = vec![(name.to_owned(), value.to_owned())];
            assert_eq!(read(text, 100), Ok(Some(expected)), "{text:?}");
        }
        assert_eq!(read("\r\n", 100), Ok(Some(Vec::new())));
    }

    #[test]
    fn tells_which_lines_are_written_as_the_proxy_writes_them() {
        let input = b"GET\r\nA: b\r\nc:d\r\ne:  f\r\ng: h \r\ni:\tj\r\nk:\r\nl: \r\nM: n\r\n\r\n";
        let mut lines = FieldLines::new();
        assert!(matches!(lines.read(input, 5, 100), Ok(Some(end)) if end == input.len()));
        let text = lines.text(input);
        assert_eq!(text, &input[5..input.len() - 2]);
        let plain = lines
            .all()
            .iter()
            .filter_map(|line| lines.as_written(line, input));
        let plain = plain.map(|line| &text[line.start as usize..line.end as usize + 2]);
        assert_eq!(
            plain.collect::<Vec<_>>(),
            [&b"A: b\r\n"[..], b"l: \r\n", b"M: n\r\n"]
        );
    }

    #[test]
    fn waits_for_the_empty_line() {
        for text in ["", "a", "a: b\r", "a: b\r\n", "a: b\r\n\r"] {
            assert_eq!(read(text, 100), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn refuses_lines_that_others_read_differently() {
        for (text, reason) in [
            ("a: b\n\r\n", BadLine::BareLf),
            ("a: b\r\n\n", BadLine::BareLf),
            ("a: b\rc: d\r\n\r\n", BadLine::BareCr),
            ("a: b\r\r\n\r\n", BadLine::BareCr),
            ("a\r: b\r\n\r\n", BadLine::BareCr),
            ("\ra: b\r\n\r\n", BadLine::BareCr),
            ("a: b\r\n c\r\n\r\n", BadLine::ObsFold),
            ("a: b\r\n\tc: d\r\n\r\n", BadLine::ObsFold),
            (" a: b\r\n\r\n", BadLine::ObsFold),
            ("a\r\n\r\n", BadLine::NoColon),
            ("a : b\r\n\r\n", BadLine::SpaceBeforeColon),
            ("a\t: b\r\n\r\n", BadLine::SpaceBeforeColon),
            ("a b: c\r\n\r\n", BadLine::FieldName),
            (": b\r\n\r\n", BadLine::FieldName),
            ("a\0: b\r\n\r\n", BadLine::FieldName),
            ("é: b\r\n\r\n", BadLine::FieldName),
            ("a\"b: c\r\n\r\n", BadLine::FieldName),
            ("a: b\0\r\n\r\n", BadLine::FieldValue),
            ("a: \u{7f}\r\n\r\n", BadLine::FieldValue),
            ("a:\u{b}b\r\n\r\n", BadLine::FieldValue),
        ] {
            assert_eq!(read(text, 100), Err(reason), "{text:?}");
        }
    }

    #[test]
    fn bounds_the_number_of_fields() {
        let text = "a: b\r\n".repeat(3) + "\r\n";
        assert!(read(&text, 3).is_ok());
        assert_eq!(read(&text, 2), Err(BadLine::TooManyFields));
        let many = "a: b\r\n".repeat(MOST_FIELDS + 1) + "\r\n";
        assert_eq!(read(&many, 1000), Err(BadLine::TooManyFields));
    }
}
