//! The binaries that `hack/go/build` builds.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// Returns the directory of the binaries: `$PILLION_TOOLS`, or `hack/.cache/bin`.
#[must_use]
pub fn tools_folder() -> PathBuf {
    std::env::var_os("PILLION_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin"),
        PathBuf::from,
    )
}

/// Returns the path of a binary.
///
/// # Errors
///
/// Returns an error if it has not been built, so that a test that needs it fails.
pub(crate) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let path = tools_folder().join(name);
    if !path.exists() {
        bail!("{name} is missing; hack/go/build builds it (hack/test calls that)");
    }
    Ok(path)
}
