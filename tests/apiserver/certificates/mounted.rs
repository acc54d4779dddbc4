//! The certificate of a mounted Secret.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use pillion_certs::{Authority, Bundle, Pair};
use time::{Duration, OffsetDateTime};

use super::{installation::Installation, load::Load};
use crate::{eventually, injector_process::Ports, tls::handshake, turns::turn};

/// A Secret's volume as the kubelet keeps it: the files are links into a folder
/// that `..data` links to, and an update swaps that link.
struct Volume {
    folder: PathBuf,
    versions: usize,
}

impl Volume {
    fn new(folder: PathBuf, files: &[(&str, String)]) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut volume = Self {
            folder,
            versions: 0,
        };
        volume.update(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.folder.join(name)).unwrap();
        }
        volume
    }

    fn update(&mut self, files: &[(&str, String)]) {
        self.versions += 1;
        let version = format!("..version{}", self.versions);
        fs::create_dir(self.folder.join(&version)).unwrap();
        for (name, text) in files {
            fs::write(self.folder.join(&version).join(name), text).unwrap();
        }
        symlink(&version, self.folder.join("..data_tmp")).unwrap();
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
    }
}

fn issue(authority: &Authority) -> Pair {
    issue_for("127.0.0.1", authority)
}

fn issue_for(name: &str, authority: &Authority) -> Pair {
    authority
        .issue(
            &[name.to_owned()],
            OffsetDateTime::now_utc(),
            Duration::days(1),
        )
        .unwrap()
}

fn authority() -> Authority {
    Authority::generate(
        "somebody's CA",
        OffsetDateTime::now_utc(),
        Duration::days(2),
    )
    .unwrap()
}

fn der(pair: &Pair) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_slice(pair.chain().as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_secret_is_served_and_a_mismatched_one_is_not() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let authority = authority();
    let files = |chain: &Pair, key: &Pair| {
        [
            ("tls.crt", chain.chain().to_owned()),
            ("tls.key", key.key().to_owned()),
            ("ca.crt", authority.certificate().to_owned()),
        ]
    };
    let first = issue(&authority);
    let written = files(&first, &first);
    let mut volume = Volume::new(
        installation
            .plane
            .folder()
            .join(format!("mounted-{}", installation.namespace)),
        &written,
    );
    let mut injector =
        installation.start(ports, &["--tls-cert-dir", volume.folder.to_str().unwrap()]);
    injector.ready().await;
    assert!(installation.admit(0).await.unwrap());
    // By its contents: line ends and comments may differ.
    assert_eq!(
        Bundle::from_pem(&installation.ca_bundles().await[0]).unwrap(),
        Bundle::from_pem(authority.certificate()).unwrap()
    );
    assert_eq!(
        handshake(ports.webhook, authority.certificate())
            .await
            .unwrap()
            .to_vec(),
        der(&first)
    );

    let second = issue(&authority);
    let written = files(&second, &second);
    volume.update(&written);
    eventually("the second certificate is served", async || {
        let presented = handshake(ports.webhook, authority.certificate())
            .await
            .unwrap();
        (presented.to_vec() == der(&second)).then_some(())
    })
    .await;

    let third = issue(&authority);
    let mismatched = files(&third, &second);
    volume.update(&mismatched);
    eventually("the mismatched pair is refused", async || {
        (injector.metric("pillion_certificate_reload_failures_total") == Some(1.0)).then_some(())
    })
    .await;
    let elsewhere = issue_for("elsewhere.example", &authority);
    let named_otherwise = files(&elsewhere, &elsewhere);
    volume.update(&named_otherwise);
    eventually("the pair for another name is refused", async || {
        (injector.metric("pillion_certificate_reload_failures_total") == Some(2.0)).then_some(())
    })
    .await;
    assert_eq!(
        handshake(ports.webhook, authority.certificate())
            .await
            .unwrap()
            .to_vec(),
        der(&second)
    );
    assert!(installation.admit(0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_ca_in_the_secret_the_bundle_is_left_to_others() {
    let ports = Ports::free();
    let installation = Installation::new(&[ports]).await;
    let authority = authority();
    let pair = issue(&authority);
    let volume = Volume::new(
        installation
            .plane
            .folder()
            .join(format!("mounted-{}", installation.namespace)),
        &[
            ("tls.crt", pair.chain().to_owned()),
            ("tls.key", pair.key().to_owned()),
        ],
    );
    let mut injector =
        installation.start(ports, &["--tls-cert-dir", volume.folder.to_str().unwrap()]);
    eventually("it waits for nothing but the bundle", async || {
        let answer = injector.get("/readyz")?;
        (answer.contains("caBundle")
            && !answer.contains("certificate")
            && !answer.contains("ConfigMaps"))
        .then_some(())
    })
    .await;
    installation.set_ca_bundle(authority.certificate()).await;
    injector.ready().await;
    assert!(installation.admit(0).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ca_reaches_replicas_one_after_the_other_without_a_failed_admission() {
    let _turn = turn().await;
    let ports = [Ports::free(), Ports::free()];
    let installation = Arc::new(Installation::new(&ports).await);
    let (first, second) = (authority(), authority());
    let files = |authority: &Authority| {
        let pair = issue(authority);
        [
            ("tls.crt", pair.chain().to_owned()),
            ("tls.key", pair.key().to_owned()),
            ("ca.crt", authority.certificate().to_owned()),
        ]
    };
    let mut volumes = [0, 1].map(|replica| {
        let name = format!("mounted-{}-{replica}", installation.namespace);
        let written = files(&first);
        Volume::new(installation.plane.folder().join(name), &written)
    });
    let mut replicas = [0, 1].map(|replica: usize| {
        let folder = volumes[replica].folder.to_str().unwrap();
        let arguments = ["--tls-cert-dir", folder, "--ca-overlap", "4s"];
        installation.start(ports[replica], &arguments)
    });
    for replica in &mut replicas {
        replica.ready().await;
    }
    let generation = installation.generation().await;
    let load = Load::start(&installation, ports.to_vec());

    for (replica, volume) in volumes.iter_mut().enumerate() {
        let written = files(&second);
        volume.update(&written);
        eventually("the new certificate is served", async || {
            load.goes_on();
            let presented = handshake(ports[replica].webhook, second.certificate()).await;
            presented.ok()
        })
        .await;
    }
    let wanted = Bundle::from_pem(second.certificate()).unwrap();
    eventually("the first CA is forgotten", async || {
        load.goes_on();
        let bundles = installation.ca_bundles().await;
        let forgotten = |bundle: &String| Bundle::from_pem(bundle).unwrap() == wanted;
        bundles.iter().all(forgotten).then_some(())
    })
    .await;
    load.stop().await;
    // A root in, a root out, and little more: the replicas don't contend.
    let writes = installation.generation().await - generation;
    assert!((2..=8).contains(&writes), "{writes} writes");
}
