use std::{sync::Arc, time::SystemTime};

use pillion_envoy_api::{any, envoy::config::cluster::v3::Cluster};

use super::*;

fn cluster(name: &str) -> Held {
    let message = Cluster {
        name: name.to_owned(),
        ..Cluster::default()
    };
    Held {
        name: Arc::from(name),
        record: Some(Record {
            version: Arc::from("1"),
            body: any(type_url::CLUSTER, &message),
            updated: SystemTime::UNIX_EPOCH,
        }),
        refusal: None,
        is_waiting: false,
    }
}

fn clusters(dump: &Dump, most: usize) -> Vec<Value> {
    let text = dump.write(false, most).unwrap();
    assert!(text.ends_with(b"}\n"));
    let page: Value = serde_json::from_slice(&text).unwrap();
    let clusters = page["configs"][1]["dynamic_active_clusters"].as_array();
    let clusters = clusters.unwrap().iter();
    clusters.map(|entry| entry["cluster"].clone()).collect()
}

#[test]
fn leaves_out_what_is_too_much() {
    let dump = Dump {
        clusters: ["a", "b", "c"].map(cluster).to_vec(),
        ..Dump::default()
    };
    let shown = |name: &str| json!({"@type": type_url::CLUSTER, "name": name});
    assert_eq!(clusters(&dump, MAX_LENGTH), ["a", "b", "c"].map(shown));
    let some = clusters(&dump, 600);
    assert_eq!(some[0], shown("a"));
    let error = "left out: the dump has more than 600 bytes without it";
    assert_eq!(
        some[2],
        json!({"@type": type_url::CLUSTER, "name": "c", "error": error})
    );
}

/// The other resources are shown, however large one is.
#[test]
fn says_what_can_not_be_shown() {
    let mut flood = cluster("a");
    // Thresholds with a priority, of which a cluster has a few.
    let thresholds = [0x0a, 2, 8, 1].repeat(300_000);
    let mut bytes = vec![0x52, 0x80, 0x9f, 0x49];
    bytes.extend(thresholds);
    flood.record.as_mut().unwrap().body.value = bytes.into();
    let dump = Dump {
        clusters: vec![flood, cluster("b")],
        ..Dump::default()
    };
    let shown = clusters(&dump, MAX_LENGTH);
    let error = shown[0]["error"].as_str().unwrap();
    assert!(
        error.ends_with("it holds more than 524288 values"),
        "{error}"
    );
    assert_eq!(shown[1]["name"], "b");
}
