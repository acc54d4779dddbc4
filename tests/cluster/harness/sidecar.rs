//! Which program is the sidecar of a test's pods.

use std::borrow::Cow;

use pillion_inject::yaml;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{cluster::Cluster, objects::sample};

/// What the pods of a namespace have beside their application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// The proxy, which the injector gives to each pod that says nothing.
    Proxy,
    /// A stock Envoy with its agent, whose image the pods ask for by the annotation.
    Envoy,
}

impl Sidecar {
    /// Envoy, whose image is loaded once for all tests.
    pub async fn envoy(cluster: &Cluster) -> Self {
        static LOADED: OnceCell<()> = OnceCell::const_new();
        LOADED.get_or_init(|| cluster.add_image("agent")).await;
        Self::Envoy
    }

    /// The objects of samples as they are to be applied; `None` if they are, as they are written.
    pub fn of_samples(self, files: &[&str]) -> Option<Vec<Value>> {
        if self == Self::Proxy {
            return None;
        }
        let texts: Vec<_> = files.iter().map(|file| sample(file)).collect();
        let documents = texts.iter().flat_map(|text| text.split("\n---\n"));
        let objects: Vec<_> = documents
            .map(|document| yaml::parse(document).unwrap_or_else(|error| panic!("{error}")))
            .collect();
        Some(self.of(&objects).into_owned())
    }

    /// The objects with what their pods say of the sidecar.
    pub fn of(self, objects: &[Value]) -> Cow<'_, [Value]> {
        if self == Self::Proxy {
            return objects.into();
        }
        let mut objects = objects.to_vec();
        for object in &mut objects {
            let pod = match object["kind"].as_str() {
                Some("Pod") => object,
                Some("Deployment") => &mut object["spec"]["template"],
                _ => continue,
            };
            let version = env!("CARGO_PKG_VERSION");
            let image = format!("docker.io/pillion/pillion-agent:{version}");
            pod["metadata"]["annotations"]["sidecar.istio.io/proxyImage"] = json!(image);
        }
        objects.into()
    }
}
