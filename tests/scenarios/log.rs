//! The access logs, in which a connection is found by its client's port.

use std::{collections::HashMap, fs, net::SocketAddr, path::Path};

/// The format of both proxies' lines.
pub const FORMAT: &str = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% ; %RESPONSE_CODE% ; %RESPONSE_FLAGS% ; %UPSTREAM_CLUSTER_RAW% ; %ROUTE_NAME% ; %RESPONSE_CODE_DETAILS%\n";

/// A line.
#[derive(Debug, Clone)]
pub struct Line {
    pub status: String,
    pub flags: String,
    pub cluster: String,
    pub route: String,
    pub details: String,
}

/// Reads a log. Of several lines of one connection, the last one counts.
pub fn read(file: &Path) -> HashMap<u16, Line> {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<(u16, Line)> {
    let parts: Vec<_> = text.split(" ; ").collect();
    let [client, status, flags, cluster, route, details] = parts[..] else {
        return None;
    };
    let line = Line {
        status: status.to_owned(),
        flags: flags.to_owned(),
        cluster: cluster.to_owned(),
        route: route.to_owned(),
        details: details.to_owned(),
    };
    let client: SocketAddr = client.parse().ok()?;
    Some((client.port(), line))
}
