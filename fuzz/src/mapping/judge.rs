//! Whether what the server of HTTP/1 gets says what was asked.
//!
//! h2 (0.4.20) refuses a head with a field that HTTP/2 forbids (`connection`, say), but where the
//! head comes in several frames, it may forget that and leave the field out (`HeaderBlock::load`).
//! So only less can be said of such a head; see the known limits in SECURITY.md.

use std::{collections::BTreeMap, net::Ipv6Addr};

use super::asked::Asked;
use crate::{
    messages::{Field, Framing, Line, Message},
    model::{is_own, passed_on_behind},
};

/// Checks that a message says the same.
pub(super) fn check(asked: &Asked, got: &Message) {
    check_body(asked, got);
    if asked.cuts(&asked.head) {
        check_part(asked, got);
    } else {
        check_all(asked, got);
    }
    check_trailers(asked, got);
}

fn check_body(asked: &Asked, got: &Message) {
    let data = asked.data.concat();
    if is_upgrade(got) {
        // They wait for a 101, which this server does not send.
        assert!(
            got.body.is_empty(),
            "bytes of an upgrade that did not happen"
        );
    } else if got.method() == "CONNECT" && !asked.ends_with_data() {
        // A tunnel that breaks off loses what is under way.
        assert!(data.starts_with(&got.body), "{got:#?}");
    } else {
        assert_eq!(got.body, data);
    }
}

fn is_upgrade(got: &Message) -> bool {
    got.all("upgrade").next().is_some()
}

/// Of a head in several frames. What is there was asked, and there is nothing else.
fn check_part(asked: &Asked, got: &Message) {
    let Line::Request { method, target, .. } = &got.line else {
        panic!("{got:#?}");
    };
    let is_asked = |name: &str, value: &[u8]| asked.all(name).contains(&value);
    assert!(
        is_upgrade(got) || is_asked(":method", method.as_bytes()),
        "{got:#?}"
    );
    let host = got.all("host").next().unwrap_or_default();
    assert!(
        is_asked(":authority", host) || is_asked("host", host),
        "{got:#?}"
    );
    check_host(method, host);
    let is_changed = method == "CONNECT" || asked.all(":path").contains(&&b"/a/../b"[..]);
    assert!(is_changed || is_asked(":path", target), "{got:#?}");
    let fields = got.fields.iter().filter(|(name, _)| !is_special(name));
    for (name, value) in fields.filter(|(name, _)| name != "cookie") {
        assert!(is_asked(name, value), "{name} from nowhere");
    }
}

/// A server of HTTP/1 would answer other hosts with 400 (RFC 9112, 3.2), or take them for something else.
fn check_host(method: &str, host: &[u8]) {
    let text = str::from_utf8(host).unwrap_or("not UTF-8");
    let (name, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((address, rest))) => {
            assert!(address.parse::<Ipv6Addr>().is_ok(), "{text:?}");
            assert!(rest.is_empty() || rest.starts_with(':'), "{text:?}");
            ("address", rest.strip_prefix(':'))
        }
        Some(None) => panic!("{text:?} has half of its brackets"),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let is_letter =
        |letter: char| letter.is_ascii_alphanumeric() || "-._~!$&'()*+,;=%".contains(letter);
    assert!(!name.is_empty() && name.chars().all(is_letter), "{text:?}");
    let port = port.unwrap_or_default();
    assert!(port.chars().all(|digit| digit.is_ascii_digit()), "{text:?}");
    assert!(port.is_empty() || port.parse::<u16>().is_ok(), "{text:?}");
    assert!(
        !port.is_empty() || method != "CONNECT",
        "{text:?} has no port"
    );
}

fn check_all(asked: &Asked, got: &Message) {
    let Line::Request { method, target, .. } = &got.line else {
        panic!("{got:#?}");
    };
    let upgrade = asked.all(":protocol");
    let methods = asked.all(":method");
    assert_eq!(methods.len(), 1, "{got:#?}");
    match upgrade[..] {
        [] => assert_eq!(method.as_bytes(), methods[0]),
        [protocol] => {
            assert_eq!((&method[..], methods[0]), ("GET", &b"CONNECT"[..]));
            assert_eq!(got.all("upgrade").collect::<Vec<_>>(), [protocol]);
            assert!(got.lists("connection", "upgrade"));
        }
        _ => panic!("two protocols"),
    }
    let hosts = [asked.all(":authority"), asked.all("host")].concat();
    let got_hosts: Vec<_> = got.all("host").collect();
    assert_eq!(got_hosts.len(), 1);
    assert!(!hosts.is_empty(), "a host from nowhere");
    check_host(method, got_hosts[0]);
    for host in hosts {
        assert!(host.eq_ignore_ascii_case(got_hosts[0]), "{host:?}");
    }
    if *method != "CONNECT" {
        let paths = asked.all(":path");
        assert_eq!(paths.len(), 1);
        let is_plain = |path: &[u8]| !path.contains(&b'.');
        assert!(!is_plain(paths[0]) || target == paths[0], "{target:?}");
    }
    let lengths = asked.all("content-length");
    for length in &lengths {
        assert_eq!(*length, got.body.len().to_string().as_bytes());
    }
    assert!(lengths.len() <= 1);
    for name in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
        assert!(asked.all(name).is_empty(), "{name} of HTTP/2 is malformed");
    }
    assert_eq!(by_name(&got.fields), by_name(&asked.head));
}

/// HTTP/1 has trailers only behind chunks, and without those that only heads may have.
fn check_trailers(asked: &Asked, got: &Message) {
    let expected = match got.framing {
        Framing::Chunked => passed_on_behind(&asked.trailers),
        _ => Vec::new(),
    };
    let (expected, got) = (by_name(&expected), by_name(&got.trailers));
    if !asked.cuts(&asked.trailers) {
        assert_eq!(got, expected);
        return;
    }
    for name in got.keys() {
        assert!(
            expected.contains_key(name),
            "the trailer {name} from nowhere"
        );
    }
}

/// What HTTP/2 writes in another way than HTTP/1, and what the proxy says by itself.
fn is_special(name: &str) -> bool {
    let own = is_own(name) && !matches!(name, "date" | "server");
    let codecs = [
        "connection",
        "content-length",
        "host",
        "http2-settings",
        "sec-websocket-key",
        "transfer-encoding",
        "trailer",
        "upgrade",
    ];
    own || name.starts_with(':') || codecs.contains(&name)
}

/// Values by names: the order of fields with other names means nothing.
fn by_name(fields: &[Field]) -> BTreeMap<&str, Vec<u8>> {
    let mut all: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| !is_special(name)) {
        let is_cookie = name == "cookie";
        let joined: &[u8] = if is_cookie { b"; " } else { b"\n" };
        match all.get_mut(&name[..]) {
            Some(_) if is_cookie && value.is_empty() => {}
            Some(values) if is_cookie && values.is_empty() => values.extend_from_slice(value),
            Some(values) => values.extend_from_slice(&[joined, value].concat()),
            None => drop(all.insert(name, value.clone())),
        }
    }
    all
}
