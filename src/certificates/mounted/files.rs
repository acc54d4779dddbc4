//! The files of a mounted Secret of the type `kubernetes.io/tls`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pillion_certs::{Bundle, Error, Pair};
use time::OffsetDateTime;

/// The contents of the files.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    chain: String,
    key: String,
    authority: Option<String>,
}

impl Files {
    /// Reads the files, all of the same version. The kubelet's link `..data` is resolved
    /// once; if it has changed after reading, the files are read again, because the kubelet
    /// deletes the previous version file by file.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut version = version(folder)?;
        loop {
            let files = Self::of_version(&version);
            let now = self::version(folder)?;
            if now == version {
                return files;
            }
            version = now;
        }
    }

    fn of_version(folder: &Path) -> io::Result<Self> {
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

    /// Returns the certificate with its key, and the CAs if there are any.
    ///
    /// # Errors
    ///
    /// Returns an error if an API server that calls one of these names would not accept
    /// the certificate. Without a CA, only the validity period is checked.
    pub fn load(
        &self,
        names: &[String],
        now: OffsetDateTime,
    ) -> Result<(Pair, Option<Bundle>), Error> {
        let pair = Pair::from_pem(&self.chain, &self.key)?;
        let Some(authority) = &self.authority else {
            pair.validity()?.check(now)?;
            return Ok((pair, None));
        };
        let roots = Bundle::from_pem(authority)?.valid_at(now);
        if roots.is_empty() {
            return Err(Error::Missing("valid CA certificate (ca.crt)"));
        }
        pair.check_accepted(names, &roots, now)?;
        Ok((pair, Some(roots)))
    }
}

fn version(folder: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(folder.join("..data")) {
        // Not a volume that a kubelet mounted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(folder.to_owned()),
        version => version,
    }
}
