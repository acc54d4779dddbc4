//! Why the proxy answers a request itself.

use std::{borrow::Cow, fmt, io, net::SocketAddr, sync::Arc};

use http::StatusCode;

use super::{
    broken_off::{self, Progress},
    clock::Expired,
};
use crate::{message::Broken, records::ResponseFlag, transport::TlsFailure};

/// What stood between a request and its response.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client has all the room that it may have.
    Overload,
    /// The client speaks HTTP/1.0, and the server's sidecar does not take it.
    Version,
    /// The client asks for another protocol than WebSocket.
    Upgrade,
    /// The request's target or body is refused, for the reason with this label.
    Bad(&'static str),
    /// The server speaks HTTP/2, which has no place for something in the request's head.
    NotCarried(&'static str),
    /// The connection's listener is gone, and the client has to connect again.
    NoListener,
    /// No virtual host has the name that was asked for.
    NoHost,
    /// No route of the virtual host matches.
    NoRoute,
    /// The control plane has not said in time where the request goes.
    NotTold {
        destination: SocketAddr,
        server: Arc<str>,
    },
    /// The route cites a cluster that there is not.
    NoCluster { cluster: Arc<str> },
    /// The cluster has as many requests or connections as it may have.
    Overflow { cluster: Arc<str> },
    /// The response, or the head of one attempt's, has not come in time.
    Timeout {
        to: Option<SocketAddr>,
        expired: Expired,
    },
    /// The cluster has no endpoint.
    NoEndpoint { cluster: Arc<str> },
    /// The cluster sends to where the client was going, and that is the proxy itself.
    NoOriginalDestination { cluster: Arc<str> },
    /// The server could not be reached.
    Connect { to: SocketAddr, error: io::Error },
    /// The server has not proved who it is, or has something to object.
    Tls {
        to: SocketAddr,
        cluster: Arc<str>,
        failure: TlsFailure,
    },
    /// The server broke off before it answered, or what it sent is not HTTP.
    Upstream { to: SocketAddr, broken: Broken },
}

impl Failure {
    /// The status of the answer, as Envoy's.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Upgrade => StatusCode::FORBIDDEN,
            Self::Bad(_) | Self::NotCarried(_) => StatusCode::BAD_REQUEST,
            Self::NoHost | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Timeout { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream {
                broken: Broken::Protocol(_) | Broken::Refused(_),
                ..
            } => StatusCode::BAD_GATEWAY,
            Self::Overload
            | Self::NoListener
            | Self::NotTold { .. }
            | Self::NoCluster { .. }
            | Self::Overflow { .. }
            | Self::NoEndpoint { .. }
            | Self::NoOriginalDestination { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Upstream { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Envoy's response flag.
    pub fn flag(&self) -> ResponseFlag {
        match self {
            Self::Overload => ResponseFlag::OverloadManager,
            Self::Version | Self::Upgrade | Self::Bad(_) | Self::NotCarried(_) => {
                ResponseFlag::DownstreamProtocolError
            }
            Self::NoListener | Self::NoHost | Self::NoRoute => ResponseFlag::NoRouteFound,
            Self::NotTold { .. } | Self::NoCluster { .. } => ResponseFlag::NoClusterFound,
            Self::Overflow { .. } => ResponseFlag::UpstreamOverflow,
            Self::Timeout { .. } => ResponseFlag::UpstreamRequestTimeout,
            Self::NoEndpoint { .. } | Self::NoOriginalDestination { .. } => {
                ResponseFlag::NoHealthyUpstream
            }
            Self::Connect { .. } | Self::Tls { .. } => ResponseFlag::UpstreamConnectionFailure,
            Self::Upstream { broken, .. } => broken_off::flag(broken),
        }
    }

    /// If it is the client's request that is refused, the label of the reason.
    pub fn refused_request(&self) -> Option<&'static str> {
        match self {
            Self::Version => Some("low_version"),
            Self::Upgrade => Some("upgrade_failed"),
            Self::Bad(reason) => Some(reason),
            Self::NotCarried(_) => Some(NOT_CARRIED),
            _ => None,
        }
    }

    /// Envoy's response code details.
    pub fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Overload => "overload",
            Self::Version | Self::Upgrade | Self::Bad(_) | Self::NotCarried(_) => {
                self.refused_request().unwrap_or_default()
            }
            Self::NoListener => "listener_removed",
            Self::NoHost | Self::NoRoute => "route_not_found",
            Self::NotTold { .. } => "configuration_timeout",
            Self::NoCluster { .. } => "cluster_not_found",
            Self::Overflow { .. } => "upstream_reset_before_response_started{overflow}",
            Self::Timeout { expired, .. } => expired.details(),
            Self::NoEndpoint { .. } | Self::NoOriginalDestination { .. } => "no_healthy_upstream",
            Self::Connect { .. } | Self::Tls { .. } => {
                "upstream_reset_before_response_started{connection_failure}"
            }
            Self::Upstream { broken, .. } => {
                return Cow::Owned(broken_off::details(broken, Progress::NotBegun));
            }
        })
    }

    /// gRPC's status for the failure, as Envoy translates it.
    pub fn grpc_status(&self) -> u32 {
        match self.status().as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => 2,
        }
    }
}

/// The label of a message that the version of HTTP on the other side has no place for.
pub(super) const NOT_CARRIED: &str = "not_carried_by_http2";

