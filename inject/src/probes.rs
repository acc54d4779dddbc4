//! Leads the app's probes and hooks through the proxy.
//!
//! The kubelet's probes come without a certificate and from outside the mesh.
//! Each is pointed at the proxy's status port, which asks the app on its behalf;
//! what to ask goes to the proxy in `ISTIO_KUBE_APP_PROBERS`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    app_probes::{HANDLERS, HOOKS, KEPT_FIELDS, PROBES, hook_path, probe_path},
    draft::Draft,
    pod, proxy_env,
    refusal::Refusal,
    sizes,
};

/// How many probes that can't be rewritten are named.
const MAX_WARNINGS: usize = 20;

/// Rewrites the probes and hooks of every container except the injection's own. Where
/// a container starts before the proxy, its `startupProbe` and `postStart` stay: no
/// proxy would answer them.
///
/// A probe with a named port that its container does not have stays as it is (the
/// kubelet reports it); the warnings name it.
///
/// # Errors
///
/// When the probes are too large for an environment variable.
pub(crate) fn rewrite(draft: &mut Draft, status_port: u16) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    if status_port == 0 || !draft.has_container(pod::PROXY) {
        return Ok(warnings);
    }
    let mut probers = BTreeMap::new();
    let is_native = draft.has_native_proxy();
    let init = draft
        .init_containers
        .iter_mut()
        .map(|init| (init, !is_native));
    let containers = draft.containers.iter_mut().map(|app| (app, false));
    for (container, starts_before_the_proxy) in init.chain(containers) {
        if pod::is_own(container) {
            continue;
        }
        // The proxy, which they would ask, is not started until they have passed.
        let is_left =
            |field: &str| starts_before_the_proxy && ["startupProbe", "postStart"].contains(&field);
        let mut rewriter = Rewriter {
            container: pod::name(container).to_owned(),
            ports: named_ports(container),
            status_port,
            probers: &mut probers,
            warnings: &mut warnings,
        };
        for (field, segment) in PROBES {
            let path = probe_path(&rewriter.container, segment);
            if let Some(probe) = container.get_mut(field)
                && !is_left(field)
            {
                rewriter.rewrite(field, probe, path);
            }
        }
        for (field, segment) in HOOKS {
            let path = hook_path(&rewriter.container, segment);
            if let Some(hook) = container
                .get_mut("lifecycle")
                .and_then(|hooks| hooks.get_mut(field))
                && !is_left(field)
            {
                rewriter.rewrite(field, hook, path);
            }
        }
    }
    if !probers.is_empty()
        && let Some(proxy) = draft.container_mut(pod::PROXY)
    {
        let value = sizes::variable(proxy_env::APP_PROBERS, &probers)?;
        proxy_env::set(proxy, proxy_env::APP_PROBERS, &value);
    }
    Ok(warnings)
}

struct Rewriter<'a> {
    container: String,
    ports: Vec<(String, Value)>,
    status_port: u16,
    probers: &'a mut BTreeMap<String, Value>,
    warnings: &'a mut Vec<String>,
}

impl Rewriter<'_> {
    fn rewrite(&mut self, field: &str, probe: &mut Value, path: String) {
        let Some((kind, handler)) = HANDLERS.iter().find_map(|kind| {
            Some((
                *kind,
                probe.get(*kind).filter(|handler| handler.is_object())?,
            ))
        }) else {
            return;
        };
        if handler["port"].as_u64() == Some(self.status_port.into()) {
            return;
        }
        let mut original = handler.clone();
        let Some(port) = self.number(&original["port"]) else {
            if self.warnings.len() < MAX_WARNINGS {
                self.warnings.push(format!(
                "container {:?}: the port {} of its {field} is not one of its ports: the probe is left as it is, \
                 and will fail",
                self.container, original["port"]
            ));
            }
            return;
        };
        original["port"] = port;
        let mut through = json!({"path": path, "port": self.status_port});
        if kind == "httpGet" {
            for kept in KEPT_FIELDS {
                if let Some(value) = original.get(kept) {
                    through[kept] = value.clone();
                }
            }
        }
        let mut prober = json!({ kind: original });
        if let Some(timeout) = probe
            .get("timeoutSeconds")
            .filter(|timeout| !timeout.is_null())
        {
            prober["timeoutSeconds"] = timeout.clone();
        }
        self.probers.insert(path, prober);
        if let Some(fields) = probe.as_object_mut() {
            fields.remove(kind);
            fields.insert("httpGet".to_owned(), through);
        }
    }

    /// A port's number; a named one is looked up in the container.
    fn number(&self, port: &Value) -> Option<Value> {
        match port {
            Value::Number(_) => Some(port.clone()),
            Value::String(text) => match text.parse::<u16>() {
                Ok(number) => Some(json!(number)),
                Err(_) => {
                    let (_, number) = self.ports.iter().find(|(name, _)| name == text)?;
                    Some(number.clone())
                }
            },
            _ => None,
        }
    }
}

