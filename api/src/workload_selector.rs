//! Which pods an object is for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Which pods are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSelector {
    /// The labels that they have.
    pub match_labels: BTreeMap<String, String>,
}
