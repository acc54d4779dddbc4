//! TLS to a sidecar, as another sidecar speaks it.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use pillion_certs::unverified_client_config_for;
use rustls::{
    ClientConfig,
    client::Resumption as Sessions,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};

use crate::stream::Target;

/// As Istio's sidecars offer them for HTTP/1.1.
const PROTOCOLS: [&[u8]; 3] = [b"istio-http/1.1", b"istio", b"http/1.1"];

#[derive(Debug, clap::Args)]
pub(crate) struct Tls {
    /// Speaks TLS with the certificate in this folder: `cert.pem` and `key.pem`. The server's certificate is not checked, so
    /// that the client takes as little of the machine as possible.
    #[arg(long = "tls", value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Whether a connection may resume the TLS session of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumption {
    On,
    Off,
}

impl Tls {
    /// The target, with TLS if that is asked for. Each has sessions of its own.
    pub fn target(&self, address: SocketAddr, resumption: Resumption) -> anyhow::Result<Target> {
        let tls = match &self.folder {
            None => None,
            Some(folder) => {
                let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
                let read = |file: &PathBuf| {
                    fs::read(file).with_context(|| format!("can't read {}", file.display()))
                };
                let config = config(&read(&certificate)?, &read(&key)?, resumption)?;
                Some(Arc::new(config))
            }
        };
        Ok(Target { address, tls })
    }
}

fn config(certificate: &[u8], key: &[u8], resumption: Resumption) -> anyhow::Result<ClientConfig> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key)?;
    let mut config = unverified_client_config_for(&[&TLS13])?;
    let key = CertifiedKey::from_der(chain, key, config.crypto_provider())?;
    config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(key));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.resumption = match resumption {
        Resumption::On => Sessions::in_memory_sessions(8),
        Resumption::Off => Sessions::disabled(),
    };
    Ok(config)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs};

    use super::*;

    /// A folder that goes with the value.
    #[derive(Debug)]
    pub(crate) struct Folder(pub PathBuf);

    impl Folder {
        fn new() -> Self {
            static NUMBER: AtomicUsize = AtomicUsize::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("pillion-load-{}-{number}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A folder with a certificate and its key, and what a server makes of them that knows sessions again.
    fn made() -> (Folder, Arc<ServerConfig>) {
        let made = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).unwrap();
        let folder = Folder::new();
        fs::write(folder.0.join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(folder.0.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        (folder, Arc::new(config))
    }

    /// A server that answers one request over each connection by TLS, and what a client speaks it by.
    pub(crate) fn server() -> (SocketAddr, Tls, Folder) {
        let (folder, config) = made();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut held = Vec::new();
            for socket in listener.incoming().map_while(Result::ok) {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(session, socket);
                if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).unwrap();
                }
                held.push(stream);
            }
        });
        let tls = Tls {
            folder: Some(folder.0.clone()),
        };
        (address, tls, folder)
    }

    #[test]
    fn a_session_is_resumed_if_that_is_asked_for() {
        let (address, tls, _folder) = server();
        for (resumption, expected) in [(Resumption::On, true), (Resumption::Off, false)] {
            let target = tls.target(address, resumption).unwrap();
            let resumed = [0; 3].map(|_| {
                let mut connection = crate::connection::Connection::blocking(&target).unwrap();
                connection.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                while !connection.receive(&mut [0; 1024]).unwrap() {}
                connection.is_resumed()
            });
            assert_eq!(resumed, [false, expected, expected]);
        }
    }

    #[test]
    fn without_a_folder_there_is_no_tls() {
        let tls = Tls { folder: None };
        let address = "127.0.0.1:1".parse().unwrap();
        assert!(tls.target(address, Resumption::On).unwrap().tls.is_none());
        let tls = Tls {
            folder: Some("/nowhere".into()),
        };
        assert!(tls.target(address, Resumption::On).is_err());
    }
}
