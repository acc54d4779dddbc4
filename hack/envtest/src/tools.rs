//! Where the binaries are that `hack/go/build` makes.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// The folder of the binaries: `$PILLION_TOOLS`, or `hack/.cache/bin`.
#[must_use]
pub fn tools_folder() -> PathBuf {
    std::env::var_os("PILLION_TOOLS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin"),
        PathBuf::from,
    )
}

/// A binary's path.
///
/// # Errors
///
/// When it has not been built: a test that needs it fails then.
pub(crate) fn find(name: &str) -> anyhow::Result<PathBuf> {
    let path = tools_folder().join(name);
    if !path.exists() {
        bail!("{name} is missing; hack/go/build builds it (hack/test calls that)");
    }
    Ok(path)
}
