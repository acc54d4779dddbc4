//! What `proto/` has, compiled.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protox::Compiler;

/// All `.proto` files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A compiler that has read all files, and those of Google's that they import.
pub fn compiled() -> Compiler {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = Compiler::new([&folder]).unwrap();
    compiler
        .include_imports(true)
        .include_source_info(false)
        .open_files(files(&folder))
        .unwrap();
    compiler
}
