//! What the proxy should make of fields, by a reader that knows nothing of its own.

use crate::messages::{Field, elements};

/// For one connection only (RFC 9110, 7.6.1), or said in another way by the next one.
const OF_THE_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What comes too late behind a body (RFC 9110, 6.5.1), or what proxies vouch for in the head, but
/// for what has a start of its own.
const OF_HEADS: &str = "age authorization b3 cache-control connection content-disposition content-encoding \
    content-length content-location content-range content-type cookie cookie2 date expect expires forwarded \
    grpc-timeout host http2-settings if if-match if-modified-since if-none-match if-range \
    if-unmodified-since keep-alive last-modified location max-forwards pragma proxy-authenticate \
    proxy-authorization proxy-connection range retry-after server set-cookie set-cookie2 te traceparent \
    tracestate trailer transfer-encoding upgrade user-agent vary via warning www-authenticate \
    x-client-trace-id x-request-id";

/// A change by a route, as the target has made it.
pub(crate) struct Change {
    pub edit: pillion_proxy::test_util::Edit,
    /// In lower case.
    pub name: String,
    pub value: String,
}

/// Whether the proxy may write such a field by itself.
pub(crate) fn is_own(name: &str) -> bool {
    let start = ["x-forwarded-", "x-envoy-"];
    start.iter().any(|start| name.starts_with(start))
        || matches!(name, "x-request-id" | "date" | "server")
}

/// What is passed on of the trailers of a request.
pub(crate) fn passed_on_behind(trailers: &[Field]) -> Vec<Field> {
    let starts = ["x-forwarded-", "x-envoy-", "x-b3-"];
    let stays = |(name, _): &&Field| {
        let is_of_heads = OF_HEADS.split_whitespace().any(|other| other == name);
        !is_of_heads && !starts.iter().any(|start| name.starts_with(start))
    };
    trailers.iter().filter(stays).cloned().collect()
}

/// What is passed on of these fields, but for those that the proxy may write itself.
pub(crate) fn passed_on(fields: &[Field]) -> Vec<Field> {
    let connection = fields.iter().filter(|(name, _)| name == "connection");
    let named = elements(connection.map(|(_, value)| &value[..]));
    // These are options, and no names of fields.
    let is_option = |name: &String| matches!(&name[..], "close" | "keep-alive" | "upgrade");
    let named: Vec<_> = named.filter(|name| !is_option(name)).collect();
    let stays = |(name, _): &&Field| {
        !OF_THE_CONNECTION.contains(&&name[..]) && !named.contains(name) && !is_own(name)
    };
    fields.iter().filter(stays).cloned().collect()
}

/// What routes make of it: first they remove, then they write.
pub(crate) fn changed(mut fields: Vec<Field>, changes: &[Change]) -> Vec<Field> {
    use pillion_proxy::test_util::Edit;
    let removes = |change: &&Change| change.edit == Edit::Remove;
    for change in changes.iter().filter(removes) {
        fields.retain(|(name, _)| *name != change.name);
    }
    for change in changes.iter().filter(|change| !removes(change)) {
        let is_there = fields.iter().any(|(name, _)| *name == change.name);
        match change.edit {
            Edit::AddIfAbsent if is_there => continue,
            Edit::SetIfPresent if !is_there => continue,
            Edit::Set | Edit::SetIfPresent => fields.retain(|(name, _)| *name != change.name),
            Edit::Append | Edit::AddIfAbsent | Edit::Remove => {}
        }
        fields.push((change.name.clone(), change.value.clone().into_bytes()));
    }
    fields
}

/// The fields of a message that the proxy has written, but for its own and for those that a
/// codec writes.
pub(crate) fn written(fields: &[Field]) -> Vec<Field> {
    let stays = |(name, _): &&Field| !OF_THE_CONNECTION.contains(&&name[..]) && !is_own(name);
    fields.iter().filter(stays).cloned().collect()
}
