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

/// Tells the user something on standard error, if anybody listens there.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let present = fs::metadata(file).ok();
    // A device or a pipe can't be renamed over.
    if present.as_ref().is_some_and(|present| !present.is_file()) {
        return fs::write(file, text);
    }
    // Behind a link, what it leads to is replaced.
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

/// Whoever could not read the file before can't read its next contents.
fn write_part(part: &Path, text: &str, present: Option<&fs::Metadata>) -> std::io::Result<()> {
    let mut file = fs::File::create(part)?;
    if let Some(present) = present {
        file.set_permissions(present.permissions())?;
    }
    file.write_all(text.as_bytes())
}
