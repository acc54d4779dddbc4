//! The store of traces in a cluster: Jaeger or Zipkin, behind the Service that Istio's users know.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{Api, Client, ResourceExt, api::ListParams};

use super::{
    id::TraceId,
    jaeger,
    span::Trace,
    zipkin::{self, Stored},
};
use crate::{
    cli::{json, port_forward, proxied_pod::PodName},
    text::printable,
};

/// The Service.
const SERVICE: &str = "tracing";
/// How many of a service's traces are looked at for the newest.
const LOOKED_AT: u32 = 20;
/// Jaeger answers with traces of the last two days by itself. In milliseconds.
const LOOK_BACK: u64 = 2 * 24 * 3_600_000;

/// A store.
pub(super) struct Backend {
    client: Client,
    pod: PodName,
    port: u16,
    kind: Kind,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jaeger,
    Zipkin,
}

impl Backend {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none in that namespace, or if it is neither Jaeger nor Zipkin.
    pub async fn find(client: Client, namespace: &str) -> anyhow::Result<Self> {
        let services: Api<Service> = Api::namespaced(client.clone(), namespace);
        let service = services.get_opt(SERVICE).await;
        let service =
            service.with_context(|| format!("cannot read the Service {namespace}/{SERVICE}"))?;
        let service = service.with_context(|| {
            format!(
                "there is no Service {namespace}/{SERVICE}, behind which the store of traces is: \
                 kubectl apply -f samples/addons/jaeger.yaml installs one, and -i names another namespace"
            )
        })?;
        let port = target_port(&service).with_context(|| {
            format!("the Service {namespace}/{SERVICE} has no port whose targetPort is a number")
        })?;
        // Without one, all pods of the namespace would be listed.
        let labels = selector(&service).with_context(|| {
            format!(
                "the Service {namespace}/{SERVICE} has no selector, so the pods behind it are not known: give it one, or \
                 save what the store answers and read the file with -f"
            )
        })?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let pods = pods.list(&ListParams::default().labels(&labels)).await;
        let pods = pods.with_context(|| format!("cannot list pods in {namespace}"))?;
        let pod = pods.items.iter().find(|pod| is_ready(pod));
        let pod = pod.with_context(|| {
            format!("no pod behind the Service {namespace}/{SERVICE} is ready: kubectl get pods -n {namespace}")
        })?;
        let pod = PodName {
            namespace: namespace.to_owned(),
            name: pod.name_any(),
        };
        let mut failures = Vec::new();
        for kind in [Kind::Jaeger, Kind::Zipkin] {
            match port_forward::get(&client, &pod, port, kind.services()).await {
                Ok(_) => {
                    return Ok(Self {
                        client,
                        pod,
                        port,
                        kind,
                    });
                }
                Err(error) => failures.push(crate::error_chain(error.as_ref())),
            }
        }
        bail!(
            "the pod {pod} answers neither as Jaeger nor as Zipkin: {}",
            failures.join("; ")
        );
    }

    /// The trace with this id; `None` if it has none.
    pub async fn trace(&self, id: &TraceId) -> anyhow::Result<Option<Trace>> {
        let path = match self.kind {
            Kind::Jaeger => format!("/jaeger/api/traces/{id}"),
            Kind::Zipkin => format!("/zipkin/api/v2/trace/{id}"),
        };
        let answer = match self.get(&path).await {
            Err(error) if port_forward::is_not_found(&error) => return Ok(None),
            answer => answer?,
        };
        Ok(match self.kind {
            Kind::Jaeger => self.jaeger(&answer)?.into_iter().next(),
            Kind::Zipkin => zipkin::trace(self.read::<Vec<Stored>>(&answer)?),
        })
    }

    /// The newest trace of a service in the last two days.
    pub async fn newest(&self, service: &str) -> anyhow::Result<Option<Trace>> {
        check(service)?;
        let path = match self.kind {
            Kind::Jaeger => {
                format!("/jaeger/api/traces?service={service}&limit={LOOKED_AT}")
            }
            Kind::Zipkin => format!(
                "/zipkin/api/v2/traces?serviceName={service}&limit={LOOKED_AT}&lookback={LOOK_BACK}"
            ),
        };
        let answer = self.get(&path).await?;
        let traces = match self.kind {
            Kind::Jaeger => self.jaeger(&answer)?,
            Kind::Zipkin => {
                let found: Vec<Vec<Stored>> = self.read(&answer)?;
                found.into_iter().filter_map(zipkin::trace).collect()
            }
        };
        Ok(traces.into_iter().max_by_key(Trace::start))
    }

    /// The services that it knows.
    pub async fn services(&self) -> anyhow::Result<BTreeSet<String>> {
        let answer = self.get(self.kind.services()).await?;
        #[derive(serde::Deserialize)]
        struct Data {
            data: Option<BTreeSet<String>>,
        }
        Ok(match self.kind {
            Kind::Jaeger => self.read::<Data>(&answer)?.data.unwrap_or_default(),
            Kind::Zipkin => self.read(&answer)?,
        })
    }

    fn jaeger(&self, answer: &[u8]) -> anyhow::Result<Vec<Trace>> {
        Ok(self.read::<jaeger::Answer>(answer)?.traces())
    }

    async fn get(&self, path: &str) -> anyhow::Result<hyper::body::Bytes> {
        port_forward::get(&self.client, &self.pod, self.port, path).await
    }

    fn read<T: serde::de::DeserializeOwned>(&self, answer: &[u8]) -> anyhow::Result<T> {
        let pod = &self.pod;
        json::parse(answer).with_context(|| format!("cannot read what the pod {pod} answers"))
    }
}

impl Kind {
    /// Where it lists the services that it knows.
    fn services(self) -> &'static str {
        match self {
            Self::Jaeger => "/jaeger/api/services",
            Self::Zipkin => "/zipkin/api/v2/services",
        }
    }
}

/// Checks the name of a service, which becomes part of a URL.
fn check(service: &str) -> anyhow::Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    if service.is_empty() || !service.chars().all(is_plain) {
        bail!("{:?} is no service's name", printable(service));
    }
    Ok(())
}

fn target_port(service: &Service) -> Option<u16> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?;
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(_)) => return None,
    };
    u16::try_from(number).ok()
}

/// The labels of its pods, if it says which.
fn selector(service: &Service) -> Option<String> {
    let selector = service
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.as_ref());
    let labels = selector.into_iter().flatten();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    (!labels.is_empty()).then(|| labels.join(","))
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: Value) -> Service {
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[test]
    fn a_service_leads_to_a_port_of_its_pods() {
        let of = |port: Value| target_port(&service(json!({"ports": [port]})));
        assert_eq!(of(json!({"port": 80, "targetPort": 16686})), Some(16686));
        assert_eq!(of(json!({"port": 9411})), Some(9411));
        assert_eq!(of(json!({"port": 80, "targetPort": "http"})), None);
        assert_eq!(target_port(&service(json!({}))), None);
        let labels = service(json!({"selector": {"app": "jaeger", "tier": "1"}}));
        assert_eq!(selector(&labels).as_deref(), Some("app=jaeger,tier=1"));
        for none in [json!({}), json!({"selector": {}})] {
            assert_eq!(selector(&service(none)), None);
        }
    }

    #[test]
    fn what_would_change_the_url_is_refused() {
        assert!(check("istio-ingressgateway.istio-system").is_ok());
        for text in ["", "a b", "a/../b", "a?b", "a&limit=1", "a\u{1b}"] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.ends_with("is no service's name"), "{error}");
        }
    }
}
