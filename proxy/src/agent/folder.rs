//! A folder that nobody else may open.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Envoy's bootstrap.
pub(super) const BOOTSTRAP: &str = "envoy.json";
/// The socket of the configuration.
pub(super) const ADS: &str = "ads.sock";
/// The socket of the certificate.
pub(super) const SDS: &str = "sds.sock";

/// The agent's folder. It goes with the value.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// The folder can't be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't make the folder {}: the one above it has to be there, the proxy's user has to be allowed to write to it, and there may be no other folder of that name",
    .path.display()
)]
pub(super) struct NoFolder {
    path: PathBuf,
    source: io::Error,
}

impl Folder {
    /// Makes it anew: that of an agent before this one is removed, but nothing that no agent writes.
    pub fn make(path: &Path) -> Result<Self, NoFolder> {
        let failed = |source| NoFolder {
            path: path.to_owned(),
            source,
        };
        remove(path).map_err(failed)?;
        // It fails if it is there.
        DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that nobody else may read.
    pub fn write(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&path)?.write_all(content)?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The next agent would remove it.
        let _ = remove(&self.0);
    }
}

/// Removes an agent's folder, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    let gone = |removed: io::Result<()>| match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    for name in [BOOTSTRAP, ADS, SDS] {
        gone(fs::remove_file(path.join(name)))?;
    }
    gone(fs::remove_dir(path))
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::fs::PermissionsExt as _, process};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn temporary(name: &str) -> PathBuf {
        env::temp_dir().join(format!("pillion-agent-{name}-{}", process::id()))
    }

    #[test]
    fn nobody_else_may_open_it_and_nothing_is_left_of_before() {
        let path = temporary("folder");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join(BOOTSTRAP), "old").unwrap();
        let folder = Folder::make(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let file = folder.write(BOOTSTRAP, b"text").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(folder.write(BOOTSTRAP, b"text").is_err());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn another_folder_stays_and_is_named() {
        let path = temporary("other");
        fs::create_dir_all(path.join("precious")).unwrap();
        let error = Folder::make(&path).unwrap_err();
        assert!(error.to_string().contains("pillion-agent-other"), "{error}");
        assert!(path.join("precious").exists());
        fs::remove_dir_all(&path).unwrap();
        let error = Folder::make(Path::new("/proc/none/agent")).unwrap_err();
        assert!(error.to_string().contains("/proc/none/agent"), "{error}");
    }
}
