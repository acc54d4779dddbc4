//! Guards against what makes an injection pointless: a pod that comes out as
//! injected, while its traffic is not captured, its proxy does not run as it
//! should, or it gets rights that are not meant for it.
//!
//! Istio permits all of it. Each is told to the user and counted, and refused
//! where the chart's value `sidecarInjectorWebhook.guards.NAME` says so. What is
//! found is what the pod declares: that its own containers run as root, or that an
//! image has the proxy's user, is not seen here.

mod containers;
mod proxy;
mod ranges;
mod traffic;

use std::fmt::{self, Write};

use serde_json::Value;

use super::{Config, Refusal, draft::Draft, pod, settings::Settings};

/// A way past the proxy that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// The pod's own `istio-init` or `istio-validation` sets more than resources.
    InitContainerOverride,
    /// The pod's own `istio-proxy` runs something else, or with other rights.
    ProxyContainerOverride,
    /// The proxy's control plane, certificate authority or identity is the pod's choice.
    ProxyIdentityOverride,
    /// The proxy's image is the pod's choice.
    ProxyImageOverride,
    /// A container runs as the user or the group that capture exempts.
    ApplicationAsProxyUser,
    /// The pod asks for templates that capture nothing.
    TemplatesWithoutCapture,
    /// The pod excludes its traffic from capture.
    CaptureExclusion,
    /// The pod switches capture off.
    InterceptionModeNone,
    /// A volume of the node's files comes by annotation.
    UserVolumeHostPath,
}

impl Guard {
    /// Every guard, in the order in which findings are told.
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

    /// Whether it refuses where the values say nothing.
    pub(super) fn refuses_by_default(self) -> bool {
        self == Self::InitContainerOverride
    }
}

/// What became of a pod that a guard found something on.
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
    /// Which one.
    pub guard: Guard,
    /// What was done about it.
    pub action: Action,
}

/// What the guards found on one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    refused: Vec<Finding>,
    warned: Vec<Finding>,
}

/// One thing that was found, as a sentence of two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    guard: Guard,
    found: String,
    consequence: String,
}

/// Looks at a pod whose annotations have been checked, and at what the templates
/// that it asked for come to.
///
/// # Errors
///
/// [`Refusal::Guarded`] where a guard that refuses found something.
pub(super) fn check(
    config: &Config,
    pod: &Value,
    settings: &Settings,
    template: &Draft,
) -> Result<Findings, Refusal> {
    let mut all = containers::find(pod, settings);
    all.extend(proxy::find(config, pod, settings));
    if has_applications(pod) {
        all.extend(traffic::find(config, pod, settings, template));
    }
    all.sort_by_key(|finding| finding.guard);
    let (refused, warned) = all
        .into_iter()
        .partition(|finding| config.values.guards.refuses(finding.guard));
    let findings = Findings { refused, warned };
    if findings.refused.is_empty() {
        Ok(findings)
    } else {
        Err(Refusal::Guarded(findings))
    }
}

impl Findings {
    /// What is let pass, for the review's `warnings`.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warned.iter().map(Finding::to_string).collect()
    }

    /// Each guard that found something, once.
    #[must_use]
    pub fn bypasses(&self) -> Vec<Bypass> {
        let mut all: Vec<_> = [
            (&self.refused, Action::Refused),
            (&self.warned, Action::Warned),
        ]
        .into_iter()
        .flat_map(|(findings, action)| {
            findings.iter().map(move |finding| Bypass {
                guard: finding.guard,
                action,
            })
        })
        .collect();
        all.dedup();
        all
    }
}

/// What is refused, all of it, and what would allow it.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.refused.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(
                f,
                "{finding} (the chart's value sidecarInjectorWebhook.guards.{}=false allows it)",
                finding.guard.as_str()
            )?;
        }
        Ok(())
    }
}

impl Finding {
    fn new(guard: Guard, found: impl Into<String>, consequence: impl Into<String>) -> Self {
        Self {
            guard,
            found: found.into(),
            consequence: consequence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.found, self.consequence)
    }
}

/// Whether anything but the proxy runs for as long as the pod does. A gateway has
/// nothing whose traffic could be captured.
fn has_applications(pod: &Value) -> bool {
    let is_app = |container: &Value| {
        ![pod::PROXY, pod::INIT, pod::VALIDATION].contains(&pod::name(container))
    };
    let sidecars = pod::array(&pod["spec"]["initContainers"])
        .iter()
        .filter(|container| container["restartPolicy"] == "Always");
    pod::app_containers(pod).chain(sidecars).any(is_app)
}

/// So many of a list are named.
const NAMED: usize = 5;
/// And so many bytes of it: the API server cuts a warning to 256.
const ROOM: usize = 100;
/// What a text of the pod is cut to in a message: names are no longer.
const LONGEST: usize = 63;

/// A list for people, cut to what a message can bear.
fn listed<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut more = 0;
    for (index, item) in items.into_iter().enumerate() {
        let item = shortened(item);
        if index == 0 {
            text = item;
        } else if more == 0 && index < NAMED && text.len() + item.len() <= ROOM {
            text.push_str(", ");
            text.push_str(&item);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        // A String takes every write.
        let _ = write!(text, " and {more} more");
    }
    text
}

/// A text of the pod that is fit for a message.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
