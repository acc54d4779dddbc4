//! Guards the pod's containers: its own parts of the injected ones, and the users
//! that the others run as.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{findings::Finding, guard::Guard, pod, quote, settings::Settings};

/// The fields that a user may set of the injection's init containers: they don't
/// change what these do.
const HARMLESS: [&str; 7] = [
    "name",
    "image", // `auto` or nothing
    "imagePullPolicy",
    "resizePolicy",
    "resources",
    "terminationMessagePath",
    "terminationMessagePolicy",
];

/// Where the API server mounts the service account's token, in every container,
/// before it calls webhooks.
const TOKEN_MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The one capability that Pod Security's restricted level lets a pod add. It does not
/// affect capture.
const HARMLESS_CAPABILITY: &str = "NET_BIND_SERVICE";

/// What was seen in one pass over all containers.
#[derive(Default)]
struct Seen<'a> {
    /// Fields of the pod's own `istio-init`.
    init: BTreeSet<&'a str>,
    /// Fields of the pod's own `istio-validation`.
    validation: BTreeSet<&'a str>,
    /// Fields of the pod's own `istio-proxy` that decide what runs.
    program: BTreeSet<&'static str>,
    /// Fields of the pod's own `istio-proxy` that give it rights.
    rights: BTreeSet<&'static str>,
    /// Containers that run as the proxy's user or group.
    exempt: Vec<&'a str>,
}

/// Looks at every container once.
pub(super) fn find(pod: &Value, settings: &Settings) -> Vec<Finding> {
    let has_applications = pod::has_applications(pod);
    let mut seen = Seen::default();
    for list in pod::CONTAINER_LISTS {
        for container in pod::array(&pod["spec"][list]) {
            match pod::name(container) {
                pod::INIT => seen.init.extend(overridden(container)),
                pod::VALIDATION => seen.validation.extend(overridden(container)),
                pod::PROXY => seen.proxy(container),
                name if has_applications && is_exempt(pod, container, settings) => {
                    seen.exempt.push(name);
                }
                _ => {}
            }
        }
    }
    seen.findings(settings)
}

impl Seen<'_> {
    fn proxy(&mut self, container: &Value) {
        if !pod::has_no_image(container) {
            self.program.insert("image");
        }
        for field in ["command", "args", "restartPolicy"] {
            if sets(field, &container[field]) {
                self.program.insert(field);
            }
        }
        let context = &container["securityContext"];
        let capabilities = &context["capabilities"];
        let rights = [
            ("privileged", context["privileged"] == true),
            (
                "allowPrivilegeEscalation",
                context["allowPrivilegeEscalation"] == true,
            ),
            (
                "capabilities.add",
                pod::array(&capabilities["add"])
                    .iter()
                    .any(|added| added != HARMLESS_CAPABILITY),
            ),
            (
                "capabilities.drop without ALL",
                capabilities["drop"]
                    .as_array()
                    .is_some_and(|dropped| !dropped.iter().any(|name| name == "ALL")),
            ),
        ];
        let given = rights.into_iter().filter(|(_, given)| *given);
        self.rights.extend(given.map(|(name, _)| name));
    }

    fn findings(self, settings: &Settings) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, fields) in [(pod::INIT, &self.init), (pod::VALIDATION, &self.validation)] {
            if !fields.is_empty() {
                findings.push(Finding::new(
                    Guard::InitContainerOverride,
                    format!(
                        "the pod's own container {name} sets {}",
                        quote::list(fields.iter().copied())
                    ),
                    "it may capture no traffic, and may run anything with NET_ADMIN and NET_RAW",
                ));
            }
        }
        findings.extend(self.proxy_findings(settings));
        if !self.exempt.is_empty() {
            findings.push(Finding::new(
                Guard::ApplicationAsProxyUser,
                format!(
                    "containers that run as the proxy's user or group {}: {}",
                    settings.capture_uid(),
                    quote::list(self.exempt.iter().copied())
                ),
                "capture exempts that user and group, so their traffic goes past the proxy",
            ));
        }
        findings
    }

    fn proxy_findings(&self, settings: &Settings) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |found: String, consequence: &str| {
            findings.push(Finding::new(
                Guard::ProxyContainerOverride,
                found,
                consequence,
            ));
        };
        if !self.program.is_empty() {
            let fields = quote::list(self.program.iter().copied());
            add(
                format!("the pod's own container {} sets {fields}", pod::PROXY),
                "the mesh's proxy may not run, and the traffic that is captured may go anywhere",
            );
        }
        if !self.rights.is_empty() {
            let fields = quote::list(self.rights.iter().copied());
            add(
                format!(
                    "the pod's own container {} has in its securityContext {fields}",
                    pod::PROXY
                ),
                "it gets rights that the proxy does without",
            );
        }
        if settings.uid == 0 {
            add(
                format!("the pod's own container {} has runAsUser: 0", pod::PROXY),
                "with the template's runAsNonRoot it does not start; without it, its own traffic is captured, because \
                 the capture rules exempt uid 1337; give it another uid",
            );
        }
        findings
    }
}

/// The fields of the user's part of an init container that are not harmless.
fn overridden(container: &Value) -> impl Iterator<Item = &str> {
    let fields = container.as_object().into_iter().flatten();
    fields
        .filter(|(name, value)| match name.as_str() {
            "image" => !pod::has_no_image(container),
            "volumeMounts" => pod::array(value).iter().any(|mount| !is_token(mount)),
            name => !HARMLESS.contains(&name) && sets(name, value),
        })
        .map(|(name, _)| name.as_str())
}

/// Whether a field replaces the template's and is not only there. An empty list of
/// arguments does.
fn sets(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty() || matches!(field, "command" | "args"),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

fn is_token(mount: &Value) -> bool {
    mount["mountPath"] == TOKEN_MOUNT && pod::name(mount).starts_with("kube-api-access-")
}

/// Whether a container runs as the user or the group that capture leaves alone.
/// istio-iptables exempts the group of the user's number.
fn is_exempt(pod: &Value, container: &Value, settings: &Settings) -> bool {
    let id = |key: &str| {
        let of_container = container["securityContext"][key].as_i64();
        of_container.or_else(|| pod["spec"]["securityContext"][key].as_i64())
    };
    let user = settings.capture_uid();
    id("runAsUser") == Some(user)
        || id("runAsGroup").is_some_and(|group| group != 0 && [user, settings.gid].contains(&group))
}
