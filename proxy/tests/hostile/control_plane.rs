//! A control plane for one gateway.

use std::{
    env,
    path::PathBuf,
    process,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use pillion_envoy_api::{
    envoy::{
        config::listener::v3::{FilterChainMatch, Listener},
        extensions::filters::network::http_connection_manager::v3::HttpConnectionManager,
    },
    type_url::{
        CLUSTER, CLUSTER_LOAD_ASSIGNMENT as ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION as TABLE,
    },
};

use crate::{
    place::Place,
    pod::{GATEWAY, WORLD},
    resources::{eds_cluster, endpoints, http_chain, http_listener, manager, table_to},
    server::{Server, bytes},
};

/// Where the gateway finds it, and its certificate and token.
pub struct ControlPlane {
    pub address: String,
    pub folder: PathBuf,
}

impl ControlPlane {
    /// Starts one there, which opens one port of the gateway. It goes on until this process
    /// ends.
    pub fn start(place: &Place) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hostile-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = env::temp_dir().join(format!("pillion-config-{name}-{}", process::id()));
        let (sender, address) = mpsc::channel();
        drop(place.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::start(&name).await;
                configure(&server);
                sender.send(server.address.clone()).unwrap();
                std::future::pending::<()>().await;
            });
        }));
        Self {
            address: address.recv().unwrap(),
            folder,
        }
    }
}

/// Everything goes to an application in the world.
fn configure(server: &Server) {
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
