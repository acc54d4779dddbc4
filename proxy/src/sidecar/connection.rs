//! One captured connection, from its original destination to its end.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::SystemTime};

use tokio::net::TcpStream;

use super::{detect::detect, port_numbers};
use crate::{
    bounds::IDLE,
    metrics::Metrics,
    net::{
        input::Input,
        original_dst::original_dst,
        socket::{connect, reset_when_dropped},
    },
    pipeline::{Connection, Worker, serve_http1, serve_http2},
    pool::Destination,
    records::{ConnectionFacts, ResponseFlag, ResponseFlags, connect_failure},
    sniff::Protocol,
    tables::{Cluster, Listener},
    tcp::relay::{End, relay},
    traffic::{Direction, Open},
};

/// Carries a connection to where it was going.
pub(super) async fn carry(
    mut stream: TcpStream,
    peer: SocketAddr,
    direction: Direction,
    open: &Open,
    shared: (Rc<Worker>, Arc<Metrics>),
) {
    let (worker, metrics) = shared;
    let original = match original_dst(&stream) {
        Ok(original) => original,
        Err(error) => {
            tracing::debug!(%peer, %error, "the original destination is not known");
            return reset_when_dropped(&stream);
        }
    };
    if is_ours(original.port()) {
        // Whoever connects to these by themselves would be sent around in a circle, or to
        // a port that only the pod itself may reach.
        metrics.refused(direction);
        let way = direction.as_str();
        tracing::debug!(%peer, %original, "refused a {way} connection to the proxy's own port");
        return reset_when_dropped(&stream);
    }
    // Responses are written at once, and each of them is complete.
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        direction,
        peer,
        original,
    };
    // Nothing is kept of the tables: a connection may outlive many generations of them.
    let detection = find(&worker, &connection, |listener| listener.detection);
    let (protocol, input) = match detect(&mut stream, original.port(), detection).await {
        Ok(detected) => detected,
        Err(error) => {
            tracing::debug!(%peer, %original, %error, "the connection broke before it said anything");
            return;
        }
    };
    let server_name = match protocol {
        Protocol::Http1 => return serve_http1(&worker, &connection, stream, input).await,
        Protocol::Http2 => return serve_http2(&worker, &connection, open, stream, input).await,
        Protocol::Tls { server_name } => server_name.map(Arc::from),
        Protocol::Tcp => None,
    };
    let tcp = Tcp {
        worker: &worker,
        connection,
        cluster: find(&worker, &connection, |listener| Arc::clone(&listener.tcp)),
        server_name,
    };
    tcp.carry(stream, input).await;
}

/// Looks something up in the listener for a connection.
fn find<T>(worker: &Worker, connection: &Connection, get: impl Fn(&Listener) -> T) -> T {
    let Connection {
        direction,
        original,
        ..
    } = *connection;
    get(worker.tables.get().listeners.find(direction, original))
}

/// A connection whose bytes are passed on as they are.
struct Tcp<'a> {
    worker: &'a Worker,
    connection: Connection,
    cluster: Arc<Cluster>,
    /// What the client asks for in its TLS handshake.
    server_name: Option<Arc<str>>,
}

impl Tcp<'_> {
    async fn carry(self, stream: TcpStream, received: Input) {
        let started = SystemTime::now();
        let Connection { peer, original, .. } = self.connection;
        let Some(to) = self.cluster.pick(original) else {
            let mut facts = self.facts(started);
            facts.flags = ResponseFlag::NoHealthyUpstream.into();
            drop(self.worker.recorder.connection(facts));
            return reset_when_dropped(&stream);
        };
        let Destination { address, source } = self.connection.destination(to);
        let server = match connect(address, source, self.cluster.connect_timeout).await {
            Ok(server) => server,
            Err(error) => {
                tracing::debug!(%peer, %to, %error, "can't connect");
                let mut facts = self.facts(started);
                facts.flags = ResponseFlag::UpstreamConnectionFailure.into();
                facts.upstream_host = Some(to);
                facts.upstream_failure = Some(Arc::from(connect_failure(&error)));
                drop(self.worker.recorder.connection(facts));
                return reset_when_dropped(&stream);
            }
        };
        let mut facts = self.facts(started);
        facts.upstream_host = Some(to);
        facts.upstream_local = server.local_addr().ok();
        let live = self.worker.recorder.connection(facts);
        let end = relay(stream, received, server, IDLE, |bytes| {
            live.add_received(bytes.received);
            live.add_sent(bytes.sent);
        });
        let flags = match end.await {
            End::Closed => ResponseFlags::default(),
            End::ClientReset => ResponseFlag::DownstreamConnectionTermination.into(),
            End::ServerReset => ResponseFlag::UpstreamConnectionTermination.into(),
            End::Idle => ResponseFlag::StreamIdleTimeout.into(),
        };
        live.closed(flags);
    }

    fn facts(&self, started: SystemTime) -> ConnectionFacts {
        ConnectionFacts {
            direction: self.connection.direction,
            flags: ResponseFlags::default(),
            started,
            cluster: Arc::clone(&self.cluster.name),
            upstream_host: None,
            upstream_local: None,
            downstream_local: self.connection.original,
            downstream_remote: self.connection.peer,
            server_name: self.server_name.clone(),
            upstream_failure: None,
        }
    }
}

fn is_ours(port: u16) -> bool {
    matches!(
        port,
        port_numbers::ADMIN | port_numbers::OUTBOUND | port_numbers::INBOUND
    )
}
