//! What requests say of their client's certificate: the field `x-forwarded-client-cert`.

/// What is done with the field of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ForwardClientCert {
    /// It is removed. Envoy's default.
    #[default]
    Sanitize,
    /// It passes if the client has proved who it is.
    ForwardOnly,
    /// The same, with the client itself behind it.
    AppendForward,
    /// The client itself takes its place.
    SanitizeSet,
    /// It passes, whoever the client is.
    AlwaysForwardOnly,
}

/// What is done with the field of a client, and what is said of the client itself: who it spoke to
/// and its certificate's hash in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClientCert {
    pub forward: ForwardClientCert,
    /// Its certificate's subject.
    pub subject: bool,
    /// Its certificate's URI.
    pub uri: bool,
}

impl ClientCert {
    /// The field is removed, and nothing is said.
    pub const NOTHING: Self = Self {
        forward: ForwardClientCert::Sanitize,
        subject: false,
        uri: false,
    };
}
