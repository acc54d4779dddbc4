//! What a CA issues to workloads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pillion_certs::{
    Bundle, CertificateRequest, Error, Issued, Issuer, SpiffeId,
    mesh::{Identity, PeerFault, WorkloadKey},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::{
    extensions::GeneralName,
    prelude::{ASN1Time, FromDer, X509Certificate, X509Version},
};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::milliseconds(1234)
}

fn id() -> SpiffeId {
    SpiffeId::new("cluster.local", "shop", "web").unwrap()
}

fn request() -> CertificateRequest {
    let key = WorkloadKey::generate().unwrap();
    CertificateRequest::from_pem(&key.request().unwrap()).unwrap()
}

fn params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    // An organization before the name: the order must be kept.
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, "Istio");
    subject.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now() - Duration::days(1);
    params.not_after = now().replace_nanosecond(0).unwrap() + Duration::days(days);
    params
}

fn root(days: i64, key: KeyPair) -> Ca {
    Ca::self_signed(params("Root CA", days), key).unwrap()
}

fn intermediate(root: &Ca, days: i64, key: KeyPair) -> Ca {
    Ca::signed_by(params("Intermediate CA", days), key, root).unwrap()
}

fn issuer(chain: &[&Ca]) -> Result<Issuer, Error> {
    let pem: String = chain.iter().map(|ca| ca.pem()).collect();
    Issuer::from_pem(&pem, &chain[0].key().serialize_pem())
}

fn issue(issuer: &Issuer) -> Issued {
    issuer
        .issue(&request(), &id(), now(), Duration::days(1))
        .unwrap()
}

fn check_accepted(issuer: &Issuer, root: &Ca) -> Result<(), Error> {
    let roots = Bundle::from_pem(&root.pem()).unwrap();
    issuer.check_accepted("cluster.local", &roots, now())
}

#[test]
fn a_certificate_has_what_istio_gives_it() {
    let root = root(10, KeyPair::generate().unwrap());
    let issued = issue(&issuer(&[&root]).unwrap());
    let [leaf] = issued.chain.as_slice() else {
        panic!("a root is not sent: {issued:?}");
    };
    let der = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let (rest, leaf) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(leaf.version(), X509Version::V3);
    assert_eq!(leaf.subject().iter().count(), 0);
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical);
    let uri = GeneralName::URI("spiffe://cluster.local/ns/shop/sa/web");
    assert_eq!(names.value.general_names, [uri]);
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.server_auth && purposes.client_auth && !purposes.any);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.to_string(), "Digital Signature");
    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && !constraints.value.ca);
    let seconds = |time: ASN1Time| time.to_datetime() - now().replace_nanosecond(0).unwrap();
    let validity = leaf.validity();
    assert_eq!(seconds(validity.not_before), Duration::minutes(-10));
    assert_eq!(seconds(validity.not_after), Duration::days(1));
    assert_eq!(issued.not_after, validity.not_after.to_datetime());
    assert_eq!(leaf.raw_serial().len(), 16);
    assert_eq!(leaf.raw_serial_as_string().replace(':', ""), issued.serial);
    let der = CertificateDer::from_pem_slice(root.pem().as_bytes()).unwrap();
    let (_, root) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(leaf.issuer().as_raw(), root.subject().as_raw());
    assert!(leaf.verify_signature(Some(root.public_key())).is_ok());
}

