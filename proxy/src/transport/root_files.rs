//! Files with the roots that servers outside the mesh are checked against.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pillion_certs::{Error, mesh::OutsideRoots};
use tokio::task::spawn_blocking;

/// How long a file is not looked at again.
const FRESH: Duration = Duration::from_secs(10);
/// The longest file. The bundles of Linux distributions have some 250 kB.
const MAX_FILE: u64 = 1 << 20;
/// Files that are known: rules name them.
const MAX_FILES: usize = 256;

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
    #[error("can't be read ({0})")]
    Io(#[from] io::Error),
    #[error("is no regular file")]
    NoFile,
    #[error("has more than {MAX_FILE} bytes")]
    TooLong,
    #[error("has none that can be used ({0})")]
    Invalid(#[from] Error),
    #[error("was not read: the proxy is ending")]
    Ending,
}

/// Files that are read when somebody needs them, on threads of their own, and again once they have changed.
#[derive(Debug, Default)]
pub(super) struct RootFiles(Mutex<HashMap<Box<str>, Arc<Place>>>);

/// Whoever holds it looks at the file, and others wait for what comes out.
type Place = tokio::sync::Mutex<Option<Known>>;

#[derive(Debug)]
struct Known {
    looked: Instant,
    /// What the file was then, if it was one.
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
        let mut place = self.place(path).lock_owned().await;
        let is_fresh = |known: &Known| known.looked.elapsed() < FRESH;
        let roots = match place.as_ref().filter(|known| is_fresh(known)) {
            Some(known) => known.roots.clone(),
            None => {
                let owned = path.to_owned();
                // It keeps the place: whoever comes after one that gave up waits for the same look.
                let looking = spawn_blocking(move || {
                    let known = look(&owned, place.take());
                    let roots = known.roots.clone();
                    *place = Some(known);
                    roots
                });
                looking
                    .await
                    .unwrap_or_else(|_| Err(Arc::new(Reason::Ending)))
            }
        };
        roots.map_err(|reason| RootsFault {
            path: path.into(),
            reason,
        })
    }

    fn place(&self, path: &str) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = places.get(path) {
            return Arc::clone(known);
        }
        if places.len() >= MAX_FILES {
            places.clear();
        }
        let place = places.entry(path.into()).or_default();
        Arc::clone(place)
    }
}

/// What tells two states of a file apart, also of one whose place another one has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark([u64; 3], [i64; 4]);

impl Mark {
    fn of(metadata: &Metadata) -> Self {
        Self(
            [metadata.dev(), metadata.ino(), metadata.size()],
            [
                metadata.mtime(),
                metadata.mtime_nsec(),
                metadata.ctime(),
                metadata.ctime_nsec(),
            ],
        )
    }
}

/// Looks whether a file has changed since, and reads it then.
fn look(path: &str, known: Option<Known>) -> Known {
    let looked = Instant::now();
    let (mark, roots) = match std::fs::metadata(path) {
        Ok(metadata) => {
            let mark = Mark::of(&metadata);
            match known.filter(|known| known.mark == Some(mark)) {
                Some(known) => (Some(mark), known.roots),
                None => (Some(mark), read(path, &metadata).map_err(Arc::new)),
            }
        }
        Err(error) => (None, Err(Arc::new(error.into()))),
    };
    Known {
        looked,
        mark,
        roots,
    }
}

fn read(path: &str, metadata: &Metadata) -> Result<Arc<OutsideRoots>, Reason> {
    // Others may have no end, or nothing for whoever opens them.
    if !metadata.is_file() {
        return Err(Reason::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Reason::TooLong);
    }
    let roots = OutsideRoots::from_pem(&String::from_utf8_lossy(&bytes))?;
    Ok(Arc::new(roots))
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
            ("/", "is no regular file"),
            (long.path(), "has more than 1048576 bytes"),
        ] {
            let error = files.of(path).await.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[tokio::test]
    async fn few_files_are_known() {
        let files = RootFiles::default();
        for number in 0..2 * MAX_FILES {
            let _ = files.of(&format!("/nowhere/{number}")).await;
        }
        assert!(files.0.lock().unwrap().len() <= MAX_FILES);
    }
}
