//! The types that an `Any` can have, as Envoy's API writes them.

macro_rules! type_urls {
    ($($(#[$doc:meta])* $name:ident = $message:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = concat!("type.googleapis.com/", $message);)*

        /// All of the types.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

type_urls! {
    /// A listener: a resource of LDS.
    LISTENER = "envoy.config.listener.v3.Listener";
    /// A route table: a resource of RDS.
    ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration";
    /// A host of a route table: a resource of VHDS.
    VIRTUAL_HOST = "envoy.config.route.v3.VirtualHost";
    /// A cluster: a resource of CDS.
    CLUSTER = "envoy.config.cluster.v3.Cluster";
    /// The endpoints of a cluster: a resource of EDS.
    CLUSTER_LOAD_ASSIGNMENT = "envoy.config.endpoint.v3.ClusterLoadAssignment";
    /// A certificate with its key, or roots: a resource of SDS.
    SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret";
    /// The network filter that serves HTTP.
    HTTP_CONNECTION_MANAGER =
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    /// The network filter that forwards bytes.
    TCP_PROXY = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    /// The HTTP filter that sends requests on.
    ROUTER = "envoy.extensions.filters.http.router.v3.Router";
    /// The listener filter that reads a TLS ClientHello.
    TLS_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
    /// The listener filter that recognises HTTP.
    HTTP_INSPECTOR = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
    /// The listener filter that restores the original destination.
    ORIGINAL_DST = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";
    /// How a cluster speaks HTTP: a value of `Cluster.typed_extension_protocol_options`, under
    /// [`HTTP_PROTOCOL_OPTIONS_KEY`].
    HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    /// An access log that is written to a file.
    ACCESS_LOG_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
    /// The retry predicate that avoids hosts already tried.
    PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
    /// The transport socket without TLS.
    RAW_BUFFER = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
    /// The transport socket of TLS to an upstream.
    UPSTREAM_TLS_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    /// The transport socket of TLS from a downstream.
    DOWNSTREAM_TLS_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    /// A tracer that sends spans to Zipkin.
    ZIPKIN_CONFIG = "envoy.config.trace.v3.ZipkinConfig";
    /// A tracer that sends spans to a collector of OpenTelemetry.
    OPEN_TELEMETRY_CONFIG = "envoy.config.trace.v3.OpenTelemetryConfig";
    /// How requests get their ids, and what these say of traces.
    UUID_REQUEST_ID_CONFIG = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";
    /// The configuration of a filter for one route or host.
    FILTER_CONFIG = "envoy.config.route.v3.FilterConfig";
}

/// The key of [`HTTP_PROTOCOL_OPTIONS`] in `Cluster.typed_extension_protocol_options`.
pub const HTTP_PROTOCOL_OPTIONS_KEY: &str =
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
