//! Writing a command's output.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use anyhow::Context;

use crate::text::printable;

/// Writes to the file, or to standard output. A file is replaced atomically.
pub(super) fn write(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match file {
        Some(file) if file != Path::new("-") => {
            replace(file, text).with_context(|| format!("cannot write {}", file.display()))
        }
        _ => match std::io::stdout().write_all(text.as_bytes()) {
            // The reader has closed the pipe, as `head` does. That is not an error.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot write to standard output"),
        },
    }
}

/// Prints a message on standard error. A failure to do so is ignored.
pub(super) fn note(text: &str) {
    for line in text.split('\n') {
        let _ = writeln!(std::io::stderr(), "{}", printable(line));
    }
}

fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let present = fs::metadata(file).ok();
    // A device or a pipe can't be replaced by renaming.
    if present.as_ref().is_some_and(|present| !present.is_file()) {
        return fs::write(file, text);
    }
    // Replace a symbolic link's target, and not the link.
    let file = &file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut part = file.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let written =
        write_part(Path::new(&part), text, present.as_ref()).and_then(|()| fs::rename(&part, file));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    written
}

/// Writes the temporary file, with the permissions of the file that it replaces.
fn write_part(part: &Path, text: &str, present: Option<&fs::Metadata>) -> std::io::Result<()> {
    let mut file = fs::File::create(part)?;
    if let Some(present) = present {
        file.set_permissions(present.permissions())?;
    }
    file.write_all(text.as_bytes())
}
