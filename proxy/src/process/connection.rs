//! One connection, from where it was going to its end.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use tokio::net::TcpStream;

use super::{
    detect::{detect, is_http2},
    entrance::Entrance,
    port_numbers,
    tcp::Tcp,
};
use crate::{
    http2::End,
    message::Broken,
    metrics::{Metrics, Peer},
    net::{input::Input, original_dst::original_dst, socket::reset_when_dropped, stream::of_tcp},
    pipeline::{ClientCertField, Connection, TABLES_TIME, Worker, serve_http1, serve_http2},
    sniff::Protocol,
    tables::{
        ClientCert, ClientHello, Detection, DownstreamTls, Listener, Listeners, Lookup, Snapshot,
    },
    traffic::{Direction, Open},
    transport::accept,
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
    let Some(mut connection) = begin(&stream, peer, entrance, &metrics) else {
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
        Lookup::Found(way) => way.or_as_before(&worker, &connection),
        Lookup::Missing => Way::TCP,
        Lookup::Waiting => {
            return tcp(&worker, &metrics, connection, None).refuse_untold(&of_tcp(stream));
        }
    };
    let how = (way.detection, way.has_tls);
    let (protocol, input) = match detect(&mut stream, original.port(), how).await {
        Ok(detected) => detected,
        Err(error) => {
            tracing::debug!(%peer, %original, %error, "the connection broke before it said anything");
            return;
        }
    };
    connection.client_cert = ClientCertField::of(way.client_cert, None);
    let hello = match protocol {
        Protocol::Http1 if way.has_http => {
            return serve_http1(&worker, &connection, of_tcp(stream), input).await;
        }
        Protocol::Http2 if way.has_http => {
            let served = serve_http2(&worker, &connection, open, of_tcp(stream), input);
            return count_end(&metrics, connection.direction, &served.await);
        }
        Protocol::Tls {
            server_name,
            protocols,
        } => Some(ClientHello {
            server_name: server_name.map(Arc::from),
            protocols: protocols.into_iter().map(Vec::into_boxed_slice).collect(),
        }),
        Protocol::OldTls => Some(ClientHello::default()),
        Protocol::Tcp | Protocol::Http1 | Protocol::Http2 => None,
    };
    if let Some(hello) = hello.as_ref().filter(|_| way.has_tls)
        && let Some(ending) = ending(&worker, &connection, hello).await
    {
        let shared = (&*worker, &*metrics, open);
        let carried = carry_tls(shared, connection, (stream, input), (hello.clone(), ending));
        // Few connections of a kind need the room for the other kind.
        return Box::pin(carried).await;
    }
    tcp(&worker, &metrics, connection, hello)
        .carry(of_tcp(stream), input)
        .await;
}

/// What is done with a connection whose TLS ends here.
struct Ending {
    tls: Arc<DownstreamTls>,
    has_http: bool,
    client_cert: ClientCert,
}

impl Ending {
    fn of(listener: &Listener, hello: &ClientHello) -> Option<Self> {
        let chain = listener.tls_chain(hello)?;
        let http = chain.http.as_ref();
        Some(Self {
            tls: Arc::clone(chain.ends.as_ref()?),
            has_http: http.is_some(),
            client_cert: http.map_or(ClientCert::NOTHING, |http| http.client_cert),
        })
    }
}

/// How TLS ends here, if it does.
async fn ending(worker: &Worker, connection: &Connection, hello: &ClientHello) -> Option<Ending> {
    let look = |tables: &Snapshot| {
        let listener = connection.listener(&tables.listeners);
        listener.map(|listener| Ending::of(listener, hello))
    };
    let found = match worker.tables.look_up(TABLES_TIME, look).await {
        Lookup::Found(ending) => ending,
        Lookup::Missing | Lookup::Waiting => None,
    };
    found.or_else(|| {
        // Clients of the mesh may not know yet that a port does not take its TLS any more.
        let is_of_mesh = |offered: &[u8]| offered.starts_with(b"istio");
        let mut offered = hello.protocols.iter();
        if !offered.any(|protocol| is_of_mesh(protocol)) {
            return None;
        }
        let leaving = worker.tables.leaving();
        let mut recent = leaving.recent();
        recent.find_map(|old| end(old, connection, hello))
    })
}

/// How these listeners end TLS, if they do.
fn end(listeners: &Listeners, connection: &Connection, hello: &ClientHello) -> Option<Ending> {
    match connection.listener(listeners) {
        Lookup::Found(listener) => Ending::of(listener, hello),
        Lookup::Missing | Lookup::Waiting => None,
    }
}

