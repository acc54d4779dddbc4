//! Files that somebody else writes.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
};

/// Why a file can't be read, in words for operators.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    #[error("can't be read ({0})")]
    Io(#[from] io::Error),
    #[error("is no regular file")]
    NoFile,
    #[error("has more than {0} bytes")]
    TooLong(u64),
}

/// What tells two states of a file apart, also of one whose place another one has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u64; 3], [i64; 4]);

impl Mark {
    /// That of a file now. A file that is read afterwards may be newer, and has another mark then.
    pub fn of(path: &str) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::new)
    }

    fn new(metadata: &Metadata) -> Self {
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

/// The text of a regular file of at most so many bytes. What is no text in it is replaced.
pub(super) fn read(path: &str, most: u64) -> Result<String, FileFault> {
    // Others may have no end, or nothing for whoever opens them.
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileFault::NoFile);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(FileFault::TooLong(most)),
        false => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::test_util::TempFile;

    #[test]
    fn reads_regular_files_that_are_not_too_long() {
        let file = TempFile::new("abcd");
        assert_eq!(read(file.path(), 4).unwrap(), "abcd");
        for (path, reason) in [
            (file.path(), "has more than 3 bytes"),
            ("/nowhere/file.pem", "can't be read (No such file"),
            ("/dev/zero", "is no regular file"),
            ("/", "is no regular file"),
        ] {
            let error = read(path, 3).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_file_that_takes_the_place_of_another_is_told_from_it() {
        let file = TempFile::new("abcd");
        let before = Mark::of(file.path());
        assert!(before.is_some());
        assert_eq!(before, Mark::of(file.path()));
        file.replace("efgh");
        assert_ne!(before, Mark::of(file.path()));
        assert_eq!(Mark::of("/nowhere/file.pem"), None);
    }
}
