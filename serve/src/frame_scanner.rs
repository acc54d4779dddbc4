//! The headers of HTTP/2 frames in a stream of bytes (RFC 9113, 4.1).

/// "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; h2 checks its text.
const PREFACE: usize = 24;

/// Length, type, flags, stream.
const HEAD: usize = 9;

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of the payload.
    pub length: u32,
    /// The type (RFC 9113, 6).
    pub kind: u8,
    /// Those of the type.
    pub flags: u8,
}

impl FrameHead {
    fn parse(bytes: [u8; HEAD]) -> Self {
        let [high, middle, low, kind, flags, ..] = bytes;
        Self {
            length: u32::from_be_bytes([0, high, middle, low]),
            kind,
            flags,
        }
    }
}

/// Finds the headers of frames in a stream of bytes, wherever it is cut.
#[derive(Debug)]
pub struct FrameScanner {
    /// Bytes of the preface or of a payload that are still to be skipped.
    skip: usize,
    head: [u8; HEAD],
    /// How many bytes of the header have arrived.
    filled: usize,
}

impl FrameScanner {
    /// Of what a client sends, from its preface on.
    #[must_use]
    pub fn of_client() -> Self {
        Self::new(PREFACE)
    }

    /// Of what a server sends, which has no preface.
    #[must_use]
    pub fn of_server() -> Self {
        Self::new(0)
    }

    fn new(skip: usize) -> Self {
        Self {
            skip,
            head: [0; HEAD],
            filled: 0,
        }
    }

    /// The next header, and the bytes after it, which begin with the payload; `None` when more
    /// bytes are needed.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Option<(FrameHead, &'a [u8])> {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        let bytes = &bytes[skipped..];
        let taken = (HEAD - self.filled).min(bytes.len());
        let (part, rest) = bytes.split_at(taken);
        self.head[self.filled..self.filled + taken].copy_from_slice(part);
        self.filled += taken;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        let head = FrameHead::parse(self.head);
        self.skip = usize::try_from(head.length).unwrap_or(usize::MAX);
        Some((head, rest))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A frame with a payload that means nothing.
    pub(crate) fn frame(kind: u8, length: usize) -> Vec<u8> {
        let [high, middle, low] = [16, 8, 0].map(|shift| (length >> shift) as u8);
        let mut frame = vec![high, middle, low, kind, 0, 0, 0, 0, 1];
        frame.resize(HEAD + length, 0xff);
        frame
    }

    #[test]
    fn finds_every_head_however_the_bytes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (kind, length) in [(4, 0), (4, 30), (0, 70_000), (8, 4), (0xfa, 1), (1, 300)] {
            bytes.extend(frame(kind, length));
        }
        for size in [1, 2, 3, 8, 9, 10, 23, 24, 25, 1000, bytes.len()] {
            let mut scanner = FrameScanner::of_client();
            let mut found = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some((head, rest)) = scanner.next(piece) {
                    found.push((head.kind, head.length));
                    piece = rest;
                }
            }
            let all = [(4, 0), (4, 30), (0, 70_000), (8, 4), (0xfa, 1), (1, 300)];
            assert_eq!(found, all, "in pieces of {size}");
        }
    }
}