/// What happened and what to look at.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overload => write!(
                formatter,
                "overloaded: this client has more requests at a time than the sidecar has room for"
            ),
            Self::Version => write!(
                formatter,
                "this server takes HTTP/1.1 and HTTP/2, not HTTP/1.0: use a newer client"
            ),
            Self::Upgrade => write!(
                formatter,
                "requests are upgraded to WebSocket only: declare the port as TCP (tcp-…) for other protocols"
            ),
            Self::Bad(reason) | Self::NotCarried(reason) => {
                write!(formatter, "bad request: {reason}")
            }
            Self::NoListener => write!(
                formatter,
                "this connection is older than the proxy's configuration, in which its port carries no HTTP: connect again"
            ),
            Self::NoHost => write!(
                formatter,
                "this host is not known at this port: a Gateway has to name it, and a VirtualService that is bound to the Gateway"
            ),
            Self::NoRoute => write!(
                formatter,
                "no route matches this path: see the VirtualServices of the host"
            ),
            Self::NotTold {
                destination,
                server,
            } => write!(
                formatter,
                "the control plane at {server} has not said within 5 s where connections to {destination} go; is it reachable from this pod?"
            ),
            Self::NoCluster { cluster } => write!(
                formatter,
                "the route leads to the cluster {cluster}, which does not exist: is there such a service and port, and a DestinationRule with the subset?"
            ),
            Self::Overflow { cluster } => write!(
                formatter,
                "upstream overflow: the cluster {cluster} has as many requests or connections as its connectionPool allows"
            ),
            Self::Timeout { to, expired } => timeout_text(formatter, *to, *expired),
            Self::NoEndpoint { cluster } => write!(
                formatter,
                "no healthy upstream: the cluster {cluster} has no endpoint; does the selector of the service match the labels of pods, and are they ready?"
            ),
            Self::NoOriginalDestination { cluster } => write!(
                formatter,
                "no healthy upstream: the cluster {cluster} sends requests to where their clients were going, and these came to the gateway itself; a DestinationRule with the load balancer PASSTHROUGH is for sidecars"
            ),
            Self::Connect { to, error } => connect_text(formatter, *to, error),
            Self::Tls {
                to,
                cluster,
                failure,
            } => write!(
                formatter,
                "TLS with the server at {to} (cluster {cluster}) failed: {failure}"
            ),
            Self::Upstream { to, broken } => match broken {
                Broken::Closed => write!(
                    formatter,
                    "the server at {to} closed the connection before it answered; did it crash, or close an idle connection?"
                ),
                Broken::Reset(code) => write!(
                    formatter,
                    "the server at {to} reset the stream before it answered (HTTP/2 error code {code})"
                ),
                Broken::Protocol(reason) | Broken::Refused(reason) => write!(
                    formatter,
                    "the response of the server at {to} is not valid HTTP: {reason}"
                ),
                Broken::Alert(alert) => {
                    write!(
                        formatter,
                        "the server at {to} ended the connection: {alert}"
                    )
                }
            },
        }
    }
}

fn timeout_text(
    formatter: &mut fmt::Formatter<'_>,
    to: Option<SocketAddr>,
    expired: Expired,
) -> fmt::Result {
    formatter.write_str("upstream request timeout: ")?;
    match to {
        Some(to) => write!(formatter, "the server at {to} has not answered")?,
        None => write!(formatter, "no server has answered")?,
    }
    let (what, after) = match expired {
        Expired::Response(after) => ("the timeout", after),
        Expired::Attempt(after) => ("the timeout of one attempt", after),
    };
    write!(formatter, " within {after:?}, {what} of its route")
}

fn connect_text(
    formatter: &mut fmt::Formatter<'_>,
    to: SocketAddr,
    error: &io::Error,
) -> fmt::Result {
    write!(formatter, "can't connect to the server at {to}: {error}; ")?;
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "is the application running, and does it listen on this port, not on localhost only?"
        }
        io::ErrorKind::TimedOut => "does a NetworkPolicy or a firewall drop the packets?",
        _ => "is the address reachable from this pod?",
    };
    formatter.write_str(hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers_as_envoy_does() {
        let to = SocketAddr::from(([10, 0, 0, 1], 9080));
        let refused = Failure::Connect {
            to,
            error: io::ErrorKind::ConnectionRefused.into(),
        };
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.flag(), ResponseFlag::UpstreamConnectionFailure);
        assert_eq!(refused.grpc_status(), 14);
        assert!(refused.to_string().contains("10.0.0.1:9080"));
        let upstream = |broken| Failure::Upstream { to, broken };
        let garbage = upstream(Broken::Refused("invalid_status_line"));
        assert_eq!(
            (garbage.status().as_u16(), garbage.grpc_status()),
            (502, 14)
        );
        let closed = upstream(Broken::Closed);
        assert_eq!(closed.flag(), ResponseFlag::UpstreamConnectionTermination);
        assert_eq!(Failure::Version.status(), 426);
        let timeout = Failure::Timeout {
            to: None,
            expired: Expired::Response(Duration::from_millis(500)),
        };
        assert_eq!(
            (timeout.status().as_u16(), timeout.grpc_status()),
            (504, 14)
        );
        assert!(timeout.to_string().contains("within 500ms"), "{timeout}");
        assert_eq!(Failure::Overload.status(), 503);
        assert_eq!(Failure::NoRoute.grpc_status(), 12);
    }
}
