//! Files with the certificate and the key that servers outside the mesh are shown.

use std::sync::Arc;

use pillion_certs::{Error, Pair};

use super::{
    files::{FileFault, Mark, read},
    followed::Followed,
};
use crate::tables::CertificateFiles;

/// The longest file of either kind. A chain of five certificates has some 10 kB.
const MAX_FILE: u64 = 64 << 10;

/// Why there is no certificate, in words for operators.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error(
        "the file {path}, which should have {content}, {reason}: mount it into the proxy's container, or name another \
         file in {field} of the DestinationRule"
    )]
    File {
        path: Box<str>,
        content: &'static str,
        field: &'static str,
        reason: Arc<FileFault>,
    },
    #[error(
        "the certificate in {} can't be shown to the server with the key in {}: {}; check clientCertificate and \
         privateKey of the DestinationRule, and what is mounted there",
        files.chain,
        files.key,
        told(reason)
    )]
    Unusable {
        files: CertificateFiles,
        reason: Arc<Error>,
    },
    #[error("the certificate in {0} was not read: the proxy is ending")]
    Ending(Box<str>),
}

/// A text that is malformed may be repeated in the reason, and it is whatever is in the file.
fn told(reason: &Error) -> String {
    match reason {
        Error::Certificate(_) => "the PEM text of a certificate is malformed".to_owned(),
        other => other.to_string(),
    }
}

/// Pairs of files that are read when somebody needs them, and again once one has changed.
#[derive(Debug, Default)]
pub(super) struct PairFiles(Followed<CertificateFiles, Known>);

#[derive(Debug, Clone)]
struct Known {
    /// What both files were when they were looked at, where there was one.
    marks: [Option<Mark>; 2],
    /// What was in them when it could be used last.
    pair: Option<Arc<Pair>>,
    /// Why what was in them now can't be used.
    fault: Option<CertificateFault>,
}

impl PairFiles {
    /// The certificate and the key in two files. They are the same as long as the files have the same content, and while
    /// that can't be used: whoever replaces both needs a moment in which one is old and the other new.
    ///
    /// # Errors
    ///
    /// When there never were any that can be used.
    pub async fn of(&self, files: &CertificateFiles) -> Result<Arc<Pair>, CertificateFault> {
        let known = self.0.of(files, look).await;
        let ending = || CertificateFault::Ending(files.chain.clone());
        let Known { pair, fault, .. } = known.ok_or_else(ending)?;
        match (pair, fault) {
            (Some(pair), _) => Ok(pair),
            (None, fault) => Err(fault.unwrap_or_else(ending)),
        }
    }
}

/// Looks whether one of the files has changed since, or something was wrong with them, and reads them then.
fn look(files: &CertificateFiles, before: Option<Known>) -> Known {
    let marks = [&files.chain, &files.key].map(|path| Mark::of(path));
    let is_old = |known: &Known| known.marks == marks;
    if let Some(known) = before.as_ref().filter(|known| is_old(known))
        && known.fault.is_none()
    {
        return known.clone();
    }
    let is_told = before.as_ref().is_some_and(is_old);
    let last = before.and_then(|known| known.pair);
    match pair(files) {
        Ok(pair) => Known {
            marks,
            // Sessions of another one are not resumed.
            pair: Some(match last {
                Some(last) if *last == pair => last,
                _ => Arc::new(pair),
            }),
            fault: None,
        },
        Err(fault) => {
            if last.is_some() && !is_told {
                tracing::warn!(
                    "{fault}. The certificate that was read from there before stays in use"
                );
            }
            Known {
                marks,
                pair: last,
                fault: Some(fault),
            }
        }
    }
}

