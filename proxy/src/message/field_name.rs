//! The fields that the proxy itself reads or writes.

macro_rules! field_names {
    ($($variant:ident = $text:literal,)*) => {
        /// The name of a field, as far as the proxy has something to do with it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum FieldName {
            $(#[doc = $text] $variant,)*
            /// Any other.
            Other,
        }

        impl FieldName {
            /// Recognises a name in lower case.
            #[allow(non_upper_case_globals)]
            pub fn of(name: &[u8]) -> Self {
                $(const $variant: &[u8] = $text.as_bytes();)*
                match name {
                    $($variant => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// The name in lower case; empty for [`FieldName::Other`].
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
                }
            }
        }
    };
}

field_names! {
    B3 = "b3",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Expect = "expect",
    GrpcStatus = "grpc-status",
    GrpcTimeout = "grpc-timeout",
    Host = "host",
    Http2Settings = "http2-settings",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    Server = "server",
    Te = "te",
    TraceParent = "traceparent",
    TraceState = "tracestate",
    Trailer = "trailer",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    XB3Flags = "x-b3-flags",
    XB3ParentSpanId = "x-b3-parentspanid",
    XB3Sampled = "x-b3-sampled",
    XB3SpanId = "x-b3-spanid",
    XB3TraceId = "x-b3-traceid",
    XClientTraceId = "x-client-trace-id",
    XEnvoyAttemptCount = "x-envoy-attempt-count",
    XEnvoyDecoratorOperation = "x-envoy-decorator-operation",
    XEnvoyExpectedTimeout = "x-envoy-expected-rq-timeout-ms",
    XEnvoyForceTrace = "x-envoy-force-trace",
    XEnvoyMaxRetries = "x-envoy-max-retries",
    XEnvoyOriginalHost = "x-envoy-original-host",
    XEnvoyOriginalPath = "x-envoy-original-path",
    XEnvoyRetryGrpcOn = "x-envoy-retry-grpc-on",
    XEnvoyRetryOn = "x-envoy-retry-on",
    XEnvoyTimeout = "x-envoy-upstream-rq-timeout-ms",
    XEnvoyTryTimeout = "x-envoy-upstream-rq-per-try-timeout-ms",
    XEnvoyUpstreamServiceTime = "x-envoy-upstream-service-time",
    XForwardedClientCert = "x-forwarded-client-cert",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XRequestId = "x-request-id",
}

impl FieldName {
    /// Whether the codecs write the field themselves, or it is for one connection only.
    pub fn is_reserved(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ContentLength
                | Self::Host
                | Self::Http2Settings
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_the_names_that_it_writes() {
        for name in [FieldName::Host, FieldName::XRequestId, FieldName::Te] {
            assert_eq!(FieldName::of(name.as_str().as_bytes()), name);
        }
        assert_eq!(FieldName::of(b"hos"), FieldName::Other);
        assert_eq!(FieldName::of(b""), FieldName::Other);
    }
}
