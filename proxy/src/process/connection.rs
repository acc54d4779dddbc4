//! One connection, from where it was going to its end.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use tokio::net::TcpStream;

use super::{detect::detect, entrance::Entrance, port_numbers, tcp::Tcp};
use crate::{
    http2::End,
    message::Broken,
    metrics::{Metrics, reporter},
    net::{original_dst::original_dst, socket::reset_when_dropped, stream::of_tcp},
    pipeline::{Connection, TABLES_TIME, Worker, serve_http1, serve_http2},
    sniff::Protocol,
    tables::{Detection, Listener, Lookup, Snapshot},
    traffic::{Direction, Open},
};

/// Carries a connection to where it was going.
pub(super) async fn carry(
    mut stream: TcpStream,
    peer: SocketAddr,
    entrance: Entrance,
    open: &Open,
    shared: (Rc<Worker>, Arc<Metrics>),
) {
    let (worker, metrics) = shared;
    let Some(connection) = begin(&stream, peer, entrance, &metrics) else {
        return reset_when_dropped(&stream);
    };
    let original = connection.original;
    // Responses are written at once, and each of them is complete.
    let _ = stream.set_nodelay(true);
    // Nothing is kept of the tables: a connection may outlive many generations of them.
    let look = |tables: &Snapshot| {
        let listener = connection.listener(&tables.listeners);
        listener.map(|listener| Way::of(listener, original))
    };
    let way = match worker.tables.look_up(TABLES_TIME, look).await {
        Lookup::Found(way) => way,
        Lookup::Missing => Way::TCP,
        Lookup::Waiting => {
            return tcp(&worker, &metrics, connection, None).refuse_untold(&stream);
        }
    };
    let (protocol, input) = match detect(&mut stream, original.port(), way.detection).await {
        Ok(detected) => detected,
        Err(error) => {
            tracing::debug!(%peer, %original, %error, "the connection broke before it said anything");
            return;
        }
    };
    let server_name = match protocol {
        Protocol::Http1 if way.has_http => {
            return serve_http1(&worker, &connection, of_tcp(stream), input).await;
        }
        Protocol::Http2 if way.has_http => {
            let served = serve_http2(&worker, &connection, open, of_tcp(stream), input);
            return count_end(&metrics, connection.direction, &served.await);
        }
        Protocol::Tls { server_name, .. } => server_name.map(Arc::from),
        Protocol::Tcp | Protocol::Http1 | Protocol::Http2 => None,
    };
    tcp(&worker, &metrics, connection, server_name)
        .carry(stream, input)
        .await;
}

/// Counts the clients that no request tells of.
fn count_end(metrics: &Metrics, direction: Direction, end: &End) {
    match end {
        End::Flood(frame) => metrics.http2().flooded(reporter(direction), *frame),
        End::Silent | End::Broken(Broken::Protocol(_)) => metrics.http2().broken(),
        End::Closed
        | End::Idle
        | End::Broken(Broken::Closed | Broken::Reset(_) | Broken::Alert(_)) => {}
    }
}

fn tcp<'a>(
    worker: &'a Worker,
    metrics: &'a Metrics,
    connection: Connection,
    server_name: Option<Arc<str>>,
) -> Tcp<'a> {
    Tcp {
        worker,
        metrics,
        connection,
        server_name,
    }
}

/// What is known of a connection at its beginning; `None` if it can't be carried.
fn begin(
    stream: &TcpStream,
    peer: SocketAddr,
    entrance: Entrance,
    metrics: &Metrics,
) -> Option<Connection> {
    let direction = entrance.direction();
    let original = match entrance {
        Entrance::Captured(_) => original_dst(stream),
        Entrance::Bound(_) => stream.local_addr(),
    };
    let original = match original {
        Ok(original) => original,
        Err(error) => {
            tracing::debug!(%peer, %error, "the original destination is not known");
            return None;
        }
    };
    if matches!(entrance, Entrance::Captured(_)) && is_ours(original.port()) {
        // Whoever connects to these by themselves would be sent around in a circle, or to
        // a port that only the pod itself may reach.
        metrics.refused(direction, "own_port");
        let way = direction.as_str();
        tracing::debug!(%peer, %original, "refused a {way} connection to the proxy's own port");
        return None;
    }
    Some(Connection {
        direction,
        peer,
        original,
        is_bound: matches!(entrance, Entrance::Bound(_)),
    })
}

/// What a connection's listener says of it.
#[derive(Debug, Clone, Copy)]
struct Way {
    detection: Detection,
    has_http: bool,
}

impl Way {
    /// Without a listener there is nothing to find out.
    const TCP: Self = Self {
        detection: Detection::Tcp,
        has_http: false,
    };

    fn of(listener: &Listener, destination: SocketAddr) -> Self {
        Self {
            detection: listener.detection_for(destination),
            has_http: listener.http.is_some(),
        }
    }
}

fn is_ours(port: u16) -> bool {
    matches!(
        port,
        port_numbers::ADMIN | port_numbers::OUTBOUND | port_numbers::INBOUND
    )
}
