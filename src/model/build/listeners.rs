//! The outbound listeners of sidecars: one for all addresses of each port where HTTP is
//! spoken, and one for each address of other ports.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{tcp_routes::Called, view::View};
use crate::model::{
    objects::Labels,
    tables::{Cidr, Listener, ListenerProtocol, TcpRoute},
    world::{Destination, Port},
};

/// The proxy's own ports, whose listeners of all addresses are its own.
pub(super) const RESERVED: [u16; 2] = [15001, 15006];

/// The listeners, in the order of their names, for clients with these labels.
pub(super) fn of_view(view: &View, labels: &Labels, ipv6_only: bool) -> Vec<Listener> {
    let mut listeners = Listeners {
        view,
        labels,
        anywhere: all_addresses(ipv6_only),
        drafts: BTreeMap::new(),
    };
    for to in &view.destinations {
        for port in &to.ports {
            listeners.add(to, port);
        }
    }
    let drafts = listeners.drafts.into_iter();
    let mut listeners: Vec<_> = drafts.map(|(key, draft)| draft.finish(key)).collect();
    listeners.sort_by(|one, other| one.name.cmp(&other.name));
    listeners
}

/// The address that stands for all.
pub(super) fn all_addresses(ipv6_only: bool) -> IpAddr {
    if ipv6_only {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    }
}

struct Listeners<'a> {
    view: &'a View,
    labels: &'a Labels,
    anywhere: IpAddr,
    drafts: BTreeMap<(IpAddr, u16), Draft>,
}

/// A listener to which destinations are added, the oldest first.
#[derive(Default)]
struct Draft {
    /// The route table, if HTTP is read.
    http: Option<Arc<str>>,
    /// The routes of other bytes.
    tcp: Vec<TcpRoute>,
    /// Whether HTTP can't be told apart: the server of an older destination speaks first.
    server_first: bool,
}

impl Listeners<'_> {
    fn add(&mut self, to: &Destination, port: &Port) {
        if port.protocol.is_http() {
            self.add_http(port);
            return;
        }
        let pods = to.pods.iter().copied().map(Cidr::from);
        let (single, ranges): (Vec<_>, Vec<_>) = if to.is_headless() {
            // Without pods, there is nobody to call.
            (pods.collect(), Vec::new())
        } else {
            to.addresses.iter().copied().partition(Cidr::is_single)
        };
        for address in &single {
            self.add_at(to, port, address.address);
        }
        if !ranges.is_empty() || (single.is_empty() && !to.is_headless()) {
            self.add_anywhere(to, port, &ranges);
        }
    }

    fn add_http(&mut self, port: &Port) {
        if RESERVED.contains(&port.number) {
            return;
        }
        let draft = self.drafts.entry((self.anywhere, port.number)).or_default();
        if !draft.server_first {
            draft.http = Some(port.number.to_string().into());
        }
    }

    /// Adds a listener of one address. The oldest destination at an address has it.
    fn add_at(&mut self, to: &Destination, port: &Port, address: IpAddr) {
        let called = self.called(to, port, &[], false);
        let routes = called.routes();
        if let Entry::Vacant(entry) = self.drafts.entry((address, port.number)) {
            let http = port.protocol.is_sniffed();
            entry.insert(Draft {
                http: http.then(|| format!("{}:{}", to.host, port.number).into()),
                tcp: routes,
                server_first: port.protocol.is_server_first(),
            });
        }
    }

    /// Adds routes to the listener of all addresses. The oldest destination has what two of
    /// them want.
    fn add_anywhere(&mut self, to: &Destination, port: &Port, ranges: &[Cidr]) {
        if RESERVED.contains(&port.number) {
            return;
        }
        let routes = self.called(to, port, ranges, true).routes();
        let draft = self.drafts.entry((self.anywhere, port.number)).or_default();
        if port.protocol.is_server_first() {
            // Waiting for the client's first bytes would be waiting for ever.
            if draft.http.is_some() {
                return;
            }
            draft.server_first = true;
        }
        if port.protocol.is_sniffed() && !draft.server_first {
            draft.http = Some(port.number.to_string().into());
        }
        for route in routes {
            let same = |old: &TcpRoute| {
                old.destinations == route.destinations && old.server_names == route.server_names
            };
            if !draft.tcp.iter().any(same) {
                draft.tcp.push(route);
            }
        }
    }

    fn called<'b>(
        &'b self,
        to: &'b Destination,
        port: &'b Port,
        ranges: &'b [Cidr],
        anywhere: bool,
    ) -> Called<'b> {
        Called {
            view: self.view,
            labels: self.labels,
            to,
            port,
            ranges,
            anywhere,
        }
    }
}

impl Draft {
    fn finish(self, (address, port): (IpAddr, u16)) -> Listener {
        Listener {
            name: format!("{address}_{port}").into(),
            address,
            port,
            protocol: match self.http {
                Some(routes) if self.tcp.is_empty() => ListenerProtocol::Http { routes },
                Some(routes) => ListenerProtocol::Sniffed {
                    routes,
                    tcp: self.tcp,
                },
                None => ListenerProtocol::Tcp(self.tcp),
            },
        }
    }
}
