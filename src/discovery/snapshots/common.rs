//! What is common to proxies for which the model has the same answer: listeners and route
//! tables.

use std::{collections::HashMap, sync::Arc};

use pillion_envoy_api::type_url;
use pillion_xds::Resources;

use super::interner::Interner;
use crate::{
    discovery::render::{self, Settings},
    model::{GatewayTables, Outbound, RouteTables, Tracer},
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

/// What was rendered.
#[derive(Debug, Default)]
pub(super) struct Commons {
    all: Vec<Common>,
    /// The places in `all`.
    by_key: HashMap<Key, usize>,
    /// The route tables, by the address of the answer: tracing does not change them.
    routes: HashMap<usize, Resources>,
}

impl Commons {
    /// Returns the place of what sidecars have in common.
    pub fn outbound(
        &mut self,
        outbound: &Arc<Outbound>,
        (settings, tracer): (&Settings, Option<&Arc<Tracer>>),
        interner: &mut Interner,
    ) -> usize {
        let key = (Arc::as_ptr(outbound).addr(), tracer.cloned());
        self.place(key, |routes| {
            let tracer = tracer.map(|tracer| &**tracer);
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

    /// Returns the place of what gateways have in common.
    pub fn gateway(
        &mut self,
        tables: &Arc<GatewayTables>,
        (settings, tracer): (&Settings, Option<&Arc<Tracer>>),
        interner: &mut Interner,
    ) -> usize {
        let key = (Arc::as_ptr(tables).addr(), tracer.cloned());
        self.place(key, |routes| {
            let tracer = tracer.map(|tracer| &**tracer);
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

    /// The place of a key. What has none is rendered, with the route tables of its answer if there are any.
    fn place(&mut self, key: Key, render: impl FnOnce(Option<Resources>) -> Common) -> usize {
        if let Some(place) = self.by_key.get(&key) {
            return *place;
        }
        let common = render(self.routes.get(&key.0).cloned());
        self.routes.insert(key.0, Arc::clone(&common.routes));
        let place = self.all.len();
        self.by_key.insert(key, place);
        self.all.push(common);
        place
    }

    /// Returns what was rendered.
    pub fn get(&self, place: usize) -> Option<&Common> {
        self.all.get(place)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
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
