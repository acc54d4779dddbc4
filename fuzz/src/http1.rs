//! The fuzz target for the proxy's HTTP/1 codec.

use httparse::{EMPTY_HEADER, Request, Response, Status};
use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{
    Event, read_requests, read_responses, rewrite_request, rewrite_response,
};

use crate::units::{KIB, MILLISECOND};

/// A head keeps its text and a place for each field; a body is collected here, by doubling.
/// Each of many small messages has room for the fields that the proxy adds.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(16 * KIB, 256),
    total: Linear::new(16 * KIB, 512),
    time: Linear::new(MILLISECOND, 200),
};

/// As many fields as the codec takes at most.
const MOST_FIELDS: usize = 128;

/// Reads the bytes of a connection: the first byte says whether they are requests or
/// responses, and how many of the bytes that follow are lengths of pieces; the others are
/// received in such pieces.
///
/// # Panics
///
/// Panics if a check fails.
pub fn http1(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else {
        return;
    };
    let (pieces, input) = rest.split_at(usize::from(mode >> 3).min(rest.len()));
    match mode & 7 {
        0..=3 => requests(input, pieces),
        4 | 5 => responses(input, pieces, "GET"),
        6 => responses(input, pieces, "HEAD"),
        _ => responses(input, pieces, "CONNECT"),
    }
}

fn requests(input: &[u8], pieces: &[u8]) {
    let events = BOUND.hold("requests", input.len(), || read_requests(input, &[]));
    assert_eq!(read_requests(input, pieces), events, "cut into pieces");
    if let Some(Event::Head(head)) = events.first() {
        let input = in_ascii(input);
        let mut headers = [EMPTY_HEADER; MOST_FIELDS];
        let other = Request::new(&mut headers).parse(&input);
        assert_eq!(other, Ok(Status::Complete(head.bytes())), "by httparse");
    }
    if let Some(written) = rewrite_request(&events) {
        let again = read_requests(&written, &[]);
        if has_outgrown_limits(&again) {
            return;
        }
        assert_eq!(rewrite_request(&again), Some(written), "written again");
        assert_eq!(body(&again), body(&events));
        // Nothing of a request can become another one.
        assert_eq!(heads(&again), 1);
        assert!(matches!(again.last(), Some(Event::End(_))));
    }
}

fn responses(input: &[u8], pieces: &[u8], method: &str) {
    let read = || read_responses(input, &[], method);
    let events = BOUND.hold("responses", input.len(), read);
    let in_pieces = read_responses(input, pieces, method);
    assert_eq!(in_pieces, events, "cut into pieces");
    if let Some(Event::Head(head)) = events.first() {
        let mut headers = [EMPTY_HEADER; MOST_FIELDS];
        let other = Response::new(&mut headers).parse(input);
        assert_eq!(other, Ok(Status::Complete(head.bytes())), "by httparse");
    }
    if let Some(written) = rewrite_response(&events, method) {
        let again = read_responses(&written, &[], method);
        if has_outgrown_limits(&again) {
            return;
        }
        assert_eq!(
            rewrite_response(&again, method),
            Some(written),
            "written again"
        );
        assert_eq!(body(&again), body(&events));
        assert_eq!(heads(&again), 1);
    }
}

/// The fields that a codec adds can be those by which a head has too many.
fn has_outgrown_limits(events: &[Event]) -> bool {
    let first = events.first();
    matches!(
        first,
        Some(Event::Refused("too_many_headers" | "headers_too_large"))
    )
}

/// Targets with other bytes are passed on, but httparse wants them to be UTF-8.
fn in_ascii(input: &[u8]) -> Vec<u8> {
    let replaced = |byte: &u8| if byte.is_ascii() { *byte } else { b'a' };
    input.iter().map(replaced).collect()
}

/// The body of the first message.
fn body(events: &[Event]) -> Option<&[u8]> {
    match events.get(1) {
        Some(Event::Data(data)) => Some(data),
        _ => None,
    }
}

fn heads(events: &[Event]) -> usize {
    let is_head = |event: &&Event| matches!(event, Event::Head(_));
    events.iter().filter(is_head).count()
}
