//! Bodies as they come in.

use super::{
    chunked::{Chunks, Step},
    framing::Framing,
    limits::Limits,
    refusal::BadBody,
};
use crate::message::TrailersOf;

/// Finds the body in what is received.
///
/// The caller holds the bytes. It asks [`Decoder::next`], drops the `skip` bytes that it is
/// told, uses some or all of the `len` bytes that follow, says so with
/// [`Decoder::consumed`], and asks again with what is left and what has come since.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes are to come.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
    /// Where the body ends is not known any more.
    Bad(BadBody),
}

impl Decoder {
    /// The decoder of a request's body. It is strict.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        Self::with(framing, limits, TrailersOf::Request)
    }

    /// The decoder of a response's body.
    ///
    /// It takes blanks between a chunk's size and the end of the line, with which some old
    /// servers fill up a line that they reserved. There is only one way to read them, and what
    /// is sent on is framed again. In a request they are refused all the same: a proxy in front
    /// of us that stumbles over them might see another request behind.
    pub fn of_response(framing: Framing, limits: &Limits) -> Self {
        Self::with(framing, limits, TrailersOf::Response)
    }

    fn with(framing: Framing, limits: &Limits, of: TrailersOf) -> Self {
        let state = match framing {
            Framing::Empty => State::Length(0),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunks::new(of, limits)),
            Framing::UntilClose | Framing::Tunnel => State::UntilClose,
        };
        Self { state }
    }

    /// Looks at what has been received and not been consumed. The `skip` bytes of the outcome
    /// count as consumed.
    ///
    /// # Errors
    ///
    /// When the framing is not valid. The connection can't be used any more, and every later call returns the
    /// same error: read again, the same bytes could mean something else.
    pub fn next(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        let step = self.read(input);
        if let Err(bad) = step {
            self.state = State::Bad(bad);
        }
        step
    }

    fn read(&mut self, input: &[u8]) -> Result<Step, BadBody> {
        match &mut self.state {
            State::Length(0) => Ok(Step::End {
                skip: 0,
                trailers: None,
            }),
            State::Length(left) => Ok(data(
                usize::try_from(*left).map_or(input.len(), |left| left.min(input.len())),
            )),
            State::Chunked(chunks) => chunks.next(input),
            State::UntilClose => Ok(data(input.len())),
            State::Bad(bad) => Err(*bad),
        }
    }

    /// Passes over some of the data that [`Decoder::next`] found last.
    pub fn consumed(&mut self, data: usize) {
        match &mut self.state {
            State::Length(left) => *left = left.saturating_sub(data as u64),
            State::Chunked(chunks) => chunks.consumed(data),
            State::UntilClose | State::Bad(_) => {}
        }
    }

    /// The connection has ended, and all data has been consumed.
    ///
    /// # Errors
    ///
    /// When the body goes on.
    pub fn end_of_input(&mut self) -> Result<(), BadBody> {
        if matches!(self.state, State::UntilClose) {
            self.state = State::Length(0);
        }
        match self.state {
            State::Bad(bad) => Err(bad),
            _ if self.is_finished() => Ok(()),
            _ => Err(BadBody::Truncated),
        }
    }

    /// Whether nothing of the body is to come.
    pub fn is_finished(&self) -> bool {
        match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunks) => chunks.is_finished(),
            State::UntilClose | State::Bad(_) => false,
        }
    }
}

fn data(len: usize) -> Step {
    match len {
        0 => Step::More { skip: 0 },
        len => Step::Data { skip: 0, len },
    }
}

#[cfg(test)]
mod tests;
