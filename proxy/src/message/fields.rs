//! The fields of a head or of a trailer section.

use std::ops::Range;

use super::FieldName;

/// Fields in the order in which they came, with names in lower case, as Envoy passes them on.
///
/// Names are tokens, and values have neither CR, LF nor NUL in them: the codecs check what
/// comes from outside before they add it.
///
/// Each field is kept as the line that HTTP/1 writes. A head whose lines are written like that
/// already is copied as a whole, and so is what follows each other when it goes out.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    /// Lines, also of fields that have been replaced, and the other texts of a head.
    bytes: Vec<u8>,
    list: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    known: FieldName,
    line: FieldLine,
}

/// Where a line is: `name: value`, with CR LF behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldLine {
    /// The first byte of the name.
    pub start: u32,
    /// The colon, which one space follows.
    pub colon: u32,
    /// The end of the value.
    pub end: u32,
}

/// A piece of the text that a head owns.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

/// Colon, space, CR and LF.
const AROUND: usize = 4;

/// What the pipeline adds to a head finds room without a second allocation: bytes of names and
/// values.
pub(crate) const SPARE_BYTES: usize = 512;
/// The same, in fields.
pub(crate) const SPARE_FIELDS: usize = 12;

impl Fields {
    /// Makes room for so many fields with so many bytes of names and values.
    pub fn with_capacity(bytes: usize, fields: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes + AROUND * fields),
            list: Vec::with_capacity(fields),
        }
    }

    /// Copies lines, none of which is a field until [`Fields::keep`] says so. There is room for
    /// some more bytes, and for so many fields.
    pub fn of_lines(lines: &[u8], more: usize, fields: usize) -> Self {
        let mut bytes = Vec::with_capacity(lines.len() + more);
        bytes.extend_from_slice(lines);
        Self {
            bytes,
            list: Vec::with_capacity(fields),
        }
    }

    /// Adds a field behind the others, whose line has been copied.
    pub fn keep(&mut self, line: FieldLine) {
        let name = &mut self.bytes[line.name()];
        name.make_ascii_lowercase();
        let known = FieldName::of(name);
        self.list.push(Field { known, line });
    }

    /// For how many bytes and fields there is room.
    #[cfg(test)]
    pub fn room(&self) -> (usize, usize) {
        let bytes = self.bytes.capacity() - self.bytes.len();
        (bytes, self.list.capacity() - self.list.len())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The length of names and values together.
    pub fn bytes(&self) -> usize {
        let size = |field: &Field| field.line.name().len() + field.line.value().len();
        self.list.iter().map(size).sum()
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let line = self.write(name, value);
        self.keep(line);
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: FieldName) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The values of all fields of that name.
    pub fn all(&self, name: FieldName) -> impl Iterator<Item = &[u8]> {
        let same = move |field: &&Field| field.known == name;
        self.list
            .iter()
            .filter(same)
            .map(|field| &self.bytes[field.line.value()])
    }

    /// The value of the first field of any name, which is given in lower case.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        let same = |field: &&Field| self.bytes[field.line.name()] == *name;
        let field = self.list.iter().find(same)?;
        Some(&self.bytes[field.line.value()])
    }

    /// Makes the value the only one of that name.
    pub fn set(&mut self, name: FieldName, value: &[u8]) {
        let line = self.write(name.as_str().as_bytes(), value);
        let mut first = true;
        self.list.retain_mut(|field| {
            if field.known != name {
                return true;
            }
            field.line = line;
            std::mem::take(&mut first)
        });
        if first {
            self.list.push(Field { known: name, line });
        }
    }

    /// Keeps the fields of which that is true, given the name and the value.
    pub fn retain(&mut self, keep: impl Fn(FieldName, &[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.list.retain(|field| {
            let line = field.line;
            keep(field.known, &bytes[line.name()], &bytes[line.value()])
        });
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pair = |field: &Field| {
            (
                &self.bytes[field.line.name()],
                &self.bytes[field.line.value()],
            )
        };
        self.list.iter().map(pair)
    }

    /// The same, each with what the proxy knows its name as.
    pub fn iter_known(&self) -> impl Iterator<Item = (FieldName, &[u8])> {
        let pair = |field: &Field| (field.known, &self.bytes[field.line.value()]);
        self.list.iter().map(pair)
    }

    /// All lines in order, with CR LF behind each; those that stand together come together.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.list.iter().map(|field| field.line.whole()).peekable();
        std::iter::from_fn(move || {
            let mut lines = rest.next()?;
            while let Some(next) = rest.next_if(|next| next.start == lines.end) {
                lines.end = next.end;
            }
            Some(&self.bytes[lines])
        })
    }

    /// Writes a line, which is not a field yet.
    fn write(&mut self, name: &[u8], value: &[u8]) -> FieldLine {
        self.bytes.reserve(name.len() + value.len() + AROUND);
        let start = self.offset();
        self.bytes.extend_from_slice(name);
        let colon = self.offset();
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        let end = self.offset();
        self.bytes.extend_from_slice(b"\r\n");
        FieldLine { start, colon, end }
    }

    /// Where the next text starts. Heads are bounded, and so is what is added to them.
    fn offset(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn store(&mut self, text: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        Span {
            start,
            end: self.bytes.len(),
        }
    }

    pub(super) fn text(&self, span: Span) -> &[u8] {
        &self.bytes[span.start..span.end]
    }
}

impl FieldLine {
    fn name(self) -> Range<usize> {
        self.start as usize..self.colon as usize
    }

    fn value(self) -> Range<usize> {
        self.colon as usize + 2..self.end as usize
    }

    fn whole(self) -> Range<usize> {
        self.start as usize..self.end as usize + 2
    }
}

/// What they say counts, and not where it is kept.
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl std::fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = formatter.debug_map();
        for (name, value) in self.iter() {
            map.entry(
                &String::from_utf8_lossy(name),
                &String::from_utf8_lossy(value),
            );
        }
        map.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        let mut fields = Fields::default();
        fields.push(b"Accept", b"a");
        fields.push(b"X-Request-ID", b"1");
        fields.push(b"accept", b"b");
        fields.push(b"x-request-id", b"2");
        fields
    }

    fn list(fields: &Fields) -> Vec<(&[u8], &[u8])> {
        fields.iter().collect()
    }

    #[test]
    fn keeps_the_order_and_lowers_names() {
        let fields = sample();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"accept", b"a"),
            (b"x-request-id", b"1"),
            (b"accept", b"b"),
            (b"x-request-id", b"2"),
        ];
        assert_eq!(list(&fields), expected);
        assert_eq!(fields.bytes(), 2 * (6 + 1) + 2 * (12 + 1));
        assert_eq!(fields.find(b"accept"), Some(&b"a"[..]));
        assert_eq!(fields.find(b"host"), None);
        let both: Vec<_> = fields.all(FieldName::XRequestId).collect();
        assert_eq!(both, [b"1", b"2"]);
    }

    #[test]
    fn sets_one_value_in_the_place_of_the_first() {
        let mut fields = sample();
        fields.set(FieldName::XRequestId, b"three");
        fields.set(FieldName::Server, b"envoy");
        let expected: [(&[u8], &[u8]); 4] = [
            (b"accept", b"a"),
            (b"x-request-id", b"three"),
            (b"accept", b"b"),
            (b"server", b"envoy"),
        ];
        assert_eq!(list(&fields), expected);
    }

    #[test]
    fn lines_that_stand_together_come_together() {
        let text = b"Host: a\r\nAccept: b\r\nX-One: c\r\nTe:d\r\n";
        let mut fields = Fields::of_lines(text, 0, 4);
        let line = |start, colon, end| FieldLine { start, colon, end };
        fields.keep(line(9, 15, 18));
        fields.keep(line(20, 25, 28));
        let pieces = |fields: &Fields| fields.lines().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert_eq!(pieces(&fields), [b"accept: b\r\nx-one: c\r\n"]);
        fields.push(b"TE", b"d");
        fields.push(b"Server", b"");
        let all = b"accept: b\r\nx-one: c\r\nte: d\r\nserver: \r\n";
        assert_eq!(pieces(&fields).concat(), all);
        fields.set(FieldName::Server, b"e");
        fields.retain(|_, name, _| name != b"x-one");
        assert_eq!(
            pieces(&fields),
            [&b"accept: b\r\n"[..], b"te: d\r\n", b"server: e\r\n"]
        );
        assert_eq!(fields.bytes(), 6 + 1 + 2 + 1 + 6 + 1);
        assert_eq!(fields.find(b"te"), Some(&b"d"[..]));
        let mut same = Fields::default();
        for (name, value) in [("accept", "b"), ("te", "d"), ("server", "e")] {
            same.push(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(fields, same);
        same.set(FieldName::Te, b"f");
        assert_ne!(fields, same);
    }

    #[test]
    fn removes_by_name_and_by_what_is_in_it() {
        let mut fields = sample();
        fields.retain(|known, _, _| known != FieldName::XRequestId);
        assert_eq!(fields.len(), 2);
        fields.retain(|_, name, value| name == b"accept" && value != b"a");
        assert_eq!(list(&fields), [(&b"accept"[..], &b"b"[..])]);
        assert_eq!(fields.get(FieldName::XRequestId), None);
    }
}
