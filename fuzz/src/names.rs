//! The fuzz target for certificates of workloads: the CA's answers, the mesh's roots, and what a peer shows.

mod presented;

use std::sync::{Arc, LazyLock};

use pillion_certs::{
    Bundle, Error, SpiffeId,
    mesh::{Peer, Trust, WorkloadKey, try_out},
    verify_workload,
};
use pillion_cost::{Bound, Linear};
use pillion_proxy::test_util::{client_cert_element, read_ca_answer, read_roots};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use self::presented::{Ca, Presented};
use crate::{
    cursor::Cursor,
    units::{KIB, MIB, MILLISECOND},
};

/// Of an answer, or a bundle: certificates are parsed, and copied a few times.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(MIB, 32),
    total: Linear::new(4 * MIB, 256),
    time: Linear::new(20 * MILLISECOND, 500),
};

/// Of what a peer shows, whom nobody knows yet: its names are written a few times, with marks.
pub(crate) const PEER: Bound = Bound {
    peak: Linear::new(256 * KIB, 48),
    total: Linear::new(MIB, 256),
    // Signatures are checked in both directions.
    time: Linear::new(20 * MILLISECOND, 1000),
};

/// The trust domain of the mesh.
const DOMAIN: &str = "cluster.local";
/// This workload.
const OWN: &str = "spiffe://cluster.local/ns/shop/sa/own";
/// The longest certificate that is looked at, in bytes.
const LONGEST: usize = 8 * 1024;
/// The longest text that is told of somebody, in bytes.
const MAX_TEXT: usize = 8 * 1024;

static NOW: LazyLock<OffsetDateTime> =
    LazyLock::new(|| OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));

static KEY: LazyLock<WorkloadKey> = LazyLock::new(|| WorkloadKey::generate().expect("a key"));

/// The mesh's CA, its root, and whom it has workloads trust.
static MESH: LazyLock<(Ca, Bundle, Arc<Trust>)> = LazyLock::new(|| {
    let ca = Ca::new(&KEY, *NOW);
    let roots = Bundle::from_pem(&ca.root()).expect("a root");
    let trust = Trust::new(&roots, [DOMAIN.to_owned()]).expect("a root");
    // The first secret that is read needs the descriptions of all messages, and later ones have them.
    let _ = read_roots(&presented::roots(&mut Cursor::new(&[1, 2, 2]), &ca));
    (ca, roots, Arc::new(trust))
});

/// Reads an answer of the CA's, whose elements are separated by zero bytes. Behind a byte that no text
/// contains, the input is something else: instructions for a certificate that the CA has signed, the
/// secret with the mesh's roots, instructions for one, or a URI.
///
/// # Panics
///
/// Panics if a check fails.
pub fn names(data: &[u8]) {
    match data.split_first() {
        Some((0xff, rest)) => {
            let mut cursor = Cursor::new(rest);
            let presented = Presented::new(&mut cursor, &MESH.0, *NOW);
            check_peer(&presented);
            check_issued(&presented, &mut cursor);
        }
        Some((0xfe, rest)) => check_roots(rest),
        Some((0xfd, rest)) => check_roots(&presented::roots(&mut Cursor::new(rest), &MESH.0)),
        Some((0xfc, rest)) => check_uri(&String::from_utf8_lossy(rest)),
        _ => {
            let text = String::from_utf8_lossy(data);
            check_answer(text.split('\0').map(str::to_owned).collect());
        }
    }
}

/// Checks with eyes of our own whether a text is an identity.
fn is_identity(text: &[u8]) -> bool {
    let parts: Vec<_> = text.split(|byte| *byte == b'/').collect();
    let is_word = |part: &[u8], most: usize| {
        let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=most).contains(&part.len()) && part.iter().all(is_of_it)
    };
    match parts.as_slice() {
        [b"spiffe:", b"", domain, b"ns", namespace, b"sa", account] => {
            let is_lower = !domain.iter().any(u8::is_ascii_uppercase);
            let are_dots = [namespace, account].map(|it| matches!(*it, b"." | b".."));
            let words = [namespace, account].map(|it| is_word(it, 2048));
            text.len() <= 2048
                && is_lower
                && is_word(domain, 255)
                && words == [true; 2]
                && are_dots == [false; 2]
        }
        _ => false,
    }
}

