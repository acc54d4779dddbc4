//! Programs that every user may run.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Copies a program to a folder where every user may look: the checkout may be private.
pub fn copy(program: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(program.file_name().unwrap());
    // Another process writes it. A file that this one has written may still be open in
    // children that other threads have just started, and can't be executed meanwhile.
    let mut install = Command::new("install");
    install.args(["-m", "755"]).arg(program).arg(&copy);
    assert!(install.status().unwrap().success(), "{}", copy.display());
    copy
}
