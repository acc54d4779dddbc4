//! The order of the workspace's files: none imports another in a circle, and each
//! part uses only those above it in the table of `ARCHITECTURE.md`.

mod graph;
mod mentions;
mod rooms;
mod tests;
mod tree;

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use self::{
    graph::Graph,
    rooms::Rooms,
    tree::{Crate, Tree},
};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The libraries and binaries of the workspace, as Cargo knows them.
fn crates() -> Vec<Crate> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let targets = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let is = |target: &Value, kind: &str| target["kind"].to_string().contains(kind);
    targets
        .filter(|target| is(target, "lib") || is(target, "bin"))
        .map(|target| {
            let root = Path::new(target["src_path"].as_str().unwrap());
            let name = target["name"].as_str().unwrap().replace('-', "_");
            Crate {
                library: is(target, "lib").then_some(name),
                root: root.strip_prefix(repository()).unwrap().to_owned(),
            }
        })
        .collect()
}

fn workspace() -> Graph {
    let crates = crates();
    assert!(crates.len() > 8, "{crates:?}");
    let tree = Tree::read(&crates, &|path| {
        fs::read_to_string(repository().join(path)).ok()
    });
    let graph = tree.graph();
    assert!(graph.files().count() > 100);
    graph
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = workspace().circles();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn each_part_uses_only_those_above_it() {
    let table = fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let rooms = Rooms::of_table(&table);
    let graph = workspace();
    // The binary starts everything; all other files are in a part.
    let outside: Vec<_> = graph
        .files()
        .filter(|file| rooms.of(file).is_none())
        .collect();
    assert_eq!(outside, ["src/main.rs"]);
    let upward = rooms.upward(&graph);
    assert!(upward.is_empty(), "\n{}", upward.join("\n"));
}