#[test]
fn openssl_would_say_that_a_key_of_rsa_enciphers() {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let request = CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let request = CertificateRequest::from_pem(&request.pem().unwrap()).unwrap();
    let issuer = issuer(&[&root(10, KeyPair::generate().unwrap())]).unwrap();
    let issued = issuer
        .issue(&request, &id(), now(), Duration::days(1))
        .unwrap();
    let der = CertificateDer::from_pem_slice(issued.chain[0].as_bytes()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    let usage = leaf.key_usage().unwrap().unwrap().value.to_string();
    assert_eq!(usage, "Digital Signature, Key Encipherment");
    assert_eq!(
        leaf.public_key().raw,
        rcgen::PublicKeyData::subject_public_key_info(&key)
    );
}

#[test]
fn no_two_certificates_have_the_same_number() {
    let issuer = issuer(&[&root(10, KeyPair::generate().unwrap())]).unwrap();
    let numbers: std::collections::BTreeSet<_> = (0..50).map(|_| issue(&issuer).serial).collect();
    assert_eq!(numbers.len(), 50);
}

/// `make -f Makefile.selfsigned.mk` of Istio: RSA with 4096 bits, and `cert-chain.pem` ends in
/// the root.
#[test]
fn issues_with_certificates_of_istios_layout() {
    let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap();
    let root = root(100, rsa(RsaKeySize::_4096));
    let intermediate = intermediate(&root, 50, rsa(RsaKeySize::_2048));
    let issuer = issuer(&[&intermediate, &root]).unwrap();
    assert_eq!(issue(&issuer).chain[1..], [intermediate.pem()]);
    check_accepted(&issuer, &root).unwrap();
    // Without the root it is the same.
    let short = self::issuer(&[&intermediate]).unwrap();
    assert_eq!(issue(&short).chain[1..], [intermediate.pem()]);
    check_accepted(&short, &root).unwrap();
}

#[test]
fn a_ca_that_is_named_like_the_one_above_it_is_sent() {
    let key = || KeyPair::generate().unwrap();
    let root = root(100, key());
    let upper = intermediate(&root, 50, key());
    let lower = intermediate(&upper, 50, key());
    let issuer = issuer(&[&lower, &upper, &root]).unwrap();
    assert_eq!(issue(&issuer).chain[1..], [lower.pem(), upper.pem()]);
    check_accepted(&issuer, &root).unwrap();
}

#[test]
fn signs_with_each_kind_of_key() {
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384] {
        let root = root(10, KeyPair::generate_for(algorithm).unwrap());
        check_accepted(&issuer(&[&root]).unwrap(), &root).unwrap();
    }
    let root = root(10, KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    assert!(matches!(issuer(&[&root]), Err(Error::CaKey)));
}

#[test]
fn nothing_outlives_a_ca_above_it() {
    let root = root(3, KeyPair::generate().unwrap());
    let intermediate = intermediate(&root, 5, KeyPair::generate().unwrap());
    let issuer = issuer(&[&intermediate, &root]).unwrap();
    let issued = issuer
        .issue(&request(), &id(), now(), Duration::days(100))
        .unwrap();
    assert_eq!(issued.not_after, issuer.validity().not_after);
    let days = (issued.not_after - now()).whole_days();
    assert_eq!(days, 2);
    for (at, lifetime) in [(3, 1), (-2, 1), (0, 0), (0, -1)] {
        let (at, lifetime) = (now() + Duration::days(at), Duration::days(lifetime));
        assert!(issuer.issue(&request(), &id(), at, lifetime).is_err());
    }
    let forever = issuer
        .issue(&request(), &id(), now(), Duration::MAX)
        .unwrap();
    assert_eq!(forever.not_after, issued.not_after);
}

#[test]
fn refuses_what_is_no_chain_of_cas() {
    let key = || KeyPair::generate().unwrap();
    let root = root(10, key());
    let intermediate = intermediate(&root, 10, key());
    let refused = |chain: &[&Ca]| issuer(chain).unwrap_err();
    let stranger = self::root(10, key());
    assert!(matches!(
        refused(&[&intermediate, &stranger]),
        Error::Chain(_)
    ));
    assert!(matches!(refused(&[&root, &intermediate]), Error::Chain(_)));
    let many = [&root; 9];
    assert!(matches!(refused(&many), Error::Chain(_)));
    let mut params = params("no CA", 10);
    params.is_ca = IsCa::ExplicitNoCa;
    let leaf = Ca::signed_by(params.clone(), key(), &root).unwrap();
    assert!(matches!(refused(&[&leaf]), Error::Chain(_)));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let other = Ca::signed_by(params, key(), &root).unwrap();
    assert!(matches!(refused(&[&other]), Error::Chain(_)));
    let of = |chain: &str, key: &Ca| Issuer::from_pem(chain, &key.key().serialize_pem());
    assert!(matches!(
        of(&root.pem(), &intermediate),
        Err(Error::Mismatch)
    ));
    assert!(matches!(of("", &root), Err(Error::Missing("certificate"))));
    let none = Issuer::from_pem(&root.pem(), "nothing");
    assert!(matches!(none, Err(Error::Missing("private key"))));
}

#[test]
fn says_whether_peers_accept_what_it_issues() {
    let root = root(10, KeyPair::generate().unwrap());
    let issuer = issuer(&[&root]).unwrap();
    check_accepted(&issuer, &root).unwrap();
    let stranger = self::root(10, KeyPair::generate().unwrap());
    let refused = check_accepted(&issuer, &stranger).unwrap_err();
    let unknown = |fault: &PeerFault| matches!(fault, PeerFault::UnknownIssuer { .. });
    assert!(
        matches!(&refused, Error::Refused { by: "clients", fault } if unknown(fault)),
        "{refused}"
    );
    let nothing = issuer.check_accepted("cluster.local", &Bundle::default(), now());
    assert!(matches!(nothing, Err(Error::Missing(_))), "{nothing:?}");
    let nowhere =
        issuer.check_accepted("no domain", &Bundle::from_pem(&root.pem()).unwrap(), now());
    assert!(matches!(nowhere, Err(Error::Spiffe(_))), "{nowhere:?}");
}

/// A workload shows the same certificate as a client and as a server.
#[test]
fn a_ca_for_one_end_of_connections_is_none_for_a_mesh() {
    let root = root(10, KeyPair::generate().unwrap());
    let (server, client) = (
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    let with = |usages: &[ExtendedKeyUsagePurpose]| {
        let mut params = params("Intermediate CA", 10);
        params.extended_key_usages = usages.to_vec();
        let ca = Ca::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
        check_accepted(&issuer(&[&ca]).unwrap(), &root)
    };
    with(&[server.clone(), client.clone()]).unwrap();
    for (usage, by, lacks) in [
        (server, "servers", "client authentication"),
        (client, "clients", "server authentication"),
    ] {
        let refused = with(&[usage]).unwrap_err().to_string();
        assert!(refused.starts_with(by), "{refused}");
        let words = format!("does not allow extended key usage for {lacks}");
        assert!(refused.contains(&words), "{refused}");
    }
}

/// Workloads have no DNS names, so there is nothing that such a CA must not sign.
#[test]
fn a_ca_that_is_constrained_to_dns_names_signs_for_workloads() {
    let root = root(10, KeyPair::generate().unwrap());
    let mut params = params("Intermediate CA", 10);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("svc.cluster.local".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let ca = Ca::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    check_accepted(&issuer(&[&ca]).unwrap(), &root).unwrap();
}

#[test]
fn does_not_show_its_key() {
    let issuer = issuer(&[&root(10, KeyPair::generate().unwrap())]).unwrap();
    let shown = format!("{issuer:?}");
    assert!(
        !shown.contains("key") && !shown.contains("PRIVATE"),
        "{shown}"
    );
}

#[test]
fn an_identity_is_a_workloads_certificate_and_its_key() {
    let root = root(10, KeyPair::generate().unwrap());
    let intermediate = intermediate(&root, 10, KeyPair::generate().unwrap());
    let issuer = issuer(&[&intermediate, &root]).unwrap();
    let key = WorkloadKey::generate().unwrap();
    let request = CertificateRequest::from_pem(&key.request().unwrap()).unwrap();
    let issued = issuer
        .issue(&request, &id(), now(), Duration::hours(1))
        .unwrap();
    let identity = Identity::new(&issued.chain, &key).unwrap();
    assert_eq!(identity.id(), &id());
    assert_eq!(identity.serial(), issued.serial);
    assert_eq!(identity.validity().not_after, issued.not_after);
    assert_eq!(identity.chain_der().len(), 2);
    assert!(!format!("{identity:?}").contains("certified"));
    // As one text, too.
    let joined = Identity::new(&[issued.chain.concat()], &key).unwrap();
    assert_eq!(joined.chain_der(), identity.chain_der());

    let other = WorkloadKey::generate().unwrap();
    let refused = |chain: &[String], key| Identity::new(chain, key).unwrap_err();
    assert!(matches!(refused(&issued.chain, &other), Error::Mismatch));
    assert!(matches!(refused(&[], &key), Error::Missing("certificate")));
    assert!(matches!(refused(&[root.pem()], &key), Error::Workload(_)));
    let many = vec![issued.chain[0].clone(); 9];
    assert!(matches!(refused(&many, &key), Error::Workload(_)));
    let long = vec![" ".repeat(1 << 20)];
    assert!(matches!(refused(&long, &key), Error::Workload(_)));
}
