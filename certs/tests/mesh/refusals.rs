use std::sync::Arc;

use pillion_certs::mesh::PeerFault;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, SanType};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
    sign::SingleCertAndKey,
};
use time::Duration;

use crate::support::{API, Ca, NAME, WEB, client, exact, now, server, server_with, shake_hands};

/// Two ends that accept each other, one of which then shows another certificate. Returns why the
/// other refuses it: the client, then the server. Each time the refused end is told so.
fn refusals(ca: &Ca, forged: &Arc<SingleCertAndKey>) -> [PeerFault; 2] {
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let (client, server) = (client(&web, &trust, &[]), server(&api, &trust));
    let refused = Some(PeerFault::Refused(AlertDescription::CertificateUnknown));

    let mut forger = ServerConfig::clone(&server);
    forger.cert_resolver = Arc::clone(forged) as _;
    let hands = shake_hands(&client, &Arc::new(forger));
    assert_eq!(hands.server_fault(), refused);
    let by_client = hands.client_fault().unwrap();

    let mut forger = ClientConfig::clone(&client);
    forger.client_auth_cert_resolver = Arc::clone(forged) as _;
    let hands = shake_hands(&Arc::new(forger), &server);
    assert_eq!(hands.client_fault(), refused);
    [by_client, hands.server_fault().unwrap()]
}

/// The same with a certificate whose names are these.
fn refused_names(uris: &[&str]) -> [PeerFault; 2] {
    let ca = Ca::new();
    refusals(&ca, &ca.forge(uris, |_| {}))
}

#[test]
fn a_forged_certificate_is_taken_if_nothing_is_wrong_with_it() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let mut forger = ClientConfig::clone(&client(&web, &trust, &[]));
    forger.client_auth_cert_resolver = ca.forge(&[WEB], |_| {}) as _;
    shake_hands(&Arc::new(forger), &server(&api, &trust)).joined();
}

#[test]
fn a_certificate_must_have_one_uri_that_is_an_identity() {
    for fault in refused_names(&[]) {
        let peer = "CN=forged".to_owned();
        assert_eq!(fault, PeerFault::NoUri { peer });
    }
    for fault in refused_names(&[WEB, API]) {
        let found = vec![WEB.to_owned(), API.to_owned()];
        assert_eq!(fault, PeerFault::SeveralUris { found });
    }
    for uri in [
        "https://cluster.local/ns/shop/sa/web",
        "spiffe://cluster.local/web",
        "spiffe://cluster.local",
    ] {
        for fault in refused_names(&[uri]) {
            let found = uri.to_owned();
            assert_eq!(fault, PeerFault::NotSpiffe { found });
        }
    }
}

/// The name of a host is none.
#[test]
fn a_dns_name_is_no_identity() {
    let ca = Ca::new();
    let forged = ca.forge(&[], |params| {
        params.subject_alt_names = vec![SanType::DnsName(NAME.try_into().unwrap())];
    });
    for fault in refusals(&ca, &forged) {
        let peer = NAME.to_owned();
        assert_eq!(fault, PeerFault::NoUri { peer });
    }
}

#[test]
fn another_trust_domain_is_refused() {
    let foreign = "spiffe://evil.example/ns/shop/sa/web";
    for fault in refused_names(&[foreign]) {
        let expected = PeerFault::ForeignTrustDomain {
            found: foreign.to_owned(),
            trusted: vec!["cluster.local".to_owned()],
        };
        assert_eq!(fault, expected);
        assert!(fault.to_string().contains("trustDomainAliases"), "{fault}");
    }
}

#[test]
fn an_unknown_issuer_is_refused_also_one_of_the_same_name() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    for fault in refusals(&ours, &theirs.forge(&[WEB], |_| {})) {
        let PeerFault::UnknownIssuer { peer, issuer } = &fault else {
            panic!("{fault}");
        };
        assert_eq!((peer.as_str(), issuer.as_str()), (WEB, "CN=test CA"));
    }
}

#[test]
fn times_are_checked() {
    let ca = Ca::new();
    let expired = ca.forge(&[WEB], |params| {
        params.not_before = now() - Duration::days(2);
        params.not_after = now() - Duration::days(1);
    });
    for fault in refusals(&ca, &expired) {
        let PeerFault::Expired { peer, since } = &fault else {
            panic!("{fault}");
        };
        assert_eq!(peer, WEB);
        assert_eq!((now() - *since).whole_days(), 1);
    }
    let early = ca.forge(&[WEB], |params| {
        params.not_before = now() + Duration::minutes(5);
    });
    for fault in refusals(&ca, &early) {
        let PeerFault::NotYetValid { peer, until } = &fault else {
            panic!("{fault}");
        };
        assert_eq!(peer, WEB);
        assert_eq!((*until - now()).whole_minutes(), 4);
    }
}

