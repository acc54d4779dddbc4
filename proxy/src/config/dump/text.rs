//! The text of a dump, and how long it is already.

use std::{
    cell::Cell,
    io::{self, Write},
};

/// How long a text is, and how long it gets at most.
#[derive(Debug)]
pub(super) struct Length {
    written: Cell<usize>,
    pub(super) most: usize,
}

impl Length {
    pub(super) fn new(most: usize) -> Self {
        Self {
            written: Cell::new(0),
            most,
        }
    }

    /// Whether nothing large may follow.
    pub(super) fn is_reached(&self) -> bool {
        self.written.get() > self.most
    }
}

/// A text that tells its length to those who write it.
#[derive(Debug)]
pub(super) struct Text<'a> {
    bytes: Vec<u8>,
    length: &'a Length,
}

impl<'a> Text<'a> {
    pub(super) fn new(length: &'a Length) -> Self {
        Self {
            bytes: Vec::new(),
            length,
        }
    }

    /// The text, whose last line is whole.
    pub(super) fn into_lines(mut self) -> Vec<u8> {
        self.bytes.push(b'\n');
        self.bytes
    }
}

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        self.length.written.set(self.bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
