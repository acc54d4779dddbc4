//! What is common to proxies for which the model has the same answer: listeners and route
//! tables.

use std::{collections::HashMap, sync::Arc};

use pillion_envoy_api::type_url;
use pillion_xds::Resources;

use super::interner::Interner;
use crate::{
    discovery::render::{self, Settings},
    model::{GatewayTables, Outbound, RouteTables},
};

/// Listeners and route tables.
#[derive(Debug)]
pub(super) struct Common {
    /// What was rendered; its address is the key.
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

/// The answers that were rendered, by their keys.
#[derive(Debug, Default)]
pub(super) struct Commons(HashMap<usize, Common>);

impl Commons {
    /// Returns the key of what sidecars have in common.
    pub fn outbound(
        &mut self,
        outbound: &Arc<Outbound>,
        settings: &Settings,
        interner: &mut Interner,
    ) -> usize {
        let key = Arc::as_ptr(outbound).addr();
        self.0.entry(key).or_insert_with(|| {
            let listeners = outbound.listeners.iter().map(|listener| {
                let rendered = render::outbound_listener(listener, settings);
                let resource = interner.resource(type_url::LISTENER, &listener.name, &rendered);
                (Arc::clone(&resource.name), resource)
            });
            Common {
                listeners: Arc::new(listeners.collect()),
                routes: routes(&outbound.routes, interner),
                _source: Source::Outbound {
                    _answer: Arc::clone(outbound),
                },
            }
        });
        key
    }

    /// Returns the key of what gateways have in common.
    pub fn gateway(
        &mut self,
        tables: &Arc<GatewayTables>,
        settings: &Settings,
        interner: &mut Interner,
    ) -> usize {
        let key = Arc::as_ptr(tables).addr();
        self.0.entry(key).or_insert_with(|| {
            let listeners = tables.listeners.iter().map(|listener| {
                let rendered = render::gateway_listener(listener, settings);
                let resource = interner.resource(type_url::LISTENER, &listener.name, &rendered);
                (Arc::clone(&resource.name), resource)
            });
            Common {
                listeners: Arc::new(listeners.collect()),
                routes: routes(&tables.routes, interner),
                _source: Source::Gateway {
                    _answer: Arc::clone(tables),
                },
            }
        });
        key
    }

    /// Returns what was rendered.
    pub fn get(&self, key: usize) -> Option<&Common> {
        self.0.get(&key)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
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
