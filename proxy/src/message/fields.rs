//! The fields of a head or of a trailer section.

use super::FieldName;

/// Fields in the order in which they came, with names in lower case, as Envoy passes them on.
///
/// Names are tokens, and values have neither CR, LF nor NUL in them: the codecs check what
/// comes from outside before they add it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    /// The text of all names and values, also of those that have been replaced.
    bytes: Vec<u8>,
    list: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    known: FieldName,
    name: Span,
    value: Span,
}

/// A piece of the text that a head owns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Fields {
    /// Makes room for a head of so many bytes and fields.
    pub fn with_capacity(bytes: usize, fields: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            list: Vec::with_capacity(fields),
        }
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
        let size = |field: &Field| field.name.len() + field.value.len();
        self.list.iter().map(size).sum()
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        self.bytes[name.start..name.end].make_ascii_lowercase();
        let known = FieldName::of(&self.bytes[name.start..name.end]);
        let value = self.store(value);
        self.list.push(Field { known, name, value });
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
            .map(|field| self.text(field.value))
    }

    /// The value of the first field of any name, which is given in lower case.
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        let same = |field: &&Field| self.text(field.name) == name;
        let field = self.list.iter().find(same)?;
        Some(self.text(field.value))
    }

    /// Makes the value the only one of that name.
    pub fn set(&mut self, name: FieldName, value: &[u8]) {
        let value = self.store(value);
        let mut first = true;
        self.list.retain_mut(|field| {
            if field.known != name {
                return true;
            }
            field.value = value;
            std::mem::take(&mut first)
        });
        if first {
            let name_at = self.store(name.as_str().as_bytes());
            self.list.push(Field {
                known: name,
                name: name_at,
                value,
            });
        }
    }

    /// Keeps the fields of which that is true, given the name and the value.
    pub fn retain(&mut self, keep: impl Fn(FieldName, &[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.list.retain(|field| {
            let (name, value) = (field.name, field.value);
            keep(
                field.known,
                &bytes[name.start..name.end],
                &bytes[value.start..value.end],
            )
        });
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pair = |field: &Field| (self.text(field.name), self.text(field.value));
        self.list.iter().map(pair)
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

impl Span {
    fn len(self) -> usize {
        self.end - self.start
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
    fn removes_by_name_and_by_what_is_in_it() {
        let mut fields = sample();
        fields.retain(|known, _, _| known != FieldName::XRequestId);
        assert_eq!(fields.len(), 2);
        fields.retain(|_, name, value| name == b"accept" && value != b"a");
        assert_eq!(list(&fields), [(&b"accept"[..], &b"b"[..])]);
        assert_eq!(fields.get(FieldName::XRequestId), None);
    }
}
