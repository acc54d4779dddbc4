//! The CRDs in the chart are those of the types.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{env, fs, path::Path};

/// What the chart's file of a kind says at its top.
const HEAD: &str = "\
# Generated from the types in api/. To write it anew: PILLION_WRITE_CRDS=1 cargo test -p pillion-api --test crds
";

#[test]
fn the_charts_crds_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/pillion/files/crds");
    for crd in pillion_api::crds().unwrap() {
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        let path = folder.join(&name);
        let expected = format!("{HEAD}{}", serde_saphyr::to_string(&crd).unwrap());
        if env::var_os("PILLION_WRITE_CRDS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &expected).unwrap();
        }
        let actual = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            actual == expected,
            "charts/pillion/files/crds/{name} is not that of the types: see its first line"
        );
    }
}
