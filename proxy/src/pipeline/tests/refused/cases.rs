//! What is refused, by reason.

/// A reason, and a message that is refused for it.
type Case = (&'static str, String);

/// Requests that are refused.
pub fn requests() -> Vec<Case> {
    let head = |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let start = |lines: &str| format!("{lines}\r\n");
    let mut cases = heads(head);
    cases.extend(bodies(&head("Transfer-Encoding: chunked\r\n")));
    cases.extend([
        (
            "body_disallowed",
            start("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 3\r\n"),
        ),
        ("connection_header_rejected", head("Connection: host\r\n")),
        (
            "empty_lines",
            start("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n"),
        ),
        ("invalid_host", start("GET / HTTP/1.1\r\nHost: a b\r\n")),
        ("invalid_method", start("G(T / HTTP/1.1\r\nHost: a\r\n")),
        ("invalid_request_line", start("GET /\r\nHost: a\r\n")),
        ("invalid_url", start("GET a HTTP/1.1\r\nHost: a\r\n")),
        ("missing_host", start("GET / HTTP/1.1\r\n")),
        (
            "path_normalization_failed",
            start("GET /%00 HTTP/1.1\r\nHost: a\r\n"),
        ),
        ("several_hosts", head("Host: b\r\n")),
        (
            "transfer_encoding_not_allowed",
            start("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (
            "unsupported_method",
            start("FROB / HTTP/1.1\r\nHost: a\r\n"),
        ),
        (
            "unsupported_version",
            start("GET / HTTP/1.2\r\nHost: a\r\n"),
        ),
        (
            "upgrade_failed",
            start("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n"),
        ),
    ]);
    cases
}

/// Responses that are refused.
pub fn responses() -> Vec<Case> {
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let start = |lines: &str| format!("{lines}\r\n");
    let mut cases = heads(head);
    cases.extend(bodies(&head("Transfer-Encoding: chunked\r\n")));
    cases.extend([
        (
            "content_length_not_allowed",
            start("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n"),
        ),
        ("invalid_status_line", start("SSH-2.0-OpenSSH_9.2\r\n")),
        (
            "switches_protocols_unasked",
            start("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n"),
        ),
        (
            "too_many_interim_responses",
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33),
        ),
        (
            "transfer_encoding_not_allowed",
            start("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"),
        ),
        ("unsupported_version", start("HTTP/1.2 200 OK\r\n")),
    ]);
    cases
}

/// Heads of either message, with these lines behind what is good.
fn heads(head: impl Fn(&str) -> String) -> Vec<Case> {
    let options = "a,".repeat(33);
    let lines = [
        ("bare_cr", "A: b\rc\r\n"),
        ("bare_lf", "A: b\n"),
        (
            "content_length_and_chunked_not_allowed",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("invalid_characters", "A: b\0\r\n"),
        ("invalid_content_length", "Content-Length: +3\r\n"),
        ("invalid_field_name", ": b\r\n"),
        (
            "invalid_transfer_encoding",
            "Transfer-Encoding: chunked, chunked\r\n",
        ),
        ("no_colon", "A\r\n"),
        ("obs_fold", "A: b\r\n c\r\n"),
        (
            "several_content_lengths",
            "Content-Length: 3\r\nContent-Length: 3\r\n",
        ),
        ("space_before_colon", "A : b\r\n"),
        (
            "unsupported_transfer_encoding",
            "Transfer-Encoding: gzip, chunked\r\n",
        ),
    ];
    let mut cases: Vec<_> = lines.map(|(reason, lines)| (reason, head(lines))).into();
    cases.extend([
        (
            "connection_header_rejected",
            head(&format!("Connection: {options}\r\n")),
        ),
        (
            "headers_too_large",
            head(&format!("A: {}\r\n", "a".repeat(60 * 1024))),
        ),
        ("too_many_headers", head(&"A: b\r\n".repeat(101))),
    ]);
    cases
}

/// Bodies in chunks behind a head.
fn bodies(head: &str) -> Vec<Case> {
    let long = "a".repeat(60 * 1024);
    let wasteful = format!("1;{}\r\na\r\n", "a".repeat(500));
    let bodies = [
        ("chunk_overhead_too_large", wasteful.repeat(40)),
        ("chunk_line_too_long", format!("3;{}\r\n", "a".repeat(512))),
        ("chunk_too_large", "10000000000000005\r\n".to_owned()),
        ("invalid_chunk_end", "3\r\nabcd".to_owned()),
        ("invalid_chunk_extension", "3;\0\r\n".to_owned()),
        ("invalid_chunk_line_end", "3\n".to_owned()),
        ("invalid_chunk_size", "xyz\r\n".to_owned()),
        ("trailers_too_large", format!("0\r\nA: {long}\r\n\r\n")),
    ];
    let with_head = |(reason, body): (_, String)| (reason, [head, &body].concat());
    bodies.map(with_head).into()
}
