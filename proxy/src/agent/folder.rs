//! A folder that nobody else may open.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The agent's folder. It goes with the value.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// The folder can't be made.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't make the folder {}: the one above it has to be there, and the proxy's user has to be allowed to write to it",
    path.display()
)]
pub(super) struct NoFolder {
    path: PathBuf,
    source: io::Error,
}

impl Folder {
    /// Makes it anew: what an agent before this one has left there is removed. It is not as this agent wants
    /// it if somebody else has made it.
    pub fn make(path: &Path) -> Result<Self, NoFolder> {
        let failed = |source| NoFolder {
            path: path.to_owned(),
            source,
        };
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
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
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::fs::PermissionsExt as _, process};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn nobody_else_may_open_it_and_nothing_is_left_of_before() {
        let path = env::temp_dir().join(format!("pillion-agent-folder-{}", process::id()));
        fs::create_dir_all(path.join("old")).unwrap();
        let folder = Folder::make(&path).unwrap();
        assert!(!path.join("old").exists());
        assert_eq!(mode(&path), 0o700);
        let file = folder.write("file", b"text").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(folder.write("file", b"text").is_err());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn says_which_folder_can_not_be_made() {
        let error = Folder::make(Path::new("/proc/none/agent")).unwrap_err();
        assert!(error.to_string().contains("/proc/none/agent"), "{error}");
    }
}
