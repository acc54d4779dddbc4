//! What we end before its time: streams by RST_STREAM, connections by GOAWAY.
//!
//! h2 does not tell what it ends by itself, but all of it passes by when it is written.

use std::io::IoSlice;

/// Length, type, flags, stream.
const HEAD: usize = 9;
/// What a client's bytes begin with (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// A frame that ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stream,
    Connection,
}

impl Ending {
    /// Of a frame's type, and where its error code ends.
    fn of(kind: u8) -> Option<(Self, usize)> {
        match kind {
            3 => Some((Self::Stream, HEAD + 4)),
            // The last stream's number is in front of the code.
            7 => Some((Self::Connection, HEAD + 8)),
            _ => None,
        }
    }

    /// The frame's name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "rst_stream",
            Self::Connection => "goaway",
        }
    }
}

/// Finds them in what is written, wherever that is cut.
#[derive(Debug)]
pub(super) struct Endings {
    /// Bytes that are passed over.
    skip: usize,
    /// A frame's head, and of one that ends something what follows until its error code ends.
    read: [u8; HEAD + 8],
    filled: usize,
}

impl Endings {
    /// In what a server writes.
    pub fn of_server() -> Self {
        Self {
            skip: 0,
            read: [0; HEAD + 8],
            filled: 0,
        }
    }

    /// In what a client writes, which begins with a preface.
    pub fn of_client() -> Self {
        Self {
            skip: PREFACE,
            ..Self::of_server()
        }
    }

    /// Passes over what was written, the first bytes of these, and says of each frame that ends
    /// something with which code.
    pub fn wrote(
        &mut self,
        slices: &[IoSlice<'_>],
        mut written: usize,
        mut found: impl FnMut(Ending, u32),
    ) {
        for slice in slices {
            let part = &slice[..written.min(slice.len())];
            self.pass(part, &mut found);
            written -= part.len();
        }
    }

    fn pass(&mut self, mut bytes: &[u8], found: &mut impl FnMut(Ending, u32)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.wanted();
            let (part, rest) = bytes.split_at((wanted - self.filled).min(bytes.len()));
            self.read[self.filled..self.filled + part.len()].copy_from_slice(part);
            self.filled += part.len();
            bytes = rest;
            // The head says whether more is wanted.
            if self.filled < self.wanted() {
                continue;
            }
            let [high, middle, low, kind, ..] = self.read;
            let length = u32::from_be_bytes([0, high, middle, low]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            self.skip = length.saturating_sub(self.filled - HEAD);
            if let Some((ending, end)) = Ending::of(kind)
                && let Some(code) = self.read[..end].last_chunk()
            {
                found(ending, u32::from_be_bytes(*code));
            }
            self.filled = 0;
        }
    }

    /// How much is read of the frame.
    fn wanted(&self) -> usize {
        match Ending::of(self.read[3]) {
            Some((_, end)) if self.filled >= HEAD => end,
            _ => HEAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let [.., high, middle, low] = payload.len().to_be_bytes();
        let mut frame = vec![high, middle, low, kind, 0, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn bytes() -> Vec<u8> {
        [
            frame(4, &[]),
            frame(3, &[0, 0, 0, 8]),
            // A payload that looks like a frame.
            frame(0, &frame(3, &[0, 0, 0, 1])),
            frame(7, &[0, 0, 0, 5, 0, 0, 0, 11, b'w', b'h', b'y']),
            frame(1, &[3; 300]),
            frame(3, &[1, 2, 3, 4]),
            frame(8, &[0, 0, 0, 1]),
            frame(7, &[0, 0, 0, 5, 0, 0, 0, 0]),
        ]
        .concat()
    }

    const FOUND: [(Ending, u32); 4] = [
        (Ending::Stream, 8),
        (Ending::Connection, 11),
        (Ending::Stream, 0x0102_0304),
        (Ending::Connection, 0),
    ];

    #[test]
    fn finds_what_ends_however_it_is_cut() {
        let bytes = bytes();
        for size in [1, 2, 3, 8, 9, 10, 13, 17, 100, bytes.len()] {
            let (mut endings, mut found) = (Endings::of_server(), Vec::new());
            for piece in bytes.chunks(size) {
                endings.pass(piece, &mut |ending, code| found.push((ending, code)));
            }
            assert_eq!(found, FOUND, "in pieces of {size}");
        }
    }

    #[test]
    fn takes_of_several_slices_what_was_written() {
        let bytes = [&[b'p'; PREFACE][..], &bytes()].concat();
        for size in [1, 7, 30, 1000] {
            for most in [1, 5, 40] {
                let (mut endings, mut found) = (Endings::of_client(), Vec::new());
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let slices: Vec<_> = rest.chunks(size).map(IoSlice::new).collect();
                    let written = most.min(rest.len());
                    endings.wrote(&slices, written, |ending, code| {
                        found.push((ending, code));
                    });
                    rest = &rest[written..];
                }
                assert_eq!(found, FOUND, "{most} of pieces of {size}");
            }
        }
    }
}
