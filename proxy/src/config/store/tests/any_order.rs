//! Whatever order resources come in, the tables are the same in the end.

use std::time::Duration;

use pillion_envoy_api::type_url::{
    CLUSTER, CLUSTER_LOAD_ASSIGNMENT as ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION as TABLE,
};
use proptest::prelude::*;

use super::harness::Proxy;
use crate::config::test_util::{
    eds_cluster, endpoints, http_listener, original_cluster, table_to, virtual_outbound,
};

/// What a server has.
#[derive(Debug, Clone)]
struct World {
    /// For each of three ports, its route table.
    listeners: [Option<u8>; 3],
    /// For each of three tables, its cluster.
    tables: [Option<u8>; 3],
    /// For each of four clusters, the last byte of its endpoint's address.
    clusters: [Option<u8>; 4],
}

/// What a message of the server is about.
#[derive(Debug, Clone, Copy)]
enum Part {
    Listener(usize),
    Table(usize),
    Cluster(usize),
    Endpoints(usize),
}

fn world() -> impl Strategy<Value = World> {
    let one_of = |most: u8| prop::option::weighted(0.8, 0..most);
    (
        [one_of(3), one_of(3), one_of(3)],
        [one_of(4), one_of(4), one_of(4)],
        [one_of(9), one_of(9), one_of(9), one_of(9)],
    )
        .prop_map(|(listeners, tables, clusters)| World {
            listeners,
            tables,
            clusters,
        })
}

fn parts() -> Vec<Part> {
    let listeners = (0..3).map(Part::Listener).chain((0..3).map(Part::Table));
    let clusters = (0..4).map(Part::Cluster).chain((0..4).map(Part::Endpoints));
    listeners.chain(clusters).collect()
}

/// Sends a part, or says that there is none. Tables and endpoints go to those who ask.
fn send(proxy: &mut Proxy, world: &World, part: Part) {
    let [tables, assignments] = proxy.wanted();
    match part {
        Part::Listener(index) => {
            let name = format!("l{index}");
            let port = 80 + u16::try_from(index).unwrap();
            match world.listeners[index] {
                Some(table) => {
                    let listener = http_listener(&name, port, &format!("t{table}"));
                    proxy.send(LISTENER, &listener, &name);
                }
                None => proxy.remove(LISTENER, &name),
            }
        }
        Part::Table(index) => {
            let name = format!("t{index}");
            match world.tables[index] {
                _ if !tables.contains(&name) => {}
                Some(cluster) => {
                    proxy.send(TABLE, &table_to(&name, &format!("c{cluster}")), &name);
                }
                None => proxy.remove(TABLE, &name),
            }
        }
        Part::Cluster(index) => {
            let name = format!("c{index}");
            match world.clusters[index] {
                Some(_) => {
                    proxy.send(CLUSTER, &eds_cluster(&name), &name);
                }
                None => proxy.remove(CLUSTER, &name),
            }
        }
        Part::Endpoints(index) => {
            let name = format!("c{index}");
            match world.clusters[index] {
                _ if !assignments.contains(&name) => {}
                Some(last) => {
                    let address = ([10, 0, 0, last], 80).into();
                    proxy.send(ASSIGNMENT, &endpoints(&name, &[address]), &name);
                }
                None => proxy.remove(ASSIGNMENT, &name),
            }
        }
    }
}

fn begin() -> Proxy {
    let mut proxy = Proxy::default();
    proxy.send(CLUSTER, &original_cluster("pass"), "pass");
    proxy.send(LISTENER, &virtual_outbound("pass"), "virtualOutbound");
    proxy
}

/// Sends everything until nothing more is asked for, and has all waits end.
fn settle(proxy: &mut Proxy, world: &World, order: &[Part]) {
    for _ in 0..4 {
        order.iter().for_each(|part| send(proxy, world, *part));
        proxy.pass(Duration::from_secs(20));
    }
}

fn targets(proxy: &Proxy) -> Vec<String> {
    (80..83).map(|port| proxy.target(port)).collect()
}

/// What the world means, without a store.
fn expected(world: &World) -> Vec<String> {
    let target = |table: Option<u8>| {
        let Some(table) = table else {
            return "pass original".to_owned();
        };
        let Some(cluster) = world.tables[usize::from(table)] else {
            return format!("503 the control plane has no route table \"t{table}\"");
        };
        match world.clusters[usize::from(cluster)] {
            Some(last) => format!("c{cluster} 10.0.0.{last}:80"),
            None => format!("c{cluster} none"),
        }
    };
    world.listeners.map(target).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_and_any_past_give_the_same_tables(
        past in prop::collection::vec(
            (world(), prop::sample::select(parts()), 0u64..3000),
            0..30,
        ),
        now in world(),
        order in Just(parts()).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let mut proxy = begin();
        for (world, part, milliseconds) in past {
            send(&mut proxy, &world, part);
            proxy.pass(Duration::from_millis(milliseconds));
        }
        settle(&mut proxy, &now, &order);
        let mut fresh = begin();
        settle(&mut fresh, &now, &parts());
        let expected = expected(&now);
        prop_assert_eq!(targets(&fresh), expected.clone());
        // A table that is gone while it is cited leaves its routes, as in Envoy: what was
        // there before may serve on.
        for (found, expected) in targets(&proxy).into_iter().zip(expected) {
            if !expected.starts_with("503 ") {
                prop_assert_eq!(found, expected);
            }
        }
    }
}
