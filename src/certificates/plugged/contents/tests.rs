//! Secrets as Istio's tools and cert-manager write them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_RSA_SHA256, RsaKeySize,
};

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

fn params(name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Istio");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now() - Duration::DAY;
    params.not_after = now() + Duration::days(days);
    params
}

/// The time of these tests.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// A root with this key.
fn root(key: KeyPair) -> Ca {
    Ca::self_signed(params("Root CA", 3650), key).unwrap()
}

/// A CA under another one.
fn under(above: &Ca, days: i64) -> Ca {
    let key = KeyPair::generate().unwrap();
    Ca::signed_by(params("Intermediate CA", days), key, above).unwrap()
}

fn secret(files: &[(&str, String)]) -> Secret {
    let files = files.iter().map(|(name, text)| {
        let bytes = ByteString(text.as_bytes().to_vec());
        ((*name).to_owned(), bytes)
    });
    Secret {
        data: Some(files.collect::<BTreeMap<_, _>>()),
        ..Secret::default()
    }
}

/// Istio's layout: the chain has the root, too.
fn cacerts(ca: &Ca, chain: &[&Ca], roots: &[&Ca]) -> Secret {
    let joined = |all: &[&Ca]| all.iter().map(|one| one.pem()).collect::<String>();
    secret(&[
        ("ca-cert.pem", ca.pem()),
        ("ca-key.pem", ca.key().serialize_pem()),
        ("cert-chain.pem", joined(chain)),
        ("root-cert.pem", joined(roots)),
    ])
}

/// What the CAs of these tests are to sign for.
pub fn uses() -> Uses {
    Uses {
        trust_domain: "cluster.local".into(),
        names: vec!["pillion-discovery.istio-system.svc".to_owned()],
    }
}

fn read(secret: &Secret, now: OffsetDateTime) -> Result<Plugged, PluggedError> {
    Plugged::read(secret, &uses(), now)
}

/// Why a CA with these parameters under a root is refused, if it is.
fn tried(root: &Ca, params: CertificateParams) -> Result<Plugged, String> {
    let ca = Ca::signed_by(params, KeyPair::generate().unwrap(), root).unwrap();
    read(&cacerts(&ca, &[&ca], &[root]), now()).map_err(|error| error.to_string())
}

fn bundle_of(ca: &Ca) -> Bundle {
    Bundle::from_pem(&ca.pem()).unwrap()
}

/// A CA under a new root, read.
pub fn plugged() -> Plugged {
    let root = root(KeyPair::generate().unwrap());
    let ca = under(&root, 365);
    read(&cacerts(&ca, &[&ca, &root], &[&root]), now()).unwrap()
}

/// Another CA under the same root, and one with a new root beside that.
pub fn successions() -> [Plugged; 4] {
    let [one, two] = [(); 2].map(|()| root(KeyPair::generate().unwrap()));
    let made = |above: &Ca, roots: &[&Ca]| {
        let ca = under(above, 365);
        read(&cacerts(&ca, &[&ca, above], roots), now()).unwrap()
    };
    [
        made(&one, &[&one]),
        made(&one, &[&one]),
        made(&one, &[&one, &two]),
        made(&two, &[&two]),
    ]
}

/// One that expires before its root, after some days.
pub fn expiring(days: i64) -> Plugged {
    let root = root(KeyPair::generate().unwrap());
    let ca = under(&root, days);
    read(&cacerts(&ca, &[&ca], &[&root]), now()).unwrap()
}

#[test]
fn reads_what_istio_s_tools_write() {
    let root = root(rsa());
    let upper = under(&root, 700);
    let ca = Ca::signed_by(params("Intermediate CA", 365), rsa(), &upper).unwrap();
    let other = self::root(KeyPair::generate().unwrap());
    let secret = cacerts(&ca, &[&ca, &upper, &root], &[&other, &root]);
    let plugged = read(&secret, now()).unwrap();
    assert_eq!(plugged.root(), &bundle_of(&root));
    assert_eq!(plugged.roots().len(), 2);
    // Whoever trusts the root alone accepts it: the certificates between are in the chain.
    let names = ["a.svc".to_owned()];
    let pair = plugged
        .signer()
        .issue(&names, now(), Duration::DAY)
        .unwrap();
    pair.check_accepted(&names, plugged.root(), now()).unwrap();
    let chain = Bundle::from_pem(pair.chain()).unwrap();
    assert_eq!(chain.len(), 3, "and the root is not");
    assert!(!chain.shares_one_with(plugged.roots()));
}

#[test]
fn reads_what_cert_manager_writes() {
    let root = root(rsa());
    let ca = under(&root, 90);
    let files = [
        ("tls.crt", ca.pem()),
        ("tls.key", ca.key().serialize_pem()),
        ("ca.crt", root.pem()),
    ];
    let plugged = read(&secret(&files), now()).unwrap();
    assert_eq!(plugged.root(), &bundle_of(&root));
    assert_eq!(
        plugged.signer().not_after().unwrap(),
        now() + Duration::days(90)
    );
}

#[test]
fn a_root_may_sign_itself_and_have_a_curve_s_parameters_before_its_key() {
    let root = root(KeyPair::generate().unwrap());
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let files = [
        ("ca-cert.pem", root.pem()),
        (
            "ca-key.pem",
            format!("{parameters}{}", root.key().serialize_pem()),
        ),
        ("root-cert.pem", root.pem()),
    ];
    let plugged = read(&secret(&files), now()).unwrap();
    let pair = plugged
        .signer()
        .issue(&["a".to_owned()], now(), Duration::DAY);
    let chain = Bundle::from_pem(pair.unwrap().chain()).unwrap();
    assert_eq!(chain.len(), 1);
}

