//! Whether a proxy has taken what discovery sends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use pillion::discovery::Offline;
use pillion_envoy_api::{
    envoy::config::{
        core::v3::{Address, address, socket_address::PortSpecifier},
        endpoint::v3::{ClusterLoadAssignment, lb_endpoint::HostIdentifier},
    },
    type_url,
};
use pillion_xds::{Layers, Snapshot};
use prost::Message as _;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    client,
    pod::{Pod, Software},
};

/// Generous: nothing is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// Versions by name.
type Versions = BTreeMap<String, String>;

/// What a proxy should have.
struct Expected {
    clusters: Versions,
    listeners: Versions,
    routes: Versions,
    endpoints: BTreeMap<String, BTreeSet<String>>,
}

/// Waits until a proxy has what the snapshot says.
///
/// # Errors
///
/// Returns what it refuses, or what it does not have in time.
pub async fn wait(pod: &Pod, snapshot: &Snapshot, discovery: &Offline) -> Result<(), String> {
    let expected = Expected::of(snapshot);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let missing = match missing(pod, &expected, discovery).await {
            Ok(None) => return Ok(()),
            Ok(Some(missing)) => missing,
            Err(refused) => return Err(refused),
        };
        if Instant::now() > deadline {
            return Err(format!("{missing}\n{}", tail(&pod.proxy_log())));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

impl Expected {
    fn of(snapshot: &Snapshot) -> Self {
        let versions = |type_url| {
            let resources = snapshot.get(type_url).into_iter().flat_map(Layers::iter);
            resources
                .map(|(name, resource)| (name.to_string(), resource.version.to_string()))
                .collect()
        };
        let assignments = snapshot.get(type_url::CLUSTER_LOAD_ASSIGNMENT);
        let assignments = assignments.into_iter().flat_map(Layers::iter);
        Self {
            clusters: versions(type_url::CLUSTER),
            listeners: versions(type_url::LISTENER),
            routes: versions(type_url::ROUTE_CONFIGURATION),
            endpoints: assignments
                .map(|(name, resource)| (name.to_string(), addresses(&resource.body.value)))
                .collect(),
        }
    }
}

fn addresses(assignment: &[u8]) -> BTreeSet<String> {
    let assignment = ClusterLoadAssignment::decode(assignment).unwrap();
    let endpoints = assignment
        .endpoints
        .iter()
        .flat_map(|group| &group.lb_endpoints);
    endpoints
        .filter_map(|endpoint| match &endpoint.host_identifier {
            Some(HostIdentifier::Endpoint(endpoint)) => text(endpoint.address.as_ref()?),
            _ => None,
        })
        .collect()
}

fn text(address: &Address) -> Option<String> {
    let address::Address::SocketAddress(socket) = address.address.as_ref()? else {
        return None;
    };
    match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => Some(format!("{}:{port}", socket.address)),
        _ => None,
    }
}

/// What a proxy does not have yet; an error is what it refuses.
async fn missing(
    pod: &Pod,
    expected: &Expected,
    discovery: &Offline,
) -> Result<Option<String>, String> {
    let Some(dump) = page(pod, "/config_dump?include_eds").await else {
        return Ok(Some("no config_dump".to_owned()));
    };
    let dump = Dump(&dump);
    // Envoy keeps the version of a listener of which only filter chains have changed.
    let shows_listeners = pod.software == Software::Pillion;
    for (kind, wanted, field) in [
        ("clusters", &expected.clusters, "dynamic_active_clusters"),
        ("listeners", &expected.listeners, "dynamic_listeners"),
        ("routes", &expected.routes, "dynamic_route_configs"),
    ] {
        let held = dump.versions(field, wanted)?;
        let is_there = match kind {
            "routes" => wanted
                .iter()
                .all(|(name, version)| held.get(name) == Some(version)),
            "listeners" if !shows_listeners => {
                held.keys().eq(wanted.keys())
                    && discovery.have_replied()
                    && !dump.waits_for_listeners()
            }
            _ => held == *wanted,
        };
        if !is_there {
            return Ok(Some(format!("{kind}: has {held:?}, not {wanted:?}")));
        }
    }
    let Some(clusters) = page(pod, "/clusters?format=json").await else {
        return Ok(Some("no clusters".to_owned()));
    };
    for status in list(&clusters["cluster_statuses"]) {
        let name = status["name"].as_str().unwrap_or_default();
        let hosts: BTreeSet<_> = list(&status["host_statuses"]).iter().map(host).collect();
        if let Some(wanted) = expected.endpoints.get(name)
            && *wanted != hosts
        {
            return Ok(Some(format!(
                "endpoints of {name}: has {hosts:?}, not {wanted:?}"
            )));
        }
    }
    Ok(None)
}

async fn page(pod: &Pod, path: &'static str) -> Option<Value> {
    let body = pod.inside.run(client::admin(path)).await?;
    serde_json::from_slice(&body).ok()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn host(status: &Value) -> String {
    let address = &status["address"]["socket_address"];
    let ip = address["address"].as_str().unwrap_or_default();
    format!("{ip}:{}", address["port_value"])
}

/// A page `/config_dump`.
struct Dump<'a>(&'a Value);

impl Dump<'_> {
    /// Whether a new version of a listener waits for what it needs, such as certificates: the one before is in force.
    fn waits_for_listeners(&self) -> bool {
        let configs = list(&self.0["configs"]).iter();
        let mut listeners = configs.flat_map(|config| list(&config["dynamic_listeners"]));
        listeners.any(|listener| !listener["warming_state"].is_null())
    }

    /// The versions in force of the resources in a list; an error if a wanted one is refused.
    fn versions(&self, field: &str, wanted: &Versions) -> Result<Versions, String> {
        let configs = list(&self.0["configs"]).iter();
        let mut versions = Versions::new();
        for entry in configs.flat_map(|config| list(&config[field])) {
            let state = entry.get("active_state").unwrap_or(entry);
            // Only our proxy shows route tables that wait for clusters.
            if entry["warming"] == true {
                continue;
            }
            let name = name(entry, state);
            let failure = &entry["error_state"];
            let refused = failure["version_info"].as_str();
            if refused.is_some() && refused == wanted.get(&name).map(String::as_str) {
                return Err(format!("refuses {name}: {}", failure["details"]));
            }
            if let Some(version) = state["version_info"].as_str() {
                versions.insert(name, version.to_owned());
            }
        }
        Ok(versions)
    }
}

fn name(entry: &Value, state: &Value) -> String {
    let names = ["cluster", "route_config"].map(|field| state[field]["name"].as_str());
    let name = entry["name"].as_str().or(names[0]).or(names[1]);
    name.unwrap_or_default().to_owned()
}
