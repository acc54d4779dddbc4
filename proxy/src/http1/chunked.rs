//! Bodies in chunks (RFC 9112, 7.1).

use super::{
    limits::{CHUNK_WORTH, Limits},
    refusal::BadBody,
    trailers::TrailerSection,
};
use crate::message::{Fields, TrailersOf};

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// After `skip` bytes of framing come `len` bytes of the body, at least one.
    Data { skip: usize, len: usize },
    /// The body has ended after `skip` bytes, with trailers if there were some.
    End {
        skip: usize,
        trailers: Option<Fields>,
    },
    /// `skip` bytes of framing can go; more input is needed.
    More { skip: usize },
}

/// A body in chunks as it comes in. All framing is passed over as soon as it is seen, so
/// that the outcome does not depend on how the input is cut.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
    /// Bytes of the line of the current chunk's size that have been seen.
    line: usize,
    most_line: usize,
    /// Bytes of lines that are beyond what the chunks are worth.
    overhead: u64,
    most_overhead: u64,
    /// Blanks may stand between a chunk's size and the end of the line.
    is_padding_allowed: bool,
    trailers: TrailerSection,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A chunk's size, of which there is a first digit or not.
    Size {
        size: u64,
        has_digit: bool,
    },
    /// Blanks after the size.
    Padding {
        size: u64,
    },
    Extension {
        size: u64,
    },
    LineFeed {
        size: u64,
    },
    /// So many bytes of data, at least one.
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailers,
    Finished,
}

const START: Place = Place::Size {
    size: 0,
    has_digit: false,
};

impl Chunks {
    /// In chunks of requests, no blanks are allowed behind sizes.
    pub fn new(of: TrailersOf, limits: &Limits) -> Self {
        Self {
            place: START,
            line: 0,
            most_line: limits.chunk_line,
            overhead: 0,
            most_overhead: limits.chunk_overhead as u64,
            is_padding_allowed: of == TrailersOf::Response,
            trailers: TrailerSection::new(of, limits),
        }
    }

    pub fn next(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        let mut skip = 0;
        while let Some((&byte, _)) = input.get(skip..).and_then(<[u8]>::split_first) {
            match self.place {
                Place::Data { left } => {
                    let there = input.len() - skip;
                    let len = usize::try_from(left).map_or(there, |left| left.min(there));
                    return Ok(Step::Data { skip, len });
                }
                Place::Trailers => {
                    let (taken, trailers) = self.trailers.read(&input[skip..])?;
                    skip += taken;
                    if let Some(trailers) = trailers {
                        self.place = Place::Finished;
                        let trailers = (!trailers.is_empty()).then_some(trailers);
                        return Ok(Step::End { skip, trailers });
                    }
                }
                Place::Finished => break,
                place => {
                    self.place = self.after(place, byte)?;
                    skip += 1;
                }
            }
        }
        Ok(match self.place {
            Place::Finished => Step::End {
                skip,
                trailers: None,
            },
            _ => Step::More { skip },
        })
    }

    /// Passes over bytes of data.
    pub fn consumed(&mut self, data: usize) {
        if let Place::Data { left } = self.place {
            self.place = match left.saturating_sub(data as u64) {
                0 => Place::DataCr,
                left => Place::Data { left },
            };
        }
    }

    pub fn is_finished(&self) -> bool {
        matches!(self.place, Place::Finished)
    }

    /// Where one is after a byte of framing.
    fn after(&mut self, place: Place, byte: u8) -> Result<Place, BadBody> {
        match place {
            Place::DataCr if byte == b'\r' => return Ok(Place::DataLf),
            Place::DataLf if byte == b'\n' => return Ok(START),
            Place::DataCr | Place::DataLf => return Err(BadBody::ChunkEnd),
            _ => {}
        }
        self.line += 1;
        if self.line > self.most_line {
            return Err(BadBody::ChunkLineTooLong);
        }
        match (place, byte) {
            (Place::LineFeed { size }, b'\n') => {
                self.end_line(size)?;
                Ok(match size {
                    0 => Place::Trailers,
                    left => Place::Data { left },
                })
            }
            (Place::LineFeed { .. }, _) => Err(BadBody::ChunkLineEnd),
            (Place::Size { has_digit, size }, _) => after_size(byte, size, has_digit),
            (Place::Padding { size }, b'\r') if self.is_padding_allowed => {
                Ok(Place::LineFeed { size })
            }
            (Place::Padding { size }, b' ' | b'\t') => Ok(Place::Padding { size }),
            (Place::Padding { size }, b';') => Ok(Place::Extension { size }),
            (Place::Padding { .. }, _) => Err(BadBody::ChunkSize),
            (Place::Extension { size }, b'\r') => Ok(Place::LineFeed { size }),
            (Place::Extension { .. }, b'\n') => Err(BadBody::ChunkLineEnd),
            (Place::Extension { .. }, 0..=8 | 0x0b..=0x1f | 0x7f) => Err(BadBody::ChunkExtension),
            (place, _) => Ok(place),
        }
    }

    /// Weighs a line against its chunk.
    fn end_line(&mut self, size: u64) -> Result<(), BadBody> {
        let line = std::mem::take(&mut self.line) as u64;
        let worth = size.saturating_mul(2).saturating_add(CHUNK_WORTH);
        self.overhead = (self.overhead + line).saturating_sub(worth);
        match self.overhead > self.most_overhead {
            true => Err(BadBody::ChunkOverhead),
            false => Ok(()),
        }
    }
}

fn after_size(byte: u8, size: u64, has_digit: bool) -> Result<Place, BadBody> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        b'\r' if has_digit => return Ok(Place::LineFeed { size }),
        b'\n' if has_digit => return Err(BadBody::ChunkLineEnd),
        b';' if has_digit => return Ok(Place::Extension { size }),
        b' ' | b'\t' if has_digit => return Ok(Place::Padding { size }),
        _ => return Err(BadBody::ChunkSize),
    };
    // Some servers read sizes as signed.
    if size > i64::MAX.unsigned_abs() >> 4 {
        return Err(BadBody::ChunkTooLarge);
    }
    Ok(Place::Size {
        size: size << 4 | u64::from(digit),
        has_digit: true,
    })
}