#[test]
fn refuses_what_nobody_would_accept() {
    let (root, stranger) = (
        root(KeyPair::generate().unwrap()),
        self::root(KeyPair::generate().unwrap()),
    );
    let upper = under(&root, 700);
    let ca = under(&upper, 365);
    let mut leaf = params("no CA", 365);
    leaf.is_ca = IsCa::NoCa;
    let leaf = Ca::signed_by(leaf, KeyPair::generate().unwrap(), &root).unwrap();
    let good = || cacerts(&ca, &[&ca, &upper], &[&root]);
    assert!(read(&good(), now()).is_ok());
    let without = |key: &str| {
        let mut secret = good();
        secret.data.as_mut().unwrap().remove(key);
        secret
    };
    let with = |key: &str, text: &str| {
        let mut secret = good();
        let bytes = ByteString(text.as_bytes().to_vec());
        secret.data.as_mut().unwrap().insert(key.to_owned(), bytes);
        secret
    };
    for (secret, expected) in [
        (Secret::default(), "ca-cert.pem is missing"),
        (without("ca-key.pem"), "ca-key.pem is missing"),
        (without("root-cert.pem"), "root-cert.pem is missing"),
        (with("root-cert.pem", ""), "root-cert.pem has no"),
        (with("ca-cert.pem", "x"), "ca-cert.pem: "),
        (with("ca-key.pem", "x"), "ca-cert.pem: "),
        (
            with("ca-key.pem", &stranger.key().serialize_pem()),
            "does not match",
        ),
        (
            with("cert-chain.pem", &upper.pem().replacen("MII", "AAA", 1)),
            "cert-chain.pem: ",
        ),
        (
            with("root-cert.pem", &root.pem().repeat(ROOTS + 1)),
            "more than 16",
        ),
        (
            with("root-cert.pem", &"#".repeat(FILE + 1)),
            "more than 262144 bytes",
        ),
        // The certificate between the two is missing.
        (without("cert-chain.pem"), "root-cert.pem would not accept"),
        (
            cacerts(&ca, &[&ca, &upper], &[&stranger]),
            "root-cert.pem would not accept",
        ),
        (cacerts(&leaf, &[&leaf], &[&root]), "not a CA's"),
        (with("tls.crt", &ca.pem()), "tls.key is missing"),
    ] {
        let error = read(&secret, now()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let error = read(&good(), now() + Duration::days(366)).unwrap_err();
    assert!(error.to_string().contains("expired"), "{error}");
    let error = read(&good(), now() - Duration::days(2)).unwrap_err();
    assert!(error.to_string().contains("not valid before"), "{error}");
}

/// Workloads are clients and servers by the same certificate.
#[test]
fn a_ca_that_signs_for_servers_alone_is_refused_in_words() {
    let root = root(KeyPair::generate().unwrap());
    let mut params = params("Intermediate CA", 365);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let error = tried(&root, params.clone()).unwrap_err();
    for words in [
        "servers would refuse",
        "client authentication",
        "spiffe://cluster.local/",
        "for clients and for servers",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    params.extended_key_usages.push(client);
    tried(&root, params).unwrap();
    // The root that it does not stand under says less.
    let other = self::root(KeyPair::generate().unwrap());
    let mut params = self::params("Intermediate CA", 365);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let ca = Ca::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    for roots in [[&root, &other], [&other, &root]] {
        let error = read(&cacerts(&ca, &[&ca], &roots), now()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("client authentication"), "{error}");
    }
}

#[test]
fn a_ca_may_be_constrained_to_names_that_it_signs_for() {
    let root = root(KeyPair::generate().unwrap());
    let constrained = |domain: &str| {
        let mut params = params("Intermediate CA", 365);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName(domain.to_owned())],
            excluded_subtrees: Vec::new(),
        });
        tried(&root, params)
    };
    constrained("svc").unwrap();
    let error = constrained("example.com").unwrap_err();
    let words = "may sign for pillion-discovery.istio-system.svc";
    assert!(error.contains(words), "{error}");
}

#[test]
fn expires_with_the_first_of_its_certificates() {
    let days = |days| now() + Duration::days(days);
    assert_eq!(expiring(5).not_after(), days(5));
    let short = Ca::self_signed(params("Root CA", 3), KeyPair::generate().unwrap()).unwrap();
    assert_eq!(tried(&short, params("CA", 9)).unwrap().not_after(), days(3));
}

/// What proxies take at most (`MAX_ROOTS` in `proxy/src/identity/answer.rs`).
#[test]
fn two_cas_and_what_is_retained_are_no_more_roots_than_proxies_take() {
    // The state has 16 that were replaced, the own one and the next.
    const { assert!(2 * ROOTS + 16 + 2 < 64) };
    let ca = root(KeyPair::generate().unwrap());
    let others: Vec<Ca> = (1..ROOTS)
        .map(|_| root(KeyPair::generate().unwrap()))
        .collect();
    let mut roots: Vec<&Ca> = others.iter().collect();
    roots.push(&ca);
    let plugged = read(&cacerts(&ca, &[], &roots), now()).unwrap();
    assert_eq!(plugged.roots().len(), ROOTS);
}

#[test]
fn roots_that_have_expired_are_left_out() {
    let key = KeyPair::generate().unwrap();
    let expired = Ca::self_signed(params("Root CA", -1), key).unwrap();
    let root = root(KeyPair::generate().unwrap());
    let ca = under(&root, 365);
    let secret = cacerts(&ca, &[&ca], &[&expired, &root]);
    let plugged = read(&secret, now()).unwrap();
    assert_eq!(plugged.roots(), &bundle_of(&root));
}
