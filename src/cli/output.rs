//! Where a command writes its manifest.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::Context;

/// Writes to the file, or to standard output. A file is replaced whole or not at all.
pub(super) fn write(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match file {
        Some(file) if file != Path::new("-") => {
            replace(file, text).with_context(|| format!("cannot write {}", file.display()))
        }
        _ => match std::io::stdout().write_all(text.as_bytes()) {
            // The reader has gone, as `head` does; there is nobody to tell.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write to standard output"),
        },
    }
}

fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    // A device or a pipe can't be renamed over.
    if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(file, text);
    }
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, file));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    written
}
