use std::sync::Arc;

use pillion_certs::{
    Issuer,
    mesh::{
        ClientSettings, Peer, PeerFault, SanMatch, ServerSettings, Tickets, client_config,
        server_config,
    },
    unverified_client_config,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{CipherSuite, HandshakeKind, ProtocolVersion};
use time::Duration;

use crate::{
    old::{old_client, old_server},
    support::{API, Ca, NAME, WEB, client, exact, now, server, shake_hands, trust},
};

#[test]
fn each_end_knows_who_the_other_is() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let client = client(&web, &trust, &[exact(API)]);
    let (client, server) = shake_hands(&client, &server(&api, &trust)).joined();
    let peer = Peer::of(&server).unwrap();
    assert_eq!(peer.id(), Some(web.id()));
    assert_eq!((peer.uri(), peer.subject()), (WEB, ""));
    assert_eq!(peer.validity(), web.validity());
    assert!(peer.dns_names().is_empty());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &web.chain_der()[0]);
    let digits: Vec<_> = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(peer.hash(), digits.concat());
    assert_eq!(Peer::admit(&client, now()).unwrap().uri(), API);
    for end in [&**client, &**server] {
        assert_eq!(end.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let suite = end.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(end.alpn_protocol(), Some(&b"istio"[..]));
    }
    assert_eq!(server.server_name(), Some(NAME));
}

#[test]
fn a_foreign_end_may_speak_tls_1_2() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let (ours, theirs) = (server(&api, &trust), old_client(&web, &ca));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (_, server) = shake_hands(&theirs, &ours).joined();
        assert_eq!(server.handshake_kind(), Some(kind));
        assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_2));
        assert_eq!(Peer::of(&server).unwrap().uri(), WEB);
    }
    let (ours, theirs) = (client(&web, &trust, &[exact(API)]), old_server(&api, &ca));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (client, server) = shake_hands(&ours, &theirs).joined();
        assert_eq!(client.handshake_kind(), Some(kind));
        assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_2));
        assert_eq!(Peer::of(&client).unwrap().uri(), API);
        assert_eq!(Peer::of(&server).unwrap().uri(), WEB);
    }
}

/// A client that prefers suites with SHA-384 does not get one.
#[test]
fn the_server_chooses_the_suite() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let ours = client(&web, &trust, &[]);
    let mut theirs = unverified_client_config().unwrap();
    let first = theirs.crypto_provider().cipher_suites[0].suite();
    assert_eq!(first, CipherSuite::TLS13_AES_256_GCM_SHA384);
    theirs.client_auth_cert_resolver = Arc::clone(&ours.client_auth_cert_resolver);
    let (_, server) = shake_hands(&Arc::new(theirs), &server(&api, &trust)).joined();
    let suite = server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
}

#[test]
fn names_may_be_prefixes_and_trust_domains_have_aliases() {
    let ca = Ca::new();
    let web = ca.workload("spiffe://old.example/ns/shop/sa/web");
    let api = ca.workload(API);
    let trust = trust(&ca.root(), &["cluster.local", "old.example"]);
    let prefix = SanMatch::UriPrefix("spiffe://cluster.local/ns/shop/".to_owned());
    let client = client(&web, &trust, &[exact(WEB), prefix]);
    let settings = ServerSettings {
        alpn: Vec::new(),
        sans: Some(vec![SanMatch::UriPrefix(
            "spiffe://old.example/".to_owned(),
        )]),
        tickets: Tickets::new().unwrap(),
    };
    let server = server_config(&api, &trust, &settings).unwrap();
    let (client, server) = shake_hands(&client, &server).joined();
    assert_eq!(Peer::of(&server).unwrap().id(), Some(web.id()));
    assert_eq!(client.alpn_protocol(), None);
}

#[test]
fn no_names_of_clients_are_not_all_of_them() {
    let ca = Ca::new();
    let settings = ServerSettings {
        alpn: Vec::new(),
        sans: Some(Vec::new()),
        tickets: Tickets::new().unwrap(),
    };
    assert!(server_config(&ca.workload(API), &ca.trust(), &settings).is_err());
}

/// The chain that is sent leads from an intermediate CA to the root.
#[test]
fn a_chain_may_have_intermediates_and_roots_overlap() {
    let (old, new) = (Ca::new(), Ca::new());
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "lower");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let lower = CertifiedIssuer::signed_by(params, key, &*new.forger).unwrap();
    let chain = lower.pem() + &new.forger.pem();
    let issuer = Issuer::from_pem(&chain, &lower.key().serialize_pem()).unwrap();
    let below = Ca {
        issuer,
        forger: lower,
    };
    let both = trust(&old.root().join(new.root()), &["cluster.local"]);
    let (web, api) = (below.workload(WEB), old.workload(API));
    assert_eq!(web.chain_der().len(), 2);
    shake_hands(&client(&web, &both, &[]), &server(&api, &both)).joined();
    shake_hands(&client(&api, &both, &[]), &server(&web, &both)).joined();
}

#[test]
fn protocols_must_have_one_in_common() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let settings = ClientSettings {
        alpn: vec![b"http/1.1".to_vec()],
        sans: Vec::new(),
    };
    let client = client_config(&web, &trust, &settings).unwrap();
    let hands = shake_hands(&client, &server(&api, &trust));
    let error = hands.server_error.as_ref();
    assert_eq!(error, Some(&rustls::Error::NoApplicationProtocol));
    assert_eq!(hands.server_fault(), None);
}

#[test]
fn a_certificate_may_expire_during_a_connection() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let hands = shake_hands(&client(&web, &trust, &[]), &server(&api, &trust));
    let (_, server) = hands.joined();
    let at = |days| Peer::admit(&server, now() + Duration::days(days));
    assert!(at(0).is_ok());
    assert!(matches!(at(2), Err(PeerFault::Expired { .. })));
    assert!(matches!(at(-2), Err(PeerFault::NotYetValid { .. })));
}