/// Checks a text that operators read.
fn check_text(text: &str) {
    assert!(text.len() <= MAX_TEXT, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

fn check_uri(text: &str) {
    let read = PEER.hold("a URI", text.len(), || text.parse::<SpiffeId>());
    assert_eq!(read.is_ok(), is_identity(text.as_bytes()), "{text:?}");
    match read {
        Ok(id) => {
            assert_eq!(id.as_str(), text);
            let parts = (id.trust_domain(), id.namespace(), id.service_account());
            let again = SpiffeId::new(parts.0, parts.1, parts.2);
            assert_eq!(again.expect("the parts of one"), id);
        }
        Err(error) => check_text(&error.to_string()),
    }
}

/// The one URI of a certificate, if it is an identity.
fn only_identity(presented: &Presented) -> Option<&[u8]> {
    match presented.uris.as_slice() {
        [only] if is_identity(only) => Some(only.as_slice()),
        _ => None,
    }
}

fn check_peer(presented: &Presented) {
    let (_, roots, trust) = &*MESH;
    let der = CertificateDer::from(presented.der.as_slice());
    let chain = [der];
    let (told, taken, proved) = PEER.hold("a certificate", presented.der.len(), || {
        let told = Peer::shown_by(&chain[0], *NOW).map(|peer| {
            let element = client_cert_element(OWN, &peer);
            (peer, element)
        });
        let taken = try_out(&chain, trust, *NOW);
        (told, taken, verify_workload(&chain, roots, DOMAIN, *NOW))
    });
    match &told {
        Ok((peer, element)) => {
            check_element(element, peer);
            if !presented.is_spoiled {
                let id = peer.id().map(|id| id.as_str().as_bytes());
                assert_eq!(id, only_identity(presented));
            }
        }
        Err(fault) => check_text(&fault.to_string()),
    }
    if let Err(error) = &taken {
        check_text(&error.to_string());
    }
    if let Err(error) = &proved {
        check_text(&error.to_string());
    }
    // Who is taken has proved one identity of the mesh's, and has told nothing else; the CA and the peers
    // see the same.
    let of_mesh = only_identity(presented).filter(|id| id.starts_with(b"spiffe://cluster.local/"));
    let may_be = of_mesh.is_some() && presented.is_of_now && !presented.is_spoiled;
    for is_taken in [taken.is_ok(), proved.is_ok()] {
        assert!(may_be || !is_taken, "{presented:?}");
        assert!(
            is_taken || !(may_be && presented.is_plain && presented.der.len() <= LONGEST),
            "{taken:?} {proved:?}"
        );
    }
    if taken.is_ok() {
        let (peer, _) = told.expect("a peer that is taken");
        assert_eq!(Some(peer.uri().as_bytes()), of_mesh);
    }
    if let Ok(id) = proved {
        assert_eq!(Some(id.as_str().as_bytes()), of_mesh);
    }
}

/// Checks what goes into a header: `By=…;Hash=…;Subject="…";URI=…`, and nothing but that.
fn check_element(element: &[u8], peer: &Peer) {
    assert!(element.len() <= MAX_TEXT, "{} bytes", element.len());
    let is_fit = |byte: &u8| (0x20..0x7f).contains(byte);
    assert!(element.iter().all(is_fit), "{}", element.escape_ascii());
    let text = std::str::from_utf8(element).expect("ASCII");
    let start = format!("By={OWN};Hash={};Subject=\"", peer.hash());
    let rest = text.strip_prefix(&start).expect("what comes first");
    let mut is_marked = false;
    let end = rest.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_marked;
        is_marked = byte == b'\\' && !is_marked;
        is_end
    });
    let after = &rest[end.expect("the end of the subject")..];
    let uri = after.strip_prefix("\";URI=").expect("the URI");
    assert!(uri.is_empty() || is_identity(uri.as_bytes()), "{uri}");
    assert_eq!(uri, peer.uri());
}

/// Has the CA answer with this certificate, and others.
fn check_issued(presented: &Presented, cursor: &mut Cursor<'_>) {
    let elements = presented::answer(presented, cursor, &MESH.0);
    if check_answer(elements).is_some_and(|id| Some(id.as_bytes()) != only_identity(presented)) {
        assert!(presented.is_spoiled, "{presented:?}");
    }
}

/// Returns the identity, if the answer is of use.
fn check_answer(elements: Vec<String>) -> Option<String> {
    let length = elements.iter().map(String::len).sum();
    let key = &*KEY;
    let read = BOUND.hold("an answer", length, || {
        read_ca_answer(elements.clone(), key, DOMAIN, *NOW)
    });
    match read {
        Ok((identity, roots)) => {
            assert_eq!(identity.id().trust_domain(), DOMAIN);
            assert!(is_identity(identity.id().as_str().as_bytes()));
            assert!(!identity.validity().has_ended(*NOW));
            assert!((1..=64).contains(&roots.len()));
            // What an Envoy gets is what was read.
            let chain = Bundle::from_pem(&identity.chain_pem());
            assert!(!matches!(chain, Err(Error::Missing(_))));
            Some(identity.id().as_str().to_owned())
        }
        Err(why) => {
            check_text(&why);
            None
        }
    }
}

fn check_roots(secret: &[u8]) {
    match BOUND.hold("roots", secret.len(), || read_roots(secret)) {
        Ok(roots) => {
            assert!((1..=64).contains(&roots.len()));
            let again = Bundle::from_pem(&roots.to_pem());
            assert_eq!(again.expect("what was written"), roots);
            // They may be of no use all the same.
            let _ = BOUND.hold("trust", secret.len(), || {
                Trust::new(&roots.clone().valid_at(*NOW), [DOMAIN.to_owned()])
            });
        }
        Err(why) => check_text(&why),
    }
}
