//! The codec driven over the bytes of a whole connection, for property tests and fuzz
//! targets.

use http::Method;

use super::{
    chunked::Step,
    decoder::Decoder,
    encoder::Encoder,
    framing::Framing,
    limits::Limits,
    refusal::BadBody,
    request::{ParsedRequest, parse_request},
    response::{ParsedResponse, parse_response},
    write_request::write_request,
    write_response::{ResponseOptions, write_response},
};
use crate::message::Fields;

/// What a connection's bytes come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A head.
    Head(Head),
    /// All that was received of a body, if there was something.
    Data(Vec<u8>),
    /// The end of a message.
    End(Option<Trailers>),
    /// What follows is not valid, for the reason with this label.
    Refused(&'static str),
}

/// A head of either kind.
#[derive(Debug, PartialEq, Eq)]
pub struct Head(Parsed);

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Request(ParsedRequest),
    Response(ParsedResponse),
}

/// The fields of a trailer section.
#[derive(Debug, PartialEq, Eq)]
pub struct Trailers(Fields);

impl Head {
    /// The bytes of the input that it took.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Parsed::Request(request) => request.len,
            Parsed::Response(response) => response.len,
        }
    }

    fn framing(&self) -> Framing {
        match &self.0 {
            Parsed::Request(request) => request.framing,
            Parsed::Response(response) => response.framing,
        }
    }

    fn is_interim(&self) -> bool {
        match &self.0 {
            Parsed::Request(_) => false,
            Parsed::Response(response) => response.head.is_interim(),
        }
    }
}

/// Reads requests until the bytes end or something is refused. The bytes come in pieces of
/// these lengths, again and again; one of length 0 is read as the rest.
pub fn read_requests(input: &[u8], pieces: &[u8]) -> Vec<Event> {
    let parse = |input: &[u8], limits: &Limits| match parse_request(input, limits) {
        Ok(parsed) => Ok(parsed.map(|request| Head(Parsed::Request(request)))),
        Err(reason) => Err(reason.as_str()),
    };
    Replay::new(input, pieces).run(&parse, Decoder::new)
}

/// Reads the responses to requests of one method in the same way.
pub fn read_responses(input: &[u8], pieces: &[u8], method: &str) -> Vec<Event> {
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    let parse = |input: &[u8], limits: &Limits| match parse_response(input, limits, &method) {
        Ok(parsed) => Ok(parsed.map(|response| Head(Parsed::Response(response)))),
        Err(reason) => Err(reason.as_str()),
    };
    Replay::new(input, pieces).run(&parse, Decoder::of_response)
}

/// Encodes the first request again, if it is complete.
pub fn rewrite_request(events: &[Event]) -> Option<Vec<u8>> {
    rewrite(events, |head, out| match &head.0 {
        Parsed::Request(request) => Some(write_request(&request.head, None, out)),
        Parsed::Response(_) => None,
    })
}

/// Encodes the first response again for an HTTP/1.1 client, if it is complete.
pub fn rewrite_response(events: &[Event], method: &str) -> Option<Vec<u8>> {
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
    rewrite(events, |head, out| match &head.0 {
        Parsed::Request(_) => None,
        Parsed::Response(response) => {
            let options = ResponseOptions {
                method,
                version: http::Version::HTTP_11,
                keep_alive: response.keep_alive,
            };
            Some(write_response(&response.head, &options, out).0)
        }
    })
}

fn rewrite(
    events: &[Event],
    write: impl FnOnce(&Head, &mut Vec<u8>) -> Option<Encoder>,
) -> Option<Vec<u8>> {
    let Some((Event::Head(head), events)) = events.split_first() else {
        return None;
    };
    let mut out = Vec::new();
    let mut encoder = write(head, &mut out)?;
    for event in events {
        match event {
            Event::Data(data) => encoder.write(data, &mut out).ok()?,
            Event::End(trailers) => {
                let trailers = trailers.as_ref().map(|trailers| &trailers.0);
                encoder.finish(trailers, &mut out).ok()?;
                return Some(out);
            }
            Event::Head(_) | Event::Refused(_) => return None,
        }
    }
    None
}

