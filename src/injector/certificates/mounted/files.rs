//! The files of a mounted Secret of the type `kubernetes.io/tls`.

use std::{fs, io, path::Path};

use pillion_certs::{Bundle, Error, Pair};
use time::OffsetDateTime;

/// The files as they were read.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    chain: String,
    key: String,
    authority: Option<String>,
}

impl Files {
    /// Reads them, all of the same version: the kubelet's link `..data` is
    /// followed once, so that a swap between two reads mixes nothing.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let folder = match fs::canonicalize(folder.join("..data")) {
            Ok(version) => version,
            // A folder that no kubelet made.
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.to_owned(),
            Err(error) => return Err(error),
        };
        let read = |name: &str| {
            fs::read_to_string(folder.join(name))
                .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))
        };
        let authority = match read("ca.crt") {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            chain: read("tls.crt")?,
            key: read("tls.key")?,
            authority,
        })
    }

    /// The certificate with its key, and the CAs if there are any.
    pub fn load(&self, now: OffsetDateTime) -> Result<(Pair, Option<Bundle>), Error> {
        let pair = Pair::from_pem(&self.chain, &self.key)?;
        let Some(authority) = &self.authority else {
            return Ok((pair, None));
        };
        let roots = Bundle::from_pem(authority)?.valid_at(now);
        if roots.is_empty() {
            return Err(Error::Missing("valid CA certificate (ca.crt)"));
        }
        Ok((pair, Some(roots)))
    }
}
