//! Files with the roots that servers outside the mesh are checked against.

use std::sync::Arc;

use pillion_certs::{Error, mesh::OutsideRoots};

use super::{
    files::{FileFault, Mark, read},
    followed::Followed,
};

/// The longest file. The bundles of Linux distributions have some 250 kB.
const MAX_FILE: u64 = 1 << 20;

/// Why there are no roots, in words for operators.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the file {path}, which should have the roots that the server is checked against, {reason}: mount it into the \
     proxy's container, or name another file in caCertificates of the DestinationRule"
)]
pub(crate) struct RootsFault {
    path: Box<str>,
    reason: Arc<Reason>,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    File(#[from] FileFault),
    #[error("has none that can be used ({0})")]
    Invalid(#[from] Error),
    #[error("was not read: the proxy is ending")]
    Ending,
}

/// Files that are read when somebody needs them, and again once they have changed.
#[derive(Debug, Default)]
pub(super) struct RootFiles(Followed<Box<str>, Known>);

#[derive(Debug, Clone)]
struct Known {
    /// What the file was when it was looked at, if there was one.
    mark: Option<Mark>,
    roots: Result<Arc<OutsideRoots>, Arc<Reason>>,
}

impl RootFiles {
    /// The roots in a file. Those of a file that has not changed are the same.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub async fn of(&self, path: &str) -> Result<Arc<OutsideRoots>, RootsFault> {
        let path = Box::from(path);
        let known = self.0.of(&path, |path, before| look(path, before)).await;
        let roots = known.map_or_else(|| Err(Arc::new(Reason::Ending)), |known| known.roots);
        roots.map_err(|reason| RootsFault { path, reason })
    }
}

/// Looks whether a file has changed since, and reads it then.
fn look(path: &str, before: Option<Known>) -> Known {
    let mark = Mark::of(path);
    match before {
        Some(known) if mark.is_some() && known.mark == mark => known,
        _ => Known {
            mark,
            roots: roots(path).map_err(Arc::new),
        },
    }
}

fn roots(path: &str) -> Result<Arc<OutsideRoots>, Reason> {
    let text = read(path, MAX_FILE)?;
    Ok(Arc::new(OutsideRoots::from_pem(&text)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::test_util::{Mesh, TempFile};

    #[tokio::test]
    async fn roots_are_the_same_until_the_file_changes() {
        let file = TempFile::new(Mesh::new().roots());
        let look = |known| look(file.path(), known);
        let first = look(None);
        let roots = first.roots.clone().unwrap();
        let second = look(Some(first));
        assert!(Arc::ptr_eq(&roots, second.roots.as_ref().unwrap()));
        file.replace(Mesh::new().roots());
        let third = look(Some(second));
        assert!(!Arc::ptr_eq(&roots, third.roots.as_ref().unwrap()));
        file.replace("no certificate");
        assert!(matches!(
            *look(Some(third)).roots.unwrap_err(),
            Reason::Invalid(_)
        ));
        let files = RootFiles::default();
        let error = files.of(file.path()).await.unwrap_err().to_string();
        assert!(
            error.contains(file.path()) && error.contains("caCertificates"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn what_is_no_file_of_roots_is_told() {
        let files = RootFiles::default();
        let long = TempFile::new(&"a".repeat(1 << 21));
        for (path, reason) in [
            ("/nowhere/roots.pem", "can't be read (No such file"),
            ("/dev/zero", "is no regular file"),
            (long.path(), "has more than 1048576 bytes"),
        ] {
            let error = files.of(path).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
