//! What holds for all input.

use proptest::{collection::vec, prelude::*};

use super::{
    chunked::Step,
    decoder::Decoder,
    framing::Framing,
    limits::Limits,
    replay::{Event, read_requests, read_responses, rewrite_request, rewrite_response},
};

/// Lines and pieces of lines, most of them good, some of them traps.
const WORDS: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "CONNECT a:443 HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET http://a/b HTTP/1.1\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 103 Early Hints\r\n",
    "HTTP/1.1 304\r\n",
    "Host: a\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Connection: close\r\n",
    "Connection: upgrade, x-one\r\n",
    "Upgrade: websocket\r\n",
    "X-One: 1\r\n",
    "TE: trailers\r\n",
    "Keep-Alive: timeout=5\r\n",
    "\r\n",
    "\r\n\r\n",
    "3\r\nabc\r\n",
    "3;ext\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\ngrpc-status: 0\r\n\r\n",
    "abc",
    "\n",
    "\r",
    " ",
    "\0",
    ":",
];

/// Whole messages, which are seldom made of words by chance.
const MESSAGES: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nb: c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3  \r\nabc\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nServer: a\r\n\r\nabc",
    "HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n",
];

fn input() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => proptest::sample::select(MESSAGES).prop_map(|text| text.as_bytes().to_vec()),
        8 => proptest::sample::select(WORDS).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    (vec(word, 0..12), any::<Option<(u16, u8)>>()).prop_map(|(words, change)| {
        let mut bytes = words.concat();
        if let Some((place, byte)) = change
            && !bytes.is_empty()
        {
            let place = usize::from(place) % bytes.len();
            bytes[place] = byte;
        }
        bytes
    })
}

fn method() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&["GET", "HEAD", "CONNECT"][..])
}

/// The first message alone, without how many bytes its head took and how it was cut.
fn shape(mut events: Vec<Event>) -> Vec<String> {
    events.truncate(3);
    events.iter().map(|event| format!("{event:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn requests_do_not_depend_on_how_they_are_cut(input in input(), pieces in vec(1..40_u8, 1..6)) {
        prop_assert_eq!(read_requests(&input, &pieces), read_requests(&input, &[]));
    }

    #[test]
    fn responses_do_not_depend_on_how_they_are_cut(
        input in input(), pieces in vec(1..40_u8, 1..6), method in method(),
    ) {
        prop_assert_eq!(read_responses(&input, &pieces, method), read_responses(&input, &[], method));
    }

    #[test]
    fn a_request_that_was_written_is_read_as_the_same(input in input()) {
        if let Some(written) = rewrite_request(&read_requests(&input, &[])) {
            let again = read_requests(&written, &[]);
            prop_assert_eq!(rewrite_request(&again), Some(written.clone()));
            let is_whole = matches!(again.as_slice(), [Event::Head(_), Event::Data(_), Event::End(_)] | [Event::Head(_), Event::End(_)]);
            prop_assert!(is_whole, "{:?} from {:?}", shape(again), String::from_utf8_lossy(&written));
        }
    }

    #[test]
    fn a_response_that_was_written_is_read_as_the_same(input in input(), method in method()) {
        let events = read_responses(&input, &[], method);
        if let Some(written) = rewrite_response(&events, method) {
            let again = read_responses(&written, &[], method);
            prop_assert_eq!(rewrite_response(&again, method), Some(written));
        }
    }

    #[test]
    fn reads_heads_as_httparse_does(input in input()) {
        // It wants targets to be UTF-8.
        let input: Vec<_> = input.iter().map(|byte| byte & 0x7f).collect();
        if let Some(Event::Head(head)) = read_requests(&input, &[]).first() {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut request = httparse::Request::new(&mut headers);
            let other = request.parse(&input);
            prop_assert_eq!(other, Ok(httparse::Status::Complete(head.bytes())));
        }
    }

    #[test]
    fn the_decoder_skips_only_what_it_has_seen(
        input in vec(any::<u8>(), 0..64), size in any::<u64>(), extension in "[ ;a-f\r\n]{0,8}",
    ) {
        let text = [format!("{size:x}{extension}\r\n").as_bytes(), &input].concat();
        for framing in [Framing::Chunked, Framing::Length(size), Framing::UntilClose] {
            let mut decoder = Decoder::of_response(framing, &Limits::default());
            let mut rest = &text[..];
            while let Ok(step) = decoder.next(rest) {
                let (skip, data) = match step {
                    Step::Data { skip, len } => (skip, len),
                    Step::End { skip, .. } | Step::More { skip } => (skip, 0),
                };
                prop_assert!(skip + data <= rest.len());
                decoder.consumed(data);
                if data == 0 {
                    break;
                }
                rest = &rest[skip + data..];
            }
        }
    }
}
