//! What is asked for, one after the other.

/// Which hosts and paths.
#[derive(Debug, clap::Args)]
pub(crate) struct Asked {
    /// Hosts that are asked in turn: `web-0.bench.svc.cluster.local` and so on.
    #[arg(long, default_value_t = 10)]
    hosts: usize,
    /// The beginnings of paths that each of them is asked for in turn: `/p0/` and so on.
    #[arg(long, default_value_t = 10)]
    prefixes: usize,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub authority: String,
    pub path: String,
    /// How the field begins that a response has if rules say by which route it came.
    pub mark: String,
}

impl Asked {
    /// Each host with each path; one request's host is not that of the one before.
    pub fn all(&self, port: u16) -> Vec<Request> {
        let prefixes = 0..self.prefixes;
        let pairs = prefixes.flat_map(|prefix| (0..self.hosts).map(move |host| (host, prefix)));
        let request = |(host, prefix)| Request {
            authority: format!("web-{host}.bench.svc.cluster.local:{port}"),
            path: format!("/p{prefix}/index"),
            mark: format!("\r\nx-route: {host}-{prefix}-"),
        };
        pairs.map(request).collect()
    }
}

impl Request {
    /// It in HTTP/1.1.
    pub fn http1(&self) -> Vec<u8> {
        let Self {
            authority, path, ..
        } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: pillion-load\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_route_is_asked_for_once() {
        let all = Asked {
            hosts: 3,
            prefixes: 4,
        }
        .all(8080);
        let marks: HashSet<_> = all.iter().map(|request| &request.mark).collect();
        assert_eq!((all.len(), marks.len()), (12, 12));
        assert_ne!(all[0].authority, all[1].authority);
        let text = String::from_utf8(all[4].http1()).unwrap();
        assert!(
            text.starts_with(
                "GET /p1/index HTTP/1.1\r\nHost: web-1.bench.svc.cluster.local:8080\r\n"
            )
        );
    }
}
