//! How a played proxy is set up.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use crate::tables::{
    Action, Addresses, ClusterSettings, ClusterStates, Detection, EditAction, EndpointSettings,
    EndpointSource, Forward, HeaderEdits, HeaderLevels, Hosts, HttpListener, Listener, PathMatch,
    PathRewrite, Route, RouteMatch, Snapshot, TcpRoutes, UpstreamProtocol, VirtualHost,
};

/// Where requests go.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 8080);

/// What a route does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// All lines are removed.
    Remove,
    /// Another line is added.
    Append,
    /// It is added if there is none.
    AddIfAbsent,
    /// It becomes the only one.
    Set,
    /// It becomes the only one if there is one.
    SetIfPresent,
}

/// Changes of the fields of requests or of responses, in their order.
#[derive(Debug, Default)]
pub struct Edits(HeaderEdits);

/// How the proxy is set up.
#[derive(Debug, Default)]
pub struct Setting {
    /// The client speaks HTTP/2.
    pub http2: bool,
    /// Servers speak HTTP/2.
    pub http2_servers: bool,
    /// The proxy is a gateway.
    pub gateway: bool,
    /// What the route changes of requests.
    pub request: Edits,
    /// What it changes of responses.
    pub response: Edits,
    /// The host that it gives to requests.
    pub host: Option<String>,
    /// What it puts in the place of the slash that paths begin with.
    pub prefix: Option<String>,
    /// So many bytes are taken at a time of what the proxy sends; 0 is any number.
    pub piece: u8,
}

impl Edits {
    /// Adds a change, and says whether routes may do that.
    pub fn add(&mut self, edit: Edit, name: &str, value: &str) -> bool {
        let action = match edit {
            Edit::Remove => return self.0.remove(name).is_ok(),
            Edit::Append => EditAction::Append,
            Edit::AddIfAbsent => EditAction::AddIfAbsent,
            Edit::Set => EditAction::Set,
            Edit::SetIfPresent => EditAction::SetIfPresent,
        };
        self.0.write(name, value, action).is_ok()
    }

    fn levels(self) -> HeaderLevels {
        HeaderLevels::new([Arc::new(self.0)])
    }
}

impl Setting {
    /// Everything goes to one server, with these changes; a gateway has that port.
    pub(super) fn tables(self, port: u16) -> Snapshot {
        let mut cluster = ClusterSettings::new("played");
        cluster.protocol = match self.http2_servers {
            true => UpstreamProtocol::Http2,
            false => UpstreamProtocol::Http1,
        };
        let endpoints = EndpointSource::List(vec![EndpointSettings::new(SERVER)]);
        let cluster = ClusterStates::default().build(cluster, endpoints);
        let mut forward = Forward::to("played");
        forward.host_rewrite = self.host.map(|host| host.into_bytes().into());
        let rewrite = |prefix: String| PathRewrite::Matched(prefix.into_bytes().into());
        forward.path_rewrite = self.prefix.map(rewrite);
        let slash = RouteMatch::path(PathMatch::Prefix("/".to_owned()));
        let mut routes = Vec::new();
        for matches in [slash, RouteMatch::any()] {
            let action = Action::Forward(forward.clone());
            routes.push(Route::new("played", matches, action));
            // What is no path has no prefix.
            forward.path_rewrite = None;
        }
        let (request, response) = (self.request.levels(), self.response.levels());
        for route in &mut routes {
            route.request_headers = request.clone();
            route.response_headers = response.clone();
        }
        let host = VirtualHost {
            routes: routes.into_iter().map(Arc::new).collect(),
            tells_attempt: true,
            is_stand_in: false,
        };
        let mut hosts = Hosts::default();
        hosts.add("*", Arc::new(host));
        let listener = Arc::new(Listener {
            name: Arc::from("played"),
            detection: Detection::Http,
            http: Some(HttpListener::new(Arc::new(hosts))),
            tcp: TcpRoutes::default(),
            tls: None,
        });
        let mut snapshot = Snapshot::pass_through(Duration::ZERO);
        let listeners = Arc::make_mut(&mut snapshot.listeners);
        listeners.bound = [(port, Arc::clone(&listener))].into_iter().collect();
        listeners.outbound = Addresses::all(listener);
        snapshot.clusters = Arc::new([cluster].into_iter().collect());
        snapshot
    }
}