/// A connection, as far as it has been read.
struct Replay<'a> {
    input: &'a [u8],
    pieces: &'a [u8],
    next_piece: usize,
    /// What has been consumed of the input, and what has been received.
    start: usize,
    end: usize,
    limits: Limits,
    events: Vec<Event>,
}

type Parse<'a> = &'a dyn Fn(&[u8], &Limits) -> Result<Option<Head>, &'static str>;

impl<'a> Replay<'a> {
    fn new(input: &'a [u8], pieces: &'a [u8]) -> Self {
        Self {
            input,
            pieces,
            next_piece: 0,
            start: 0,
            end: 0,
            limits: Limits::default(),
            events: Vec::new(),
        }
    }

    /// Receives another piece; false at the end of the input.
    fn receive(&mut self) -> bool {
        let rest = self.input.len() - self.end;
        let piece = self.pieces.get(self.next_piece % self.pieces.len().max(1));
        self.next_piece += 1;
        self.end += match piece.copied().unwrap_or(0) {
            0 => rest,
            length => rest.min(length.into()),
        };
        rest > 0
    }

    fn run(mut self, parse: Parse<'_>, decoder: fn(Framing, &Limits) -> Decoder) -> Vec<Event> {
        let refused = loop {
            let head = match self.head(parse) {
                Ok(Some(head)) => head,
                Ok(None) => return self.events,
                Err(reason) => break reason,
            };
            let mut decoder = decoder(head.framing(), &self.limits);
            let is_interim = head.is_interim();
            self.events.push(Event::Head(head));
            if is_interim {
                continue;
            }
            match self.body(&mut decoder) {
                Ok(true) => {}
                Ok(false) => return self.events,
                Err(reason) => break reason,
            }
        };
        self.events.push(Event::Refused(refused));
        self.events
    }

    fn head(&mut self, parse: Parse<'_>) -> Result<Option<Head>, &'static str> {
        let mut seen = 0;
        loop {
            let received = &self.input[self.start..self.end];
            // The first look is at whatever is there.
            if (seen == 0 || self.limits.may_have_changed(received, seen))
                && let Some(head) = parse(received, &self.limits)?
            {
                assert!(head.bytes() <= received.len());
                self.start += head.bytes();
                return Ok(Some(head));
            }
            seen = received.len();
            if !self.receive() {
                return Ok(None);
            }
        }
    }

    /// Whether the body came to its end.
    fn body(&mut self, decoder: &mut Decoder) -> Result<bool, &'static str> {
        let mut body = Vec::new();
        let end = self.pieces_of_body(decoder, &mut body);
        if !body.is_empty() {
            self.events.push(Event::Data(body));
        }
        let trailers = match end {
            Ok(Some(trailers)) => trailers,
            Ok(None) if decoder.end_of_input().is_ok() => None,
            Ok(None) => return Ok(false),
            Err(reason) => return Err(reason),
        };
        assert!(decoder.is_finished());
        self.events.push(Event::End(trailers.map(Trailers)));
        Ok(true)
    }

    fn pieces_of_body(
        &mut self,
        decoder: &mut Decoder,
        body: &mut Vec<u8>,
    ) -> Result<Option<Option<Fields>>, &'static str> {
        loop {
            let received = &self.input[self.start..self.end];
            let step = decoder.next(received).map_err(BadBody::as_str)?;
            match step {
                Step::Data { skip, len } => {
                    assert!(len > 0 && skip + len <= received.len());
                    body.extend_from_slice(&received[skip..skip + len]);
                    decoder.consumed(len);
                    self.start += skip + len;
                }
                Step::End { skip, trailers } => {
                    assert!(skip <= received.len());
                    self.start += skip;
                    return Ok(Some(trailers));
                }
                Step::More { skip } => {
                    assert!(skip <= received.len());
                    self.start += skip;
                    if !self.receive() {
                        return Ok(None);
                    }
                }
            }
        }
    }
}
