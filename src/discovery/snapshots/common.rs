//! What is common to proxies for which the model has the same answer: listeners and route
//! tables.

use std::{collections::HashMap, sync::Arc};

use pillion_envoy_api::type_url;
use pillion_xds::Resources;

use super::{crowded::Crowded, interner::Interner};
use crate::{
    discovery::render::{self, Settings},
    model::{Client, GatewayTables, Outbound, RouteTables, Tracer},
};

/// Listeners and route tables.
#[derive(Debug)]
pub(super) struct Common {
    /// What was rendered; its address is part of the key.
    _source: Source,
    /// The listeners.
    pub listeners: Resources,
    /// The route tables.
    pub routes: Resources,
}

/// Keeps an answer alive, so that no other one gets its address.
#[derive(Debug)]
enum Source {
    Outbound { _answer: Arc<Outbound> },
    Gateway { _answer: Arc<GatewayTables> },
}

/// What the listeners are made of: the address of the answer, and how requests are traced.
type Key = (usize, Option<Arc<Tracer>>);

/// How many different ways to trace those have that see the same. Others are not traced, and the log
/// says so: pods' own configurations would make as many listeners as there are pods.
const TRACERS: usize = 64;

/// What was rendered.
#[derive(Debug, Default)]
pub(super) struct Commons {
    all: Vec<Common>,
    /// The places in `all`.
    by_key: HashMap<Key, usize>,
    /// By the address of the answer, its route tables, which tracing does not change, and how many
    /// keys it has.
    routes: HashMap<usize, (Resources, usize)>,
    crowded: Crowded,
}

impl Commons {
    /// Returns the place of what sidecars have in common with this one.
    pub fn outbound(
        &mut self,
        client: &Client,
        outbound: &Arc<Outbound>,
        (settings, tracer): (&Settings, Option<&Arc<Tracer>>),
        interner: &mut Interner,
    ) -> usize {
        let key = self.key(client, Arc::as_ptr(outbound).addr(), tracer);
        let tracer = key.1.clone();
        self.place(key, |routes| {
            let tracer = tracer.as_deref();
            let listeners = outbound.listeners.iter().map(|listener| {
                let rendered = render::outbound_listener(listener, settings, tracer);
                let resource = interner.resource(type_url::LISTENER, &listener.name, &rendered);
                (Arc::clone(&resource.name), resource)
            });
            Common {
                listeners: Arc::new(listeners.collect()),
                routes: routes.unwrap_or_else(|| self::routes(&outbound.routes, interner)),
                _source: Source::Outbound {
                    _answer: Arc::clone(outbound),
                },
            }
        })
    }

    /// Returns the place of what gateways have in common with this one.
    pub fn gateway(
        &mut self,
        client: &Client,
        tables: &Arc<GatewayTables>,
        (settings, tracer): (&Settings, Option<&Arc<Tracer>>),
        interner: &mut Interner,
    ) -> usize {
        let key = self.key(client, Arc::as_ptr(tables).addr(), tracer);
        let tracer = key.1.clone();
        self.place(key, |routes| {
            let tracer = tracer.as_deref();
            let listeners = tables.listeners.iter().map(|listener| {
                let rendered = render::gateway_listener(listener, settings, tracer);
                let resource = interner.resource(type_url::LISTENER, &listener.name, &rendered);
                (Arc::clone(&resource.name), resource)
            });
            Common {
                listeners: Arc::new(listeners.collect()),
                routes: routes.unwrap_or_else(|| self::routes(&tables.routes, interner)),
                _source: Source::Gateway {
                    _answer: Arc::clone(tables),
                },
            }
        })
    }

    /// The key of an answer. There are so many different ones for it, and one without tracing.
    fn key(&mut self, client: &Client, answer: usize, tracer: Option<&Arc<Tracer>>) -> Key {
        let key = (answer, tracer.cloned());
        let keys = self.routes.get(&answer).map_or(0, |(_, keys)| *keys);
        if tracer.is_none() || self.by_key.contains_key(&key) || keys < TRACERS {
            return key;
        }
        self.crowded.tell(client.namespace(), TRACERS);
        (answer, None)
    }

    /// The place of a key. What has none is rendered, with the route tables of its answer if there are any.
    fn place(&mut self, key: Key, render: impl FnOnce(Option<Resources>) -> Common) -> usize {
        if let Some(place) = self.by_key.get(&key) {
            return *place;
        }
        let (routes, keys) = self.routes.get(&key.0).cloned().unzip();
        let common = render(routes);
        let keys = keys.unwrap_or(0) + 1;
        self.routes
            .insert(key.0, (Arc::clone(&common.routes), keys));
        let place = self.all.len();
        self.by_key.insert(key, place);
        self.all.push(common);
        place
    }

    /// Returns what was rendered.
    pub fn get(&self, place: usize) -> Option<&Common> {
        self.all.get(place)
    }

    /// Forgets everything, but for what was said.
    pub fn clear(&mut self) {
        let crowded = std::mem::take(&mut self.crowded);
        *self = Self {
            crowded,
            ..Self::default()
        };
    }
}

fn routes(tables: &RouteTables, interner: &mut Interner) -> Resources {
    let tables = tables.iter().map(|(name, table)| {
        let rendered = render::route_configuration(table);
        let resource = interner.resource(type_url::ROUTE_CONFIGURATION, name, &rendered);
        (Arc::clone(name), resource)
    });
    Arc::new(tables.collect())
}
