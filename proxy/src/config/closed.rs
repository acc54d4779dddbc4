//! The tables of a proxy that has never been configured.

use std::{sync::Arc, time::Duration};

use crate::tables::{
    Addresses, Detection, Hosts, HttpListener, Listener, Listeners, Snapshot, TcpRefusal, TcpRoutes,
};

/// What is done with what the application sends before the server has said anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum WhenUnreachable {
    /// It is refused: whatever the mesh does for it would be left out without anybody's notice.
    #[default]
    Refuse,
    /// It goes to where the application sends it. What comes to the pod is refused all the same.
    PassThrough,
}

/// Tables that refuse requests with a text that names the server, and reset other connections.
pub(crate) fn closed(server: &str, when: WhenUnreachable, detection_timeout: Duration) -> Snapshot {
    let mut tables = Snapshot::pass_through(detection_timeout);
    let outbound = match when {
        WhenUnreachable::PassThrough => tables.listeners.outbound.clone(),
        WhenUnreachable::Refuse => refuse("virtualOutbound", server, detection_timeout),
    };
    tables.server = Arc::from(server);
    tables.listeners = Arc::new(Listeners {
        outbound,
        inbound: refuse("virtualInbound", server, detection_timeout),
        ..Listeners::default()
    });
    tables
}

fn refuse(name: &str, server: &str, detection_timeout: Duration) -> Addresses {
    let text = format!(
        "this proxy has no configuration: nothing has come from {server} yet; the log of the container istio-proxy says why"
    );
    Addresses::all(Arc::new(Listener {
        name: Arc::from(name),
        detection: Detection::Sniff(detection_timeout),
        http: Some(HttpListener::new(Arc::new(Hosts::refusing(&text)))),
        tcp: TcpRoutes::refusing(TcpRefusal::NotConfigured),
        tls: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tables::{Action, ClusterChoice, Lookup, TcpAction},
        traffic::Direction,
    };

    /// What is done with requests, and why other connections are reset, if they are.
    fn action(tables: &Snapshot, direction: Direction) -> (Action, Option<TcpRefusal>) {
        let address = ([10, 0, 0, 1], 80).into();
        let Lookup::Found(listener) = tables.listeners.find(direction, address) else {
            panic!("there is no listener");
        };
        let hosts = &listener.http.as_ref().unwrap().hosts;
        let Lookup::Found(host) = hosts.find(b"reviews") else {
            panic!("there is no host");
        };
        let refusal = match listener.tcp.find(address, None).unwrap().action {
            TcpAction::Refuse(why) => Some(why),
            TcpAction::Forward(_) => None,
        };
        (host.routes[0].action.clone(), refusal)
    }

    #[test]
    fn both_directions_are_refused_with_the_server_s_name() {
        let tables = closed(
            "discovery.example:15012",
            WhenUnreachable::Refuse,
            Duration::ZERO,
        );
        for direction in [Direction::Outbound, Direction::Inbound] {
            let (Action::Respond(response), Some(TcpRefusal::NotConfigured)) =
                action(&tables, direction)
            else {
                panic!("{direction:?} is open");
            };
            assert_eq!(response.status, 503);
            let text = String::from_utf8(response.body.to_vec()).unwrap();
            assert!(text.contains("discovery.example:15012"), "{text}");
        }
    }

    #[test]
    fn pass_through_opens_outbound_only() {
        let tables = closed("discovery", WhenUnreachable::PassThrough, Duration::ZERO);
        let (Action::Forward(forward), None) = action(&tables, Direction::Outbound) else {
            panic!("outbound is closed");
        };
        assert!(
            matches!(forward.clusters, ClusterChoice::One(name) if &*name == "PassthroughCluster")
        );
        assert!(matches!(
            action(&tables, Direction::Inbound),
            (Action::Respond(_), Some(TcpRefusal::NotConfigured))
        ));
    }
}