fn named_ports(container: &Value) -> Vec<(String, Value)> {
    pod::array(&container["ports"])
        .iter()
        .filter_map(|port| {
            let number = port.get("containerPort").filter(|port| port.is_u64())?;
            Some((port["name"].as_str()?.to_owned(), number.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(app: Value) -> (Value, Value, Vec<String>) {
        let mut draft = Draft::new(json!({"spec": {"containers": [app, {"name": "istio-proxy",
            "readinessProbe": {"httpGet": {"port": 15021, "path": "/healthz/ready"}}}]}}));
        let warnings = rewrite(&mut draft, 15020).unwrap();
        let probers = pod::array(&draft.containers[1]["env"])
            .first()
            .map_or(Value::Null, |env| {
                serde_json::from_str(env["value"].as_str().unwrap()).unwrap()
            });
        assert_eq!(
            draft.containers[1]["readinessProbe"]["httpGet"]["port"],
            15021
        );
        (draft.containers.remove(0), probers, warnings)
    }

    #[test]
    fn leads_every_kind_of_probe_through_the_proxy() {
        let (app, probers, _) = rewritten(
            json!({"name": "app", "ports": [{"name": "web", "containerPort": 80}],
            "readinessProbe": {"httpGet": {"port": "web", "path": "/r", "scheme": "HTTPS", "httpHeaders": [{"name": "a", "value": "b"}]}, "timeoutSeconds": 2, "periodSeconds": 9},
            "livenessProbe": {"tcpSocket": {"port": 81}},
            "startupProbe": {"grpc": {"port": 82, "service": "s"}}}),
        );
        assert_eq!(
            app["readinessProbe"],
            json!({"httpGet": {"port": 15020, "path": "/app-health/app/readyz", "httpHeaders": [{"name": "a", "value": "b"}]},
                   "timeoutSeconds": 2, "periodSeconds": 9})
        );
        assert_eq!(
            app["livenessProbe"],
            json!({"httpGet": {"port": 15020, "path": "/app-health/app/livez"}})
        );
        assert_eq!(
            app["startupProbe"],
            json!({"httpGet": {"port": 15020, "path": "/app-health/app/startupz"}})
        );
        assert_eq!(
            probers,
            json!({
                "/app-health/app/readyz": {"httpGet": {"port": 80, "path": "/r", "scheme": "HTTPS", "httpHeaders": [{"name": "a", "value": "b"}]}, "timeoutSeconds": 2},
                "/app-health/app/livez": {"tcpSocket": {"port": 81}},
                "/app-health/app/startupz": {"grpc": {"port": 82, "service": "s"}},
            })
        );
    }

    #[test]
    fn leads_lifecycle_hooks_through_the_proxy() {
        let (app, probers, _) = rewritten(json!({"name": "app", "lifecycle": {
            "preStop": {"httpGet": {"port": 80, "path": "/bye"}}, "postStart": {"exec": {"command": ["x"]}}}}));
        assert_eq!(
            app["lifecycle"],
            json!({"preStop": {"httpGet": {"port": 15020, "path": "/app-lifecycle/app/prestopz"}},
                   "postStart": {"exec": {"command": ["x"]}}})
        );
        assert_eq!(
            probers,
            json!({"/app-lifecycle/app/prestopz": {"httpGet": {"port": 80, "path": "/bye"}}})
        );
    }

    #[test]
    fn leaves_what_has_to_pass_before_a_classic_proxy_starts() {
        let probe = json!({"httpGet": {"port": 80}});
        let init = json!({"name": "db", "restartPolicy": "Always", "startupProbe": probe, "livenessProbe": probe,
            "lifecycle": {"postStart": probe, "preStop": probe}});
        let rewritten = |proxy_list: &str| {
            let mut pod = json!({"spec": {"initContainers": [init], "containers": []}});
            let list = pod["spec"][proxy_list].as_array_mut().unwrap();
            list.push(json!({"name": "istio-proxy"}));
            let mut draft = Draft::new(pod);
            rewrite(&mut draft, 15020).unwrap();
            let init = draft.init_containers.remove(0);
            [
                init["startupProbe"].clone(),
                init["lifecycle"]["postStart"].clone(),
                init["livenessProbe"].clone(),
                init["lifecycle"]["preStop"].clone(),
            ]
            .map(|probe| probe["httpGet"]["port"] == 15020)
        };
        assert_eq!(rewritten("containers"), [false, false, true, true]);
        assert_eq!(rewritten("initContainers"), [true; 4]);
    }

    #[test]
    fn leaves_exec_probes_alone() {
        let before = json!({"name": "app", "livenessProbe": {"exec": {"command": ["true"]}}});
        let (app, probers, warnings) = rewritten(before.clone());
        assert_eq!((app, probers, warnings), (before, Value::Null, vec![]));
    }

    #[test]
    fn leaves_a_probe_of_an_unknown_port_alone_and_warns() {
        let before = json!({"name": "app", "livenessProbe": {"httpGet": {"port": "wbe"}}});
        let (app, probers, warnings) = rewritten(before.clone());
        assert_eq!((app, probers), (before, Value::Null));
        assert!(warnings[0].contains("\"wbe\""), "{warnings:?}");
    }
}
