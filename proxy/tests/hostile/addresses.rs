//! Where everybody is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The pod's address, and where its application listens.
pub const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
pub const APPLICATION: SocketAddr = SocketAddr::new(POD, 8080);
/// The port of a gateway, and where its requests go.
pub const GATEWAY: SocketAddr = SocketAddr::new(POD, 8081);
pub const WORLD: SocketAddr = SocketAddr::new(HONEST, 8080);
/// Who attacks.
pub const HOSTILE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
/// Who has to be served meanwhile.
pub const HONEST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 3));
