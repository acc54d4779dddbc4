//! A control plane for one gateway, or for one sidecar.

use std::{
    env,
    path::PathBuf,
    process,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use pillion_certs::Issuer;
use pillion_envoy_api::{
    envoy::{
        config::{
            cluster::v3::Cluster,
            core::v3::{BindConfig, SocketAddress, TrafficDirection},
            listener::v3::{FilterChainMatch, Listener},
        },
        extensions::filters::network::http_connection_manager::v3::HttpConnectionManager,
    },
    type_url::{
        CLUSTER, CLUSTER_LOAD_ASSIGNMENT as ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION as TABLE,
    },
};

use crate::{
    addresses::{APPLICATION, GATEWAY, WORLD},
    mutual_tls,
    place::Place,
    resources::{
        address, eds_cluster, endpoints, http_chain, http_listener, manager, original_cluster,
        table_to,
    },
    server::{Server, bytes},
};

/// Where the gateway finds it, and its certificate and token.
pub struct ControlPlane {
    pub address: String,
    pub folder: PathBuf,
    /// What its CA issues certificates with.
    pub issuer: Issuer,
}

impl ControlPlane {
    /// Starts one there, which says this. It goes on until this process ends.
    pub fn start(place: &Place, configure: fn(&Server)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hostile-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(format!("pillion-config-{name}-{}", process::id()));
        let (sender, started) = mpsc::channel();
        drop(place.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::start(&name).await;
                configure(&server);
                let started = (server.address.clone(), server.issuer());
                sender.send(started).unwrap();
                std::future::pending::<()>().await;
            });
        }));
        let (address, issuer) = started.recv().unwrap();
        Self {
            address,
            folder,
            issuer,
        }
    }
}

/// One port of a gateway, from which everything goes to an application in the world.
pub fn gateway(server: &Server) {
    let manager = HttpConnectionManager {
        use_remote_address: Some(true),
        ..manager("http.8081")
    };
    let listener = Listener {
        bind_to_port: None,
        filter_chains: vec![http_chain(FilterChainMatch::default(), &manager)],
        ..http_listener("0.0.0.0_8081", GATEWAY.port(), "http.8081")
    };
    server.set(CLUSTER, vec![("world", bytes(&eds_cluster("world")))]);
    server.set(
        ASSIGNMENT,
        vec![("world", bytes(&endpoints("world", &[WORLD])))],
    );
    server.set(
        TABLE,
        vec![("http.8081", bytes(&table_to("http.8081", "world")))],
    );
    server.set(LISTENER, vec![("0.0.0.0_8081", bytes(&listener))]);
}

/// The application's port, which takes mutual TLS and plain text.
pub fn sidecar(server: &Server) {
    let matching = |transport: &str| FilterChainMatch {
        destination_port: Some(APPLICATION.port().into()),
        transport_protocol: transport.to_owned(),
        ..FilterChainMatch::default()
    };
    let manager = manager("inbound");
    let mut secured = http_chain(matching("tls"), &manager);
    secured.transport_socket = Some(mutual_tls::socket());
    let plain = http_chain(matching("raw_buffer"), &manager);
    let listener = Listener {
        name: "virtualInbound".to_owned(),
        address: address("0.0.0.0", 15006),
        filter_chains: vec![secured, plain],
        use_original_dst: Some(true),
        traffic_direction: TrafficDirection::Inbound.into(),
        ..Listener::default()
    };
    let source = SocketAddress {
        address: "127.0.0.6".to_owned(),
        ..SocketAddress::default()
    };
    let cluster = Cluster {
        upstream_bind_config: Some(BindConfig {
            source_address: Some(source),
            ..BindConfig::default()
        }),
        ..original_cluster("inbound")
    };
    server.set(CLUSTER, vec![("inbound", bytes(&cluster))]);
    server.set(
        TABLE,
        vec![("inbound", bytes(&table_to("inbound", "inbound")))],
    );
    server.set(LISTENER, vec![("virtualInbound", bytes(&listener))]);
}