#[test]
fn a_certificate_must_be_for_this_use() {
    let ca = Ca::new();
    let signing = ca.forge(&[WEB], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    });
    let authority = ca.forge(&[WEB], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    for forged in [signing, authority] {
        for fault in refusals(&ca, &forged) {
            assert_eq!(fault.kind(), "unacceptable", "{fault}");
        }
    }
}

#[test]
fn a_name_that_is_not_expected_is_refused() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let strict = client(&web, &trust, &[exact(WEB)]);
    let hands = shake_hands(&strict, &server(&api, &trust));
    let expected = PeerFault::WrongName {
        expected: vec![WEB.to_owned()],
        found: API.to_owned(),
    };
    assert_eq!(hands.client_fault(), Some(expected));
    assert_eq!(
        hands.server_fault().map(|fault| fault.kind()),
        Some("refused")
    );

    let tickets = pillion_certs::mesh::Tickets::new().unwrap();
    let sans = [exact(API)];
    let strict = server_with(&api, &trust, Some(&sans), &tickets);
    let hands = shake_hands(&client(&web, &trust, &[]), &strict);
    let expected = PeerFault::WrongName {
        expected: vec![API.to_owned()],
        found: WEB.to_owned(),
    };
    assert_eq!(hands.server_fault(), Some(expected));
    assert_eq!(
        hands.client_fault().map(|fault| fault.kind()),
        Some("refused")
    );
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let ca = Ca::new();
    let nobody = Arc::new(pillion_certs::unverified_client_config().unwrap());
    let hands = shake_hands(&nobody, &server(&ca.workload(API), &ca.trust()));
    assert_eq!(hands.server_fault(), Some(PeerFault::NoCertificate));
    let required = PeerFault::Refused(AlertDescription::CertificateRequired);
    assert_eq!(hands.client_fault(), Some(required));
}

/// It shows another workload's certificate, which anyone can see in a handshake.
#[test]
fn a_stolen_certificate_is_of_no_use() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let own = rcgen::KeyPair::generate().unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own.serialize_der().into());
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(web.chain_der().to_vec(), key);
    let mut thief = ClientConfig::clone(&client(&web, &trust, &[]));
    thief.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(stolen));
    let hands = shake_hands(&Arc::new(thief), &server(&api, &trust));
    assert_eq!(hands.server_fault(), Some(PeerFault::NoProof));
}

/// Paths are looked for in every order of CAs of one name: eight of them stop a worker for seconds.
#[test]
fn chains_are_not_followed_that_are_long_or_have_a_crowd_of_one_name() {
    let ca = Ca::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let namesake = || Ca::new().forger.der().clone();
    for (above, words) in [(5, "more than 5 certificates"), (3, "of one name")] {
        let chain = (0..=above).map(|_| namesake()).collect();
        let der = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
        let forged = rustls::sign::CertifiedKey::new(chain, signing);
        for fault in refusals(&ca, &Arc::new(SingleCertAndKey::from(forged))) {
            assert_eq!(fault.kind(), "malformed");
            assert!(fault.to_string().contains(words), "{fault}");
        }
    }
}

fn told(mut end: Connection, bytes: &[u8]) -> Option<PeerFault> {
    end.read_tls(&mut &*bytes).unwrap();
    PeerFault::of(&end.process_new_packets().unwrap_err())
}

/// A record of a handshake with a hello of TLS 1.1.
fn hello(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut hello = vec![0x16, 3, 1];
    hello.extend(length(body.len() + 4));
    hello.extend([kind, 0]);
    hello.extend(length(body.len()));
    hello.extend(body);
    hello
}

#[test]
fn plaintext_and_old_tls_are_refused() {
    let ca = Ca::new();
    let (web, trust) = (ca.workload(WEB), ca.trust());
    let client = || {
        let name = NAME.try_into().unwrap();
        let config = client(&web, &trust, &[]);
        Connection::from(ClientConnection::new(config, name).unwrap())
    };
    let server = || Connection::from(ServerConnection::new(server(&web, &trust)).unwrap());
    let plaintext = Some(PeerFault::Plaintext);
    assert_eq!(
        told(server(), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        plaintext
    );
    assert_eq!(
        told(server(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        plaintext
    );
    assert_eq!(
        told(client(), b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        plaintext
    );

    let old = Some(PeerFault::OldTls);
    let version_and_random = [&[3, 2][..], &[7; 32], &[0]].concat();
    // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, without compression.
    let asks = [&version_and_random[..], &[0, 2, 0xc0, 0x13, 1, 0]].concat();
    assert_eq!(told(server(), &hello(1, &asks)), old);
    // With the algorithms of signatures, which only TLS 1.2 has.
    let newer = [&asks[..], &[0, 8, 0, 13, 0, 4, 0, 2, 4, 3]].concat();
    assert_eq!(told(server(), &hello(1, &newer)), old);
    let answers = [&version_and_random[..], &[0xc0, 0x13, 0]].concat();
    assert_eq!(told(client(), &hello(2, &answers)), old);
    assert_eq!(told(client(), b"\x15\x03\x01\x00\x02\x02\x46"), old);
}
