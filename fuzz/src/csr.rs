//! The fuzz target for requests for certificates.

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pillion_certs::{
    Authority, Bundle, CertificateRequest, Issuer, SpiffeId, mesh::WorkloadKey, verify_workload,
};
use pillion_cost::{Bound, Linear};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

use crate::units::{KIB, MILLISECOND};

pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(256 * KIB, 32).at_most(1024 * KIB),
    total: Linear::new(1024 * KIB, 128).at_most(4096 * KIB),
    // A signature by 8,192 bits of RSA is checked, and one is made.
    time: Linear::new(50 * MILLISECOND, 500),
};

static NOW: LazyLock<OffsetDateTime> =
    LazyLock::new(|| OffsetDateTime::UNIX_EPOCH + Duration::days(20_000));

/// A CA that issues, its root, and a valid request in DER.
static PROPER: LazyLock<(Issuer, Bundle, Vec<u8>)> = LazyLock::new(|| {
    let authority =
        Authority::generate("fuzzed CA", *NOW, Duration::days(10)).expect("a certificate");
    let issuer = Issuer::from_pem(authority.certificate(), authority.key());
    let roots = Bundle::from_pem(authority.certificate());
    let request = WorkloadKey::generate().and_then(|key| key.request());
    let der = request.expect("a request");
    let der = der.lines().filter(|line| !line.starts_with("---"));
    let der = STANDARD.decode(der.collect::<String>()).expect("base64");
    (issuer.expect("a CA"), roots.expect("a root"), der)
});

/// Reads a request, and issues a certificate if it is valid: the input is the text, or instructions to
/// corrupt a valid one or to make one that is long.
///
/// # Panics
///
/// Panics if a check fails.
pub fn csr(data: &[u8]) {
    // No text contains these bytes.
    match data.split_first() {
        Some((0xff, rest)) => check(&corrupted(rest)),
        Some((0xfe, rest)) => check(&long(rest)),
        _ => check(&String::from_utf8_lossy(data)),
    }
}

/// A valid request with bytes of its DER changed.
fn corrupted(changes: &[u8]) -> String {
    let (.., proper) = &*PROPER;
    let mut der = proper.clone();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]]));
        if let Some(byte) = der.get_mut(place) {
            *byte = change[2];
        } else {
            der.truncate(der.len() - der.len().min(usize::from(change[2])));
        }
    }
    text(&der)
}

/// A request that is long, or a text with many.
fn long(bytes: &[u8]) -> String {
    let [shape, size] = [0, 1].map(|index| bytes.get(index).copied().unwrap_or_default());
    let (.., proper) = &*PROPER;
    let size = 1 << (size % 22);
    match shape % 4 {
        0 => text(proper).repeat(size / 512 + 1),
        1 => text(&vec![0x30; size]),
        2 => "-----BEGIN ".repeat(size / 11 + 1),
        _ => "A".repeat(size),
    }
}

fn text(der: &[u8]) -> String {
    format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        STANDARD.encode(der)
    )
}

fn check(text: &str) {
    let (issuer, roots, _) = &*PROPER;
    let id = SpiffeId::new("cluster.local", "shop", "web").expect("an identity");
    let issued = BOUND.hold("a request", text.len(), || {
        let request = CertificateRequest::from_pem(text).ok()?;
        Some(issuer.issue(&request, &id, *NOW, Duration::DAY))
    });
    let Some(issued) = issued else {
        return;
    };
    assert!(text.len() <= CertificateRequest::MAX_BYTES, "too long");
    let issued = issued.expect("a certificate for a valid request");
    let chain: Vec<_> = issued
        .chain
        .iter()
        .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM"))
        .collect();
    let proved = verify_workload(&chain, roots, "cluster.local", *NOW);
    assert_eq!(proved.expect("a valid certificate"), id);
}
