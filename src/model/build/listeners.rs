//! The outbound listeners of sidecars: one for all addresses of each port where HTTP is
//! spoken, and one for each address of other ports.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{
    budget::{CHAINS, LISTENERS, finding},
    first::First,
    tcp_routes::Called,
    view::View,
};
use crate::model::{
    finding::{Finding, Kind},
    objects::{Key, Labels},
    tables::{Cidr, Listener, ListenerProtocol, TcpRoute},
    world::{Destination, Port},
};

/// The proxy's own ports, whose listeners of all addresses are its own.
pub(super) const RESERVED: [u16; 2] = [15001, 15006];

/// The most findings of a view: an object is told of some of its ports.
const FINDINGS: usize = 256;

/// The listeners, in the order of their names, for clients with these labels; of too many, those of
/// Services and of the oldest ServiceEntries. What is left out is among the findings.
pub(super) fn of_view(
    view: &View,
    labels: &Labels,
    ipv6_only: bool,
) -> (Vec<Listener>, Vec<Finding>) {
    let mut listeners = Listeners {
        view,
        labels,
        anywhere: all_addresses(ipv6_only),
        drafts: BTreeMap::new(),
        left_out: Vec::new(),
        exceeding: BTreeMap::new(),
    };
    // An address that a ServiceEntry names as well is the Service's, whatever their ages.
    let (services, entries): (Vec<_>, Vec<_>) = view
        .destinations
        .iter()
        .partition(|to| to.external.is_none());
    for to in services.into_iter().chain(entries) {
        for port in &to.ports {
            listeners.add(to, port);
        }
    }
    let mut findings = listeners.left_out;
    findings.extend(listeners.exceeding.iter().map(|(key, places)| {
        let message = format!(
            "sidecars ignore this VirtualService's TCP rules for {places}, and close connections there: \
             a listener takes {CHAINS} TCP routes, with those of the VirtualServices that come before. \
             Use fewer elements of tcp for a host"
        );
        finding(Kind::VirtualService, key, message)
    }));
    let drafts = listeners.drafts.into_iter();
    let mut listeners: Vec<_> = drafts.map(|(key, draft)| draft.finish(key)).collect();
    listeners.sort_by(|one, other| one.name.cmp(&other.name));
    (listeners, findings)
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
    left_out: Vec<Finding>,
    /// The VirtualServices that have too many routes for TCP, and where.
    exceeding: BTreeMap<Key, First>,
}

/// A listener to which destinations are added: Services first, the oldest of each kind first.
#[derive(Default)]
struct Draft {
    /// The route table, if HTTP is read.
    http: Option<Arc<str>>,
    /// The routes of other bytes.
    tcp: Vec<TcpRoute>,
    /// The ranges and server names that have a route.
    taken: BTreeSet<(Vec<Cidr>, Vec<Arc<str>>)>,
    /// Whether HTTP can't be told apart: the server of an older destination speaks first.
    server_first: bool,
}

impl Listeners<'_> {
    fn add(&mut self, to: &Destination, port: &Port) {
        if port.protocol.is_http() {
            self.add_http(to, port);
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

    /// Whether there may be a listener. If not, the owner of the destination is told.
    fn has_room(&mut self, to: &Destination, place: (IpAddr, u16)) -> bool {
        if self.drafts.len() < LISTENERS || self.drafts.contains_key(&place) {
            return true;
        }
        let message = format!(
            "{} has no listener at port {} of sidecars: Services and older ServiceEntries have \
             {LISTENERS} already, one for each port of each address",
            to.host, place.1
        );
        self.leave_out(to, message);
        false
    }

    fn leave_out(&mut self, to: &Destination, message: String) {
        if self.left_out.len() < FINDINGS {
            let kind = match to.external {
                Some(_) => Kind::ServiceEntry,
                None => Kind::Service,
            };
            self.left_out.push(finding(kind, &to.meta.key, message));
        }
    }

    fn add_http(&mut self, to: &Destination, port: &Port) {
        if RESERVED.contains(&port.number) || !self.has_room(to, (self.anywhere, port.number)) {
            return;
        }
        let draft = self.drafts.entry((self.anywhere, port.number)).or_default();
        if !draft.server_first {
            draft.http = Some(port.number.to_string().into());
        }
    }

    /// Adds a listener of one address. The oldest destination at an address has it.
    fn add_at(&mut self, to: &Destination, port: &Port, address: IpAddr) {
        let place = (address, port.number);
        if self.drafts.contains_key(&place) || !self.has_room(to, place) {
            return;
        }
        let routes = self.routes(to, port, &[], false);
        let http = port.protocol.is_sniffed();
        let draft = Draft {
            http: http.then(|| format!("{}:{}", to.host, port.number).into()),
            tcp: routes,
            taken: BTreeSet::new(),
            server_first: port.protocol.is_server_first(),
        };
        self.drafts.insert(place, draft);
    }

    /// Adds routes to the listener of all addresses. The oldest destination has what two of
    /// them want.
    fn add_anywhere(&mut self, to: &Destination, port: &Port, ranges: &[Cidr]) {
        if RESERVED.contains(&port.number) || !self.has_room(to, (self.anywhere, port.number)) {
            return;
        }
        let routes = self.routes(to, port, ranges, true);
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
        if draft.tcp.len() + routes.len() > CHAINS {
            let message = format!(
                "sidecars do without {} at port {}: older destinations have {CHAINS} TCP \
                 routes there already. Give it addresses of its own",
                to.host, port.number
            );
            self.leave_out(to, message);
            return;
        }
        for route in routes {
            let place = (route.destinations.clone(), route.server_names.clone());
            if draft.taken.insert(place) {
                draft.tcp.push(route);
            }
        }
    }

    /// The routes of a destination's port. The owners of rules are told which are too many.
    fn routes(
        &mut self,
        to: &Destination,
        port: &Port,
        ranges: &[Cidr],
        anywhere: bool,
    ) -> Vec<TcpRoute> {
        let called = Called {
            view: self.view,
            labels: self.labels,
            to,
            port,
            ranges,
            anywhere,
        };
        let found = called.routes();
        if let Some(key) = found.exceeding {
            let places = self.exceeding.entry(key).or_default();
            places.add(format_args!("{}:{}", to.host, port.number));
        }
        found.routes
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
