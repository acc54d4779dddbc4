//! What we end before its time: streams by RST_STREAM, connections by GOAWAY.
//!
//! h2 does not tell what it ends by itself, but all of it passes by when it is written.

use std::io::IoSlice;

use pillion_serve::{FrameHead, FrameScanner};

/// A frame that ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stream,
    Connection,
}

impl Ending {
    /// Of a frame's type, and where in its payload the error code ends.
    fn of(kind: u8) -> Option<(Self, usize)> {
        match kind {
            3 => Some((Self::Stream, 4)),
            // The last stream's number is in front of the code.
            7 => Some((Self::Connection, 8)),
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

/// A frame that ends something, whose error code has not come yet.
#[derive(Debug)]
struct Begun {
    ending: Ending,
    /// Its payload, until the code ends.
    payload: [u8; 8],
    filled: usize,
    end: usize,
}

impl Begun {
    fn of(head: FrameHead) -> Option<Self> {
        let (ending, end) = Ending::of(head.kind)?;
        Some(Self {
            ending,
            payload: [0; 8],
            filled: 0,
            end,
        })
    }

    /// Reads more of the payload: returns the error code once it is complete.
    fn read(&mut self, bytes: &[u8]) -> Option<u32> {
        let room = &mut self.payload[self.filled..self.end];
        let part = &bytes[..room.len().min(bytes.len())];
        room[..part.len()].copy_from_slice(part);
        self.filled += part.len();
        let code = self.payload[..self.filled].last_chunk();
        code.filter(|_| self.filled == self.end)
            .map(|code| u32::from_be_bytes(*code))
    }
}

/// Finds them in what is written, wherever that is cut.
#[derive(Debug)]
pub(super) struct Endings {
    scanner: FrameScanner,
    begun: Option<Begun>,
}

impl Endings {
    /// In what a server writes.
    pub fn of_server() -> Self {
        Self {
            scanner: FrameScanner::of_server(),
            begun: None,
        }
    }

    /// In what a client writes, which begins with a preface.
    pub fn of_client() -> Self {
        Self {
            scanner: FrameScanner::of_client(),
            begun: None,
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
        loop {
            // The scanner passes over the payload afterwards.
            if let Some(begun) = &mut self.begun
                && let Some(code) = begun.read(bytes)
            {
                found(begun.ending, code);
                self.begun = None;
            }
            let Some((head, rest)) = self.scanner.next(bytes) else {
                return;
            };
            self.begun = Begun::of(head);
            bytes = rest;
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
        let bytes = [&[b'p'; 24][..], &bytes()].concat();
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
