//! What the server has sent, in the shape of Envoy's `/config_dump`.

#[cfg(test)]
mod tests;
mod text;

use pillion_envoy_api::{Json, to_json, type_url};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq as _},
};
use serde_json::{Value, json};

use self::text::{Length, Text};
use super::{
    node::Node,
    store::{Held, Record, Refusal},
};
use crate::timestamp::timestamp;

/// All resources at one time. It is cheap to make; turning it into JSON is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dump {
    pub node: Option<Node>,
    pub listeners: Vec<Held>,
    pub clusters: Vec<Held>,
    pub route_configurations: Vec<Held>,
    pub load_assignments: Vec<Held>,
}

/// The most bytes of JSON, after which resources are left out. Large meshes have some tens of MiB.
const MAX_LENGTH: usize = 128 << 20;

impl Dump {
    /// As Envoy's JSON. Endpoints are left out unless they are asked for, as in Envoy.
    ///
    /// # Errors
    ///
    /// Returns an error if something is not JSON.
    pub fn to_json(&self, with_endpoints: bool) -> Result<Vec<u8>, serde_json::Error> {
        self.write(with_endpoints, MAX_LENGTH)
    }

    /// Resources are written one by one: as values of JSON, all of them take many times their size.
    fn write(&self, with_endpoints: bool, most: usize) -> Result<Vec<u8>, serde_json::Error> {
        let length = Length::new(most);
        let mut text = Text::new(&length);
        let page = Page {
            configs: Configs {
                dump: self,
                with_endpoints,
                length: &length,
            },
        };
        serde_json::to_writer_pretty(&mut text, &page)?;
        Ok(text.into_lines())
    }
}

#[derive(Serialize)]
struct Page<'a> {
    configs: Configs<'a>,
}

struct Configs<'a> {
    dump: &'a Dump,
    with_endpoints: bool,
    length: &'a Length,
}

impl Configs<'_> {
    fn bootstrap(&self) -> Value {
        let node = self.dump.node.as_ref();
        let node = node
            .map(|node| json!({"id": node.id, "cluster": node.cluster, "metadata": node.metadata}));
        json!({
            "@type": format!("{ADMIN}BootstrapConfigDump"),
            "bootstrap": {"node": node.unwrap_or_else(|| json!({}))},
        })
    }
}

impl Serialize for Configs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { dump, length, .. } = *self;
        let mut configs = serializer.serialize_seq(None)?;
        configs.serialize_element(&self.bootstrap())?;
        let all = |of, held| Config { of, held, length };
        configs.serialize_element(&all(&CLUSTERS, &dump.clusters))?;
        configs.serialize_element(&all(&LISTENERS, &dump.listeners))?;
        configs.serialize_element(&all(&ROUTE_CONFIGURATIONS, &dump.route_configurations))?;
        if self.with_endpoints {
            configs.serialize_element(&all(&LOAD_ASSIGNMENTS, &dump.load_assignments))?;
        }
        configs.end()
    }
}

const ADMIN: &str = "type.googleapis.com/envoy.admin.v3.";

/// A type of resources, and what Envoy calls them.
struct Type {
    url: &'static str,
    /// The message that has all of them.
    message: &'static str,
    /// The field of that message that has them.
    list: &'static str,
    /// The field of each entry that has the resource.
    field: &'static str,
}

const CLUSTERS: Type = Type {
    url: type_url::CLUSTER,
    message: "ClustersConfigDump",
    list: "dynamic_active_clusters",
    field: "cluster",
};
const LISTENERS: Type = Type {
    url: type_url::LISTENER,
    message: "ListenersConfigDump",
    list: "dynamic_listeners",
    field: "listener",
};
const ROUTE_CONFIGURATIONS: Type = Type {
    url: type_url::ROUTE_CONFIGURATION,
    message: "RoutesConfigDump",
    list: "dynamic_route_configs",
    field: "route_config",
};
const LOAD_ASSIGNMENTS: Type = Type {
    url: type_url::CLUSTER_LOAD_ASSIGNMENT,
    message: "EndpointsConfigDump",
    list: "dynamic_endpoint_configs",
    field: "endpoint_config",
};

/// All resources of a type.
#[derive(Clone, Copy)]
struct Config<'a> {
    of: &'static Type,
    held: &'a [Held],
    length: &'a Length,
}

impl Serialize for Config<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("@type", &format!("{ADMIN}{}", self.of.message))?;
        map.serialize_entry(self.of.list, &Entries(*self))?;
        map.end()
    }
}

struct Entries<'a>(Config<'a>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_seq(Some(self.0.held.len()))?;
        for held in self.0.held {
            entries.serialize_element(&Entry {
                held,
                config: self.0,
            })?;
        }
        entries.end()
    }
}

/// Envoy's `DynamicCluster` and its like, or its `DynamicListener`, which has its name and its
/// states one level above.
struct Entry<'a> {
    held: &'a Held,
    config: Config<'a>,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { held, config } = *self;
        let state = held.record.as_ref().map(|record| State {
            name: &held.name,
            record,
            config,
        });
        let mut map = serializer.serialize_map(None)?;
        if config.of.url == type_url::LISTENER {
            map.serialize_entry("name", &*held.name)?;
            if let Some(state) = state {
                let field = if held.is_waiting {
                    "warming_state"
                } else {
                    "active_state"
                };
                map.serialize_entry(field, &state)?;
            }
        } else {
            if let Some(state) = state {
                state.write_fields(&mut map)?;
            }
            if held.is_waiting {
                map.serialize_entry("warming", &true)?;
            }
        }
        if let Some(refusal) = &held.refusal {
            map.serialize_entry("error_state", &failure(refusal))?;
        }
        map.end()
    }
}

struct State<'a> {
    name: &'a str,
    record: &'a Record,
    config: Config<'a>,
}

impl State<'_> {
    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("version_info", &*self.record.version)?;
        map.serialize_entry(self.config.of.field, &self.resource())?;
        map.serialize_entry("last_updated", &timestamp(self.record.updated.into()))
    }

    fn resource(&self) -> Resource<'_> {
        let Config { of, length, .. } = self.config;
        let content = if length.is_reached() {
            let most = length.most;
            Err(format!(
                "left out: the dump has more than {most} bytes without it"
            ))
        } else {
            to_json(of.url, &self.record.body.value).map_err(|error| error.to_string())
        };
        let content = match content {
            Ok(json) => Content::Shown(json),
            Err(error) => Content::Not {
                name: self.name,
                error,
            },
        };
        Resource {
            type_url: of.url,
            content,
        }
    }
}

impl Serialize for State<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.write_fields(&mut map)?;
        map.end()
    }
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "@type")]
    type_url: &'static str,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Shown(Json<'a>),
    /// What is shown of a resource that is not.
    Not {
        name: &'a str,
        error: String,
    },
}

/// Envoy's `UpdateFailureState`.
fn failure(refusal: &Refusal) -> Value {
    json!({
        "last_update_attempt": timestamp(refusal.at.into()),
        "details": *refusal.reason,
        "version_info": *refusal.version,
    })
}
