//! Which protocol a port speaks, by Istio's rules for `appProtocol` and port names.

/// A port's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// HTTP/1, or HTTP/2 where the client begins with it.
    Http,
    /// HTTP/2 to the application, without TLS.
    Http2,
    /// gRPC, which is HTTP/2.
    Grpc,
    /// gRPC-Web, which is HTTP/1 or HTTP/2.
    GrpcWeb,
    /// Bytes.
    Tcp,
    /// Bytes of TLS; routed by its server name.
    Tls,
    /// As [`Protocol::Tls`].
    Https,
    /// Bytes, of Mongo.
    Mongo,
    /// Bytes, of MySQL, in which the server speaks first.
    MySql,
    /// Bytes, of Redis.
    Redis,
    /// Not TCP; bypasses the mesh.
    Udp,
    /// Not declared: the first bytes decide.
    Unknown,
}

/// Ports on which the server speaks first, so that waiting for the client's first bytes
/// would wait for ever (SMTP, DNS, MySQL, Mongo): Istio takes unnamed ones for TCP.
const SERVER_FIRST_PORTS: [u16; 4] = [25, 53, 3306, 27017];

impl Protocol {
    /// The protocol that a Service's port declares: `appProtocol` wins over the name. An
    /// undeclared one is [`Protocol::Unknown`], but for the ports of protocols in which
    /// the server speaks first.
    pub fn of_port(port: u16, name: &str, app_protocol: Option<&str>) -> Self {
        let declared = match app_protocol {
            Some("kubernetes.io/h2c") => Self::Http2,
            Some("kubernetes.io/ws") => Self::Http,
            Some("kubernetes.io/wss") => Self::Https,
            Some(text) => Self::of_name(text),
            None => Self::of_name(name),
        };
        if declared == Self::Unknown && SERVER_FIRST_PORTS.contains(&port) {
            return Self::Tcp;
        }
        declared
    }

    /// The protocol `PROTOCOL[-SUFFIX]` of a name, in any case.
    pub fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        // It has a dash of its own. Istio looks no further, either.
        if name.starts_with("grpc-web") {
            return Self::GrpcWeb;
        }
        match name.split('-').next().unwrap_or_default() {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "https" => Self::Https,
            "mongo" => Self::Mongo,
            "mysql" => Self::MySql,
            "redis" => Self::Redis,
            "udp" => Self::Udp,
            _ => Self::Unknown,
        }
    }

    /// Whether requests are read and routed.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the application is spoken to in HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc)
    }

    /// Whether the bytes are TLS that passes through.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }

    /// Whether the first bytes decide.
    pub fn is_sniffed(self) -> bool {
        self == Self::Unknown
    }

    /// Whether connections are carried without a look at their bytes, TLS' server name
    /// aside.
    pub fn is_tcp(self) -> bool {
        !self.is_http() && !self.is_sniffed() && self != Self::Udp
    }

    /// Whether the server speaks first, so that a port can't be shared with HTTP.
    pub fn is_server_first(self) -> bool {
        matches!(self, Self::MySql | Self::Mongo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_declare_protocols_up_to_the_first_dash() {
        let cases = [
            ("http", Protocol::Http),
            ("HTTP-web", Protocol::Http),
            ("http2-x", Protocol::Http2),
            ("grpc-web", Protocol::GrpcWeb),
            ("grpc-web-x", Protocol::GrpcWeb),
            ("grpc-x", Protocol::Grpc),
            ("tls", Protocol::Tls),
            ("https-a", Protocol::Https),
            ("mysql", Protocol::MySql),
            ("httpport2", Protocol::Unknown),
            ("web", Protocol::Unknown),
            ("", Protocol::Unknown),
        ];
        for (name, protocol) in cases {
            assert_eq!(Protocol::of_port(8080, name, None), protocol, "{name}");
        }
    }

    #[test]
    fn app_protocol_wins_over_the_name() {
        let of = |app| Protocol::of_port(8080, "tcp-x", Some(app));
        assert_eq!(of("http"), Protocol::Http);
        assert_eq!(of("kubernetes.io/h2c"), Protocol::Http2);
        assert_eq!(of("kubernetes.io/ws"), Protocol::Http);
        assert_eq!(of("kubernetes.io/wss"), Protocol::Https);
        assert_eq!(of("example.com/own"), Protocol::Unknown);
    }

    #[test]
    fn undeclared_ports_of_server_first_protocols_are_tcp() {
        for port in [25, 53, 3306, 27017] {
            assert_eq!(Protocol::of_port(port, "db", None), Protocol::Tcp);
        }
        assert_eq!(Protocol::of_port(53, "http", None), Protocol::Http);
        assert_eq!(Protocol::of_port(54, "db", None), Protocol::Unknown);
    }
}
