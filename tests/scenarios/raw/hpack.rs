//! Fields in heads of HTTP/2 (RFC 7541), as a client reads them that has asked for a table of no
//! size.

use super::text::shown;

/// The table that everybody has, from 1 on (appendix A).
const TABLE: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The codes of texts by their lengths in bits (appendix B). Codes of one length follow each other
/// in the order of their bytes. The longer ones are left out: no case has such bytes in a response.
const CODES: [(u32, &[u8]); 11] = [
    (5, b"012aceiost"),
    (6, b" %-./3456789=A_bdfghlmnpru"),
    (7, b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, b"&*,;XZ"),
    (10, b"!\"()?"),
    (11, b"'+|"),
    (12, b"#>"),
    (13, b"\0$@[]~"),
    (14, b"^}"),
    (15, b"<`{"),
    (19, b"\\\xc3\xd0"),
];

/// Names and values in a head or in trailers; `None` if the block is broken, or cites a table
/// that the client does not have.
pub fn fields(block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut block = Block(block);
    let mut fields = Vec::new();
    while let Some(&first) = block.0.first() {
        match first {
            0x80.. => {
                let (name, value) = entry(block.number(7)?)?;
                fields.push((name.to_owned(), value.to_owned()));
            }
            // To be put into the table, which has no room for it.
            0x40..=0x7f => fields.push(block.literal(6)?),
            // The size of the table.
            0x20..=0x3f => {
                block.number(5)?;
            }
            0..=0x1f => fields.push(block.literal(4)?),
        }
    }
    Some(fields)
}

fn entry(place: usize) -> Option<(&'static str, &'static str)> {
    TABLE.get(place.checked_sub(1)?).copied()
}

/// What is left of a block.
struct Block<'a>(&'a [u8]);

impl Block<'_> {
    /// A field whose name is cited in so many bits, or follows.
    fn literal(&mut self, bits: u32) -> Option<(String, String)> {
        let name = match self.number(bits)? {
            0 => self.text()?,
            place => entry(place)?.0.to_owned(),
        };
        Some((name, self.text()?))
    }

    /// A number that begins in the last bits of a byte (5.1).
    fn number(&mut self, bits: u32) -> Option<usize> {
        let most = (1 << bits) - 1;
        let mut number = usize::from(self.byte()?) & most;
        if number < most {
            return Some(number);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number += usize::from(byte & 127) << shift;
            if byte < 128 {
                return Some(number);
            }
        }
        None
    }

    /// A text, coded or not (5.2).
    fn text(&mut self) -> Option<String> {
        let is_coded = self.0.first()? & 128 != 0;
        let length = self.number(7)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        match is_coded {
            true => Some(shown(&decoded(text)?)),
            false => Some(shown(text)),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

/// The text that has this code; `None` if it has none.
fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
    let bits = |byte: u8| (0..8).rev().map(move |bit| usize::from(byte >> bit & 1));
    let mut bits = coded.iter().copied().flat_map(bits);
    let mut text = Vec::new();
    'next: loop {
        // `first` is the least code of that length.
        let (mut code, mut first, mut length) = (0, 0, 0);
        for (longer, bytes) in CODES {
            while length < longer {
                let Some(bit) = bits.next() else {
                    // What fills the last byte is ones.
                    return (length < 8 && code == (1 << length) - 1).then_some(text);
                };
                (code, first, length) = (code << 1 | bit, first << 1, length + 1);
            }
            if let Some(byte) = bytes.get(code - first) {
                text.push(*byte);
                continue 'next;
            }
            first += bytes.len();
        }
        return None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(block: &[u8]) -> Option<String> {
        let fields = fields(block)?;
        let lines = fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}"));
        Some(lines.collect::<Vec<_>>().join("\n"))
    }

    /// RFC 7541, C.5.1 and C.6.1.
    #[test]
    fn reads_fields_with_and_without_codes() {
        let expected = ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com";
        let plain = b"\x48\x03302\x58\x07private\x61\x1dMon, 21 Oct 2013 20:13:21 GMT\x6e\x17https://www.example.com";
        assert_eq!(read(plain).as_deref(), Some(expected));
        let coded = b"\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3";
        assert_eq!(read(coded).as_deref(), Some(expected));
    }

    #[test]
    fn reads_every_kind_of_field() {
        assert_eq!(
            read(b"\x20\x3f\xe1\x1f\x88").as_deref(),
            Some(":status: 200")
        );
        let never = b"\x1f\x28\x01a\x00\x01b\x01c\x0f\x0d\x012";
        assert_eq!(
            read(never).as_deref(),
            Some("set-cookie: a\nb: c\ncontent-length: 2")
        );
    }

    #[test]
    fn reads_nothing_that_is_broken_or_of_another_table() {
        // Of the table that is not there; without an end; with other bits behind a code than less
        // than eight ones.
        for bad in [
            &b"\xbe"[..],
            b"\x80",
            b"\x00\x01b\x02c",
            b"\x00\x01b\x82\x64",
            b"\x00\x01b\x81\x64",
            b"\x00\x01b\x81\xff",
            b"\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
