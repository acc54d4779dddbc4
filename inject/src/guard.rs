//! The guards against bypasses of the mesh, by name.

/// A way past the proxy that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// The pod's own `istio-init` or `istio-validation` sets more than resources.
    InitContainerOverride,
    /// The pod's own `istio-proxy` runs something else, or with other rights.
    ProxyContainerOverride,
    /// The pod chooses the proxy's control plane, certificate authority or identity.
    ProxyIdentityOverride,
    /// The pod chooses the proxy's image.
    ProxyImageOverride,
    /// A container runs as the user or the group that capture exempts.
    ApplicationAsProxyUser,
    /// The pod asks for templates that capture nothing.
    TemplatesWithoutCapture,
    /// The pod excludes its traffic from capture.
    CaptureExclusion,
    /// The pod switches capture off.
    InterceptionModeNone,
    /// An annotation adds a volume of the node's files.
    UserVolumeHostPath,
}

impl Guard {
    /// Every guard, in the order in which findings are reported.
    pub const ALL: [Self; 9] = [
        Self::InitContainerOverride,
        Self::ProxyContainerOverride,
        Self::ProxyIdentityOverride,
        Self::ProxyImageOverride,
        Self::ApplicationAsProxyUser,
        Self::TemplatesWithoutCapture,
        Self::CaptureExclusion,
        Self::InterceptionModeNone,
        Self::UserVolumeHostPath,
    ];

    /// Its name, as a value of the chart and as the label of a metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InitContainerOverride => "initContainerOverride",
            Self::ProxyContainerOverride => "proxyContainerOverride",
            Self::ProxyIdentityOverride => "proxyIdentityOverride",
            Self::ProxyImageOverride => "proxyImageOverride",
            Self::ApplicationAsProxyUser => "applicationAsProxyUser",
            Self::TemplatesWithoutCapture => "templatesWithoutCapture",
            Self::CaptureExclusion => "captureExclusion",
            Self::InterceptionModeNone => "interceptionModeNone",
            Self::UserVolumeHostPath => "userVolumeHostPath",
        }
    }

    /// Whether it refuses pods when the values don't configure it.
    pub(crate) fn refuses_by_default(self) -> bool {
        self == Self::InitContainerOverride
    }
}

/// What was done about a pod that a guard found something on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It was injected, with a warning.
    Warned,
    /// It was denied.
    Refused,
}

impl Action {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Warned, Self::Refused];

    /// Its name, as the label of a metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Refused => "refused",
        }
    }
}

/// A guard that found something on a pod. There is one for each guard, however
/// much it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bypass {
    /// The guard.
    pub guard: Guard,
    /// What was done about it.
    pub action: Action,
}
