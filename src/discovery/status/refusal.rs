//! What a proxy refused.

/// Where a refusal is: a proxy refuses one response of a kind at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::discovery) struct Place {
    /// The stream's number on this replica.
    pub stream: u64,
    /// The kind of resource, as in `proxy-status`: CDS, LDS, EDS, RDS.
    pub kind: &'static str,
}

/// Why a proxy's refusal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::discovery) enum Ended {
    /// The proxy accepts what is made of the object now, or was told that what it refused is gone.
    Accepted,
    /// It may last: the proxy is no longer connected, refuses more than is kept, or does not say all
    /// that it refuses.
    Unknown,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::discovery) struct Refused {
    /// The proxy's pod, as `NAMESPACE/NAME`.
    pub pod: String,
    /// Why, in the proxy's words: text from outside, shortened.
    pub reason: String,
}
