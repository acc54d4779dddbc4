//! Client certificates: who may call at all.

use std::{fs, path::Path};

use pillion_envtest::ControlPlane;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::installation::Installation;
use crate::{
    eventually,
    injector_process::{InjectorProcess, Ports},
    tls::{Identity, connect_as},
};

const NAME: &str = "kube-apiserver-webhooks";

const YES: [bool; 2] = [true; 2];
const NO: [bool; 2] = [false; 2];

/// A CA of client certificates.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A client's certificate and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Whether the webhook answers a client by TLS 1.2, and by 1.3.
async fn answers(
    installation: &Installation,
    ports: Ports,
    identity: Option<&(String, String)>,
) -> [bool; 2] {
    let roots = installation.secret("ca.crt").await.unwrap();
    let identity: Option<Identity<'_>> =
        identity.map(|(certificate, key)| (&**certificate, &**key));
    let mut answers = [false; 2];
    for (answers, version) in answers.iter_mut().zip([&TLS12, &TLS13]) {
        let answered = async {
            let mut stream = connect_as(identity, &[version], ports.webhook, &roots).await?;
            let request = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            anyhow::Ok(answer.starts_with(b"HTTP/1.1"))
        };
        *answers = answered.await.unwrap_or(false);
    }
    answers
}

/// Starts one that demands certificates, of the CA of a file.
fn start(installation: &Installation, ports: Ports, file: &Path, more: &[&str]) -> InjectorProcess {
    let flags = ["--client-ca-file", file.to_str().unwrap()];
    installation.start(ports, &[&flags, more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_certificates_of_the_ca_with_one_of_the_names() {
    let ports = [Ports::free(), Ports::free()];
    let installation = Installation::new(&ports).await;
    let (ca, another) = (Ca::new(), Ca::new());
    let file = installation.plane.folder().join("clients-named.crt");
    fs::write(&file, ca.pem()).unwrap();
    let mut named = start(
        &installation,
        ports[0],
        &file,
        &["--client-name", "x", "--client-name", NAME],
    );
    let mut any = start(&installation, ports[1], &file, &[]);
    for injector in [&mut named, &mut any] {
        injector.ready().await;
        let ports = injector.ports;
        assert_eq!(
            answers(&installation, ports, Some(&ca.issue(NAME))).await,
            YES
        );
        assert_eq!(answers(&installation, ports, None).await, NO);
        assert_eq!(
            answers(&installation, ports, Some(&another.issue(NAME))).await,
            NO
        );
    }
    let named_otherwise = ca.issue("another");
    assert_eq!(
        answers(&installation, ports[0], Some(&named_otherwise)).await,
        NO
    );
    assert_eq!(
        answers(&installation, ports[1], Some(&named_otherwise)).await,
        YES
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_last_good_ca_and_takes_the_next() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let (first, second) = (Ca::new(), Ca::new());
    let file = installation.plane.folder().join("clients-changed.crt");
    // A ConfigMap's update is not half written either.
    let update = |text: &str| {
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &file).unwrap();
    };
    update(&first.pem());
    let mut injector = start(&installation, ports, &file, &[]);
    injector.ready().await;
    let of_first = first.issue(NAME);
    assert_eq!(answers(&installation, ports, Some(&of_first)).await, YES);

    update("no certificate");
    eventually("it is reported", async || {
        let failures = injector.metric("pillion_certificate_reload_failures_total");
        (failures == Some(1.0)).then_some(())
    })
    .await;
    assert_eq!(answers(&installation, ports, Some(&of_first)).await, YES);

    update(&second.pem());
    let of_second = second.issue(NAME);
    eventually("the second CA is trusted", async || {
        let answers = answers(&installation, ports, Some(&of_second)).await;
        (answers == YES).then_some(())
    })
    .await;
    assert_eq!(answers(&installation, ports, Some(&of_first)).await, NO);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_a_bad_ca_when_it_starts() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let file = installation.plane.folder().join("clients-bad.crt");
    fs::write(&file, "no certificate").unwrap();
    let mut injector = start(&installation, ports, &file, &[]);
    assert!(!injector.ended().await.success());
}

/// An API server that shows this certificate to webhooks at these ports.
async fn api_server(ca: &Ca, ports: &[Ports]) -> &'static ControlPlane {
    let (certificate, key) = ca.issue(NAME);
    let plane = ControlPlane::start_with(|folder| {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map(|()| path)
        };
        let user = json!({
            "client-certificate": write("webhooks.crt", &certificate)?,
            "client-key": write("webhooks.key", &key)?,
        });
        // In the name of a user stands which webhook it is for.
        let users: Vec<_> = ports
            .iter()
            .map(|ports| json!({"name": ports.webhook.to_string(), "user": user}))
            .collect();
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "users": users}).to_string();
        let admission = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [{"name": "MutatingAdmissionWebhook", "configuration": {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "WebhookAdmissionConfiguration",
                "kubeConfigFile": write("webhooks.kubeconfig", &kubeconfig)?,
            }}],
        });
        let file = write("admission.yaml", &admission.to_string())?;
        Ok(vec![format!(
            "--admission-control-config-file={}",
            file.display()
        )])
    });
    // It ends with the process.
    Box::leak(Box::new(plane.await.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn accepts_an_api_server_that_shows_its_certificate() {
    let ports = [(); 4].map(|()| Ports::free());
    let (ca, another) = (Ca::new(), Ca::new());
    // Not to the last one.
    let installation = Installation::on(api_server(&ca, &ports[..3]).await, &ports).await;
    let file = |name: &str, ca: &Ca| {
        let file = installation.plane.folder().join(name);
        fs::write(&file, ca.pem()).unwrap();
        file
    };
    let (ours, others) = (file("ours.crt", &ca), file("others.crt", &another));
    let named = ["--client-name", NAME];
    let mut injectors = [
        start(&installation, ports[0], &ours, &named),
        start(
            &installation,
            ports[1],
            &ours,
            &["--client-name", "another"],
        ),
        start(&installation, ports[2], &others, &named),
        start(&installation, ports[3], &ours, &named),
    ];
    for injector in &mut injectors {
        injector.ready().await;
    }
    // API servers take a moment to learn of a caBundle.
    eventually("the API server calls with its certificate", async || {
        installation.admit(0).await.ok()
    })
    .await;
    // All webhooks have the same bundle, and it is known now: what fails is the client's part.
    let failures = "pillion_webhook_tls_handshake_failures_total";
    for (replica, why) in [(1, "the name"), (2, "the CA"), (3, "no certificate")] {
        let before = injectors[replica].metric(failures).unwrap();
        let error = installation.admit(replica).await.unwrap_err().to_string();
        assert!(error.contains("failed calling webhook"), "{why}: {error}");
        assert!(!error.contains("unknown authority"), "{why}: {error}");
        eventually(why, async || {
            let failed = injectors[replica].metric(failures)? > before;
            failed.then_some(())
        })
        .await;
    }
    assert!(installation.admit(0).await.unwrap());
}
