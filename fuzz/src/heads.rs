//! Heads of HTTP/2 in one frame or in several.

use pillion_grammar::frames::{
    END_HEADERS, frame,
    kind::{CONTINUATION, HEADERS},
    literal,
};

use crate::messages::Field;

/// Bytes of the frames of a head that is cut.
pub(crate) const SPLITS: [usize; 4] = [3, 15, 18, 45];

/// Whether these fields come in several frames of so many bytes; 0 is all of them in one.
pub(crate) fn cuts(fields: &[Field], split: usize) -> bool {
    let lengths = fields
        .iter()
        .map(|(name, value)| literal(name.as_bytes(), value).len());
    split != 0 && lengths.sum::<usize>() > split
}

/// Appends a head of stream 1, in frames of so many bytes; 0 is all of it in one.
pub(crate) fn head(bytes: &mut Vec<u8>, fields: &[Field], flags: u8, split: usize) {
    let block = fields
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value));
    let block: Vec<u8> = block.collect();
    let size = if split == 0 {
        block.len().max(1)
    } else {
        split
    };
    let mut pieces: Vec<&[u8]> = block.chunks(size).collect();
    let first = if pieces.is_empty() {
        &[][..]
    } else {
        pieces.remove(0)
    };
    let end = |is_last: bool| if is_last { END_HEADERS } else { 0 };
    frame(bytes, HEADERS, flags | end(pieces.is_empty()), 1, first);
    let count = pieces.len();
    for (at, piece) in pieces.into_iter().enumerate() {
        frame(bytes, CONTINUATION, end(at + 1 == count), 1, piece);
    }
}
