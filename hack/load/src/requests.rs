//! What is asked for, one after the other.

use memchr::memmem;

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
    /// It as it is sent again and again.
    pub fn prepare(&self) -> Prepared {
        Prepared {
            bytes: self.http1(),
            mark: memmem::Finder::new(&self.mark).into_owned(),
        }
    }

    /// It in HTTP/1.1.
    pub fn http1(&self) -> Vec<u8> {
        let Self {
            authority, path, ..
        } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: pillion-load\r\nAccept: */*\r\n\r\n")
            .into_bytes()
    }
}

/// A request in HTTP/1.1.
pub(crate) struct Prepared {
    pub bytes: Vec<u8>,
    mark: memmem::Finder<'static>,
}

impl Prepared {
    /// The generation of the rules by which a response came; `None` if it came by another route.
    pub fn generation(&self, head: &[u8]) -> Option<u64> {
        let rest = &head[self.mark.find(head)? + self.mark.needle().len()..];
        let end = rest.iter().position(|byte| !byte.is_ascii_digit());
        let digits = &rest[..end.unwrap_or(rest.len())];
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_generation_is_that_of_the_own_route() {
        let all = Asked {
            hosts: 2,
            prefixes: 2,
        }
        .all(8080);
        let of = |number: usize, head: &str| all[number].prepare().generation(head.as_bytes());
        let head = "HTTP/1.1 200 OK\r\nx-route: 1-0-42\r\n\r\n";
        assert_eq!([of(0, head), of(1, head)], [None, Some(42)]);
        assert_eq!(of(1, "HTTP/1.1 200 OK\r\nx-route: 1-0-\r\n\r\n"), None);
    }

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