fn pair(files: &CertificateFiles) -> Result<Pair, CertificateFault> {
    let text = |path: &str, content, field| {
        read(path, MAX_FILE).map_err(|reason| CertificateFault::File {
            path: path.into(),
            content,
            field,
            reason: Arc::new(reason),
        })
    };
    let chain = text(
        &files.chain,
        "the certificate that the server is shown",
        "clientCertificate",
    )?;
    let key = text(
        &files.key,
        "the key of the certificate that the server is shown",
        "privateKey",
    )?;
    Pair::from_pem(&chain, &key).map_err(|reason| CertificateFault::Unusable {
        files: files.clone(),
        reason: Arc::new(reason),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::test_util::{Mesh, TempFile, pass};

    fn files(chain: &TempFile, key: &TempFile) -> CertificateFiles {
        CertificateFiles {
            chain: chain.path().into(),
            key: key.path().into(),
        }
    }

    fn same(one: &Known, other: &Known) -> bool {
        Arc::ptr_eq(one.pair.as_ref().unwrap(), other.pair.as_ref().unwrap())
    }

    #[test]
    fn a_pair_is_the_same_until_both_files_have_another() {
        let mesh = Mesh::new();
        let ((chain, key), (new_chain, new_key)) = (mesh.files("a"), mesh.files("a"));
        let (chain_file, key_file) = (TempFile::new(&chain), TempFile::new(&key));
        let files = files(&chain_file, &key_file);
        let first = look(&files, None);
        assert!(first.fault.is_none());
        let second = look(&files, Some(first.clone()));
        assert!(same(&first, &second));
        // The same content in another file.
        chain_file.replace(&chain);
        let third = look(&files, Some(second));
        assert!(same(&first, &third));
        // One of two is new.
        chain_file.replace(&new_chain);
        let half = look(&files, Some(third));
        let fault = half.fault.as_ref().unwrap().to_string();
        assert!(fault.contains("does not match"), "{fault}");
        assert!(same(&first, &half));
        key_file.replace(&new_key);
        let whole = look(&files, Some(half));
        assert!(!same(&first, &whole) && whole.fault.is_none());
        // What was good stays.
        drop(key_file);
        let gone = look(&files, Some(whole.clone()));
        assert!(same(&whole, &gone) && gone.fault.is_some());
    }

    #[tokio::test]
    async fn what_can_not_be_shown_is_told_with_its_file() {
        let mesh = Mesh::new();
        let ((chain, key), (_, other)) = (mesh.files("a"), mesh.files("a"));
        let marked = format!("-----BEGIN {}", "a".repeat(10_000));
        let good = (TempFile::new(&chain), TempFile::new(&key));
        let [other, junk, marked] = [other.as_str(), "nothing", marked.as_str()].map(TempFile::new);
        let long = TempFile::new(&"a".repeat(1 << 17));
        let at = |chain: &str, key: &str| CertificateFiles {
            chain: chain.into(),
            key: key.into(),
        };
        let (chain, key) = (good.0.path(), good.1.path());
        let pairs = PairFiles::default();
        for (files, part, reason) in [
            (at("/nowhere/c", key), "/nowhere/c, ", "(No such file"),
            (at("/nowhere/c", key), "clientCertificate", "shown, can't"),
            (at(chain, "/nowhere/k"), "/nowhere/k, ", "(No such file"),
            (at(chain, "/nowhere/k"), "privateKey", "shown, can't"),
            (at("/dev/zero", key), "/dev/zero", "is no regular file"),
            (at(chain, "/"), "/", "is no regular file"),
            (at(long.path(), key), long.path(), "more than 65536 bytes"),
            (at(chain, long.path()), long.path(), "more than 65536 bytes"),
            (at(junk.path(), key), junk.path(), "no certificate"),
            (at(marked.path(), key), marked.path(), "malformed"),
            (at(chain, junk.path()), junk.path(), "no private key"),
            (at(chain, other.path()), other.path(), "does not match"),
        ] {
            let said = pairs.of(&files).await.unwrap_err().to_string();
            assert!(said.contains(part) && said.contains(reason), "{said}");
            assert!(said.len() < 500, "{said}");
        }
    }

    #[tokio::test]
    async fn a_file_that_comes_later_is_read_then() {
        let (chain, key) = Mesh::new().files("a");
        let (chain, key_file) = (TempFile::new(&chain), TempFile::new("nothing"));
        let (files, pairs) = (files(&chain, &key_file), PairFiles::default());
        assert!(pairs.of(&files).await.is_err());
        key_file.replace(&key);
        pass(crate::transport::followed::FRESH).await;
        assert!(pairs.of(&files).await.is_ok());
    }
}