/// Carries what is inside of a connection of TLS.
async fn carry_tls(
    (worker, metrics, open): (&Worker, &Metrics, &Open),
    mut connection: Connection,
    sent: (TcpStream, Input),
    (hello, ending): (ClientHello, Ending),
) {
    let offered = hello.clone();
    let (mut stream, secured) = match accept(&worker.transport, &ending.tls, sent, hello).await {
        Ok(accepted) => accepted,
        Err(failure) => {
            return tcp(worker, metrics, connection, Some(offered)).refuse_client(failure);
        }
    };
    drop(offered);
    connection.client_cert = ClientCertField::of(ending.client_cert, Some(&secured));
    let agreed = secured.protocol.clone();
    connection.secured = Some(Arc::new(secured));
    if !ending.has_http {
        let carried = tcp(worker, metrics, connection, None);
        return carried.carry(stream, Input::default()).await;
    }
    let detected = match agreed.as_deref() {
        Some(b"h2") => Ok((true, Input::default())),
        Some(b"http/1.1") => Ok((false, Input::default())),
        _ => is_http2(&mut stream).await,
    };
    match detected {
        Ok((false, input)) => serve_http1(worker, &connection, stream, input).await,
        Ok((true, input)) => {
            let served = serve_http2(worker, &connection, open, stream, input);
            count_end(metrics, connection.direction, &served.await);
        }
        Err(error) => {
            tracing::debug!(peer = %connection.peer, %error, "the connection broke before its first request");
        }
    }
}

/// Counts the clients that no request tells of.
fn count_end(metrics: &Metrics, direction: Direction, end: &End) {
    match end {
        End::Flood(frame) => metrics
            .http2()
            .flooded(direction.reporter(), Peer::Client, *frame),
        End::Silent | End::Broken(Broken::Protocol(_) | Broken::Refused(_)) => {
            metrics.http2().broken();
        }
        End::Closed
        | End::Idle
        | End::Broken(Broken::Closed | Broken::Reset(_) | Broken::Alert(_)) => {}
    }
}

fn tcp<'a>(
    worker: &'a Worker,
    metrics: &'a Metrics,
    connection: Connection,
    hello: Option<ClientHello>,
) -> Tcp<'a> {
    Tcp {
        worker,
        metrics,
        connection,
        hello,
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
        secured: None,
        client_cert: ClientCertField::default(),
    })
}

/// What a connection's listener says of it.
#[derive(Debug, Clone, Copy)]
struct Way {
    detection: Detection,
    has_http: bool,
    /// Whether TLS is told from everything else.
    has_tls: bool,
    client_cert: ClientCert,
}

impl Way {
    /// Beside that, what the listener took a moment ago, of HTTP: plaintext, or the mesh's TLS. The client may not
    /// know yet that it is not taken any more.
    fn or_as_before(self, worker: &Worker, connection: &Connection) -> Self {
        let (lacks_plaintext, lacks_tls) = (
            self.has_tls && !self.has_http,
            self.has_http && !self.has_tls,
        );
        if !lacks_plaintext && !lacks_tls {
            return self;
        }
        let leaving = worker.tables.leaving();
        let before = leaving.recent().find_map(|old| {
            let Lookup::Found(old) = connection.listener(old) else {
                return None;
            };
            let before = Self::of(old, connection.original);
            if lacks_plaintext && before.has_http {
                return Some(Self {
                    has_tls: true,
                    ..before
                });
            }
            (lacks_tls && before.has_tls).then_some(Self {
                has_tls: true,
                ..self
            })
        });
        before.unwrap_or(self)
    }

    /// Without a listener there is nothing to find out.
    const TCP: Self = Self {
        detection: Detection::Tcp,
        has_http: false,
        has_tls: false,
        client_cert: ClientCert::NOTHING,
    };

    fn of(listener: &Listener, destination: SocketAddr) -> Self {
        Self {
            detection: listener.detection_for(destination),
            has_http: listener.http.is_some(),
            has_tls: listener.tls.is_some(),
            client_cert: listener
                .http
                .as_ref()
                .map_or(ClientCert::NOTHING, |http| http.client_cert),
        }
    }
}

fn is_ours(port: u16) -> bool {
    matches!(
        port,
        port_numbers::ADMIN | port_numbers::OUTBOUND | port_numbers::INBOUND
    )
}
