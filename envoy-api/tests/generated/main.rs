//! `src/gen/` is what `proto/` gives.
//!
//! After a change of `proto/`, write it anew:
//! `PILLION_GENERATE=1 cargo test -p pillion-envoy-api --test generated`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod protos;
mod tables;

use std::{collections::BTreeMap, env, fs, path::Path};

use prost_build::Config;

const INCLUDES: &str = "packages.rs";
const TABLES: &str = "schema.rs";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Generates everything into a folder.
fn generate(folder: &Path) {
    let compiler = protos::compiled();
    let tables = tables::of(&compiler.descriptor_pool());
    fs::write(folder.join(TABLES), tables).unwrap();

    let mut config = Config::new();
    config
        // Sorted, so that equal messages have equal bytes.
        .btree_map(["."])
        .bytes(["."])
        .extern_path(".google.protobuf.Any", "crate::Any")
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com")
        .include_file(INCLUDES);
    tonic_prost_build::configure()
        // Connections are the callers' matter.
        .build_transport(false)
        .codec_path("crate::codec::BoundedCodec")
        .out_dir(folder)
        .compile_fds_with_config(compiler.file_descriptor_set(), config)
        .unwrap();
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn the_committed_code_is_what_the_protos_give() {
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let _ = fs::remove_dir_all(&new);
    fs::create_dir_all(&new).unwrap();
    generate(&new);
    let (new, committed) = (files(&new), root().join("src/gen"));
    if env::var_os("PILLION_GENERATE").is_some() {
        let _ = fs::remove_dir_all(&committed);
        fs::create_dir_all(&committed).unwrap();
        for (name, content) in &new {
            fs::write(committed.join(name), content).unwrap();
        }
    }
    let committed = files(&committed);
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&new), names(&committed));
    for (name, content) in new {
        assert!(
            committed[&name] == content,
            "src/gen/{name} is not what proto/ gives: see the head of tests/generated/main.rs"
        );
    }
}
