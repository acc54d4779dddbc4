//! Envoy's response flags: what was remarkable about a request or a connection.

use std::fmt;

macro_rules! flags {
    ($($variant:ident = $short:literal $long:literal,)*) => {
        /// One response flag, by Envoy's name. The order is that in a text. It is Envoy's but for
        /// `URX`, which Envoy writes before the reason of the last attempt.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(dead_code, reason = "some belong to features that are not built yet")]
        pub(crate) enum ResponseFlag {
            $(#[doc = concat!("`", $short, "`: ", $long, ".")] $variant,)*
        }

        /// Each flag's short name and its long one.
        const NAMES: &[(&str, &str)] = &[$(($short, $long),)*];
    };
}

flags! {
    FailedLocalHealthCheck = "LH" "FailedLocalHealthCheck",
    UpstreamRetryLimitExceeded = "URX" "UpstreamRetryLimitExceeded",
    NoHealthyUpstream = "UH" "NoHealthyUpstream",
    UpstreamRequestTimeout = "UT" "UpstreamRequestTimeout",
    LocalReset = "LR" "LocalReset",
    UpstreamRemoteReset = "UR" "UpstreamRemoteReset",
    UpstreamConnectionFailure = "UF" "UpstreamConnectionFailure",
    UpstreamConnectionTermination = "UC" "UpstreamConnectionTermination",
    UpstreamOverflow = "UO" "UpstreamOverflow",
    NoRouteFound = "NR" "NoRouteFound",
    DelayInjected = "DI" "DelayInjected",
    FaultInjected = "FI" "FaultInjected",
    RateLimited = "RL" "RateLimited",
    UnauthorizedExternalService = "UAEX" "UnauthorizedExternalService",
    RateLimitServiceError = "RLSE" "RateLimitServiceError",
    DownstreamConnectionTermination = "DC" "DownstreamConnectionTermination",
    StreamIdleTimeout = "SI" "StreamIdleTimeout",
    InvalidEnvoyRequestHeaders = "IH" "InvalidEnvoyRequestHeaders",
    DownstreamProtocolError = "DPE" "DownstreamProtocolError",
    UpstreamMaxStreamDurationReached = "UMSDR" "UpstreamMaxStreamDurationReached",
    ResponseFromCacheFilter = "RFCF" "ResponseFromCacheFilter",
    NoFilterConfigFound = "NFCF" "NoFilterConfigFound",
    DurationTimeout = "DT" "DurationTimeout",
    UpstreamProtocolError = "UPE" "UpstreamProtocolError",
    NoClusterFound = "NC" "NoClusterFound",
    OverloadManager = "OM" "OverloadManagerTerminated",
    DnsResolutionFailed = "DF" "DnsResolutionFailed",
    DropOverload = "DO" "DropOverload",
    DownstreamRemoteReset = "DR" "DownstreamRemoteReset",
    UnconditionalDropOverload = "UDO" "UnconditionalDropOverload",
}

/// A set of response flags. It is written as the short names with commas between them, or `-`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct ResponseFlags(u32);

impl ResponseFlags {
    /// Nothing remarkable.
    pub const NONE: Self = Self(0);

    /// Adds a flag.
    pub fn insert(&mut self, flag: ResponseFlag) {
        self.0 |= 1 << flag as u32;
    }

    /// Whether the flag is in it.
    #[cfg(test)]
    pub fn contains(self, flag: ResponseFlag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }

    /// The flags of both.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The short names, in Envoy's order.
    pub fn short_names(self) -> impl Iterator<Item = &'static str> {
        self.names().map(|(short, _)| short)
    }

    /// The long names, in Envoy's order.
    pub fn long_names(self) -> impl Iterator<Item = &'static str> {
        self.names().map(|(_, long)| long)
    }

    fn names(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = NAMES.iter().enumerate();
        let set = all.filter(move |(at, _)| self.0 & (1 << at) != 0);
        set.map(|(_, names)| *names)
    }
}

impl From<ResponseFlag> for ResponseFlags {
    fn from(flag: ResponseFlag) -> Self {
        let mut flags = Self::default();
        flags.insert(flag);
        flags
    }
}

impl fmt::Display for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("-");
        }
        for (at, name) in self.short_names().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_in_envoy_s_order() {
        let mut flags = ResponseFlags::default();
        assert_eq!(flags.to_string(), "-");
        flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
        flags.insert(ResponseFlag::UpstreamConnectionFailure);
        assert_eq!(flags.to_string(), "URX,UF");
        assert!(flags.contains(ResponseFlag::UpstreamConnectionFailure));
        assert!(!flags.contains(ResponseFlag::NoRouteFound));
        let long: Vec<_> = flags.long_names().collect();
        let names = ["UpstreamRetryLimitExceeded", "UpstreamConnectionFailure"];
        assert_eq!(long, names);
    }

    #[test]
    fn the_last_flag_has_a_place() {
        let flags = ResponseFlags::from(ResponseFlag::UnconditionalDropOverload);
        assert_eq!(flags.to_string(), "UDO");
        let both = flags.union(ResponseFlag::FailedLocalHealthCheck.into());
        assert_eq!(both.to_string(), "LH,UDO");
    }
}
