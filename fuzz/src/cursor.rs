//! The fuzzer's bytes as instructions.

/// What is left of them. After the last byte, zeroes are read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// All of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// A number below that.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end.max(1)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// So many bytes, or what is left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The bytes before the next one of that value, which is passed over.
    pub fn until(&mut self, end: u8) -> &'a [u8] {
        let found = self.0.iter().position(|byte| *byte == end);
        let taken = self.take(found.unwrap_or(self.0.len()));
        self.take(1);
        taken
    }

    /// What is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.take(self.0.len())
    }
}

/// Cuts bytes into pieces of these lengths, again and again; one of length 0 is the rest.
pub(crate) fn pieces<'a>(mut bytes: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut next = 0;
    while !bytes.is_empty() {
        let length = lengths.get(next % lengths.len().max(1)).copied();
        next += 1;
        let length = match length.unwrap_or(0) {
            0 => bytes.len(),
            length => bytes.len().min(length.into()),
        };
        let (piece, rest) = bytes.split_at(length);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
