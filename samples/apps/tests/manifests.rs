//! What the manifests of `samples/` say fits together: the walk-through's weighted
//! experiment once failed because it didn't.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The objects of one sample, each with the file that it is in.
struct Sample {
    name: String,
    objects: Vec<(PathBuf, Value)>,
}

impl Sample {
    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects
            .iter()
            .map(|(_, object)| object)
            .filter(move |object| object["kind"] == kind)
    }

    fn containers(&self) -> impl Iterator<Item = &Value> {
        self.of_kind("Deployment")
            .flat_map(|deployment| list(&deployment["spec"]["template"]["spec"]["containers"]))
    }
}

fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut samples = Vec::new();
    for folder in fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let mut objects = Vec::new();
        collect(&folder, &mut objects);
        if !objects.is_empty() {
            samples.push(Sample {
                name: folder.file_name().unwrap().to_string_lossy().into_owned(),
                objects,
            });
        }
    }
    assert_eq!(samples.len(), 10);
    samples
}

/// Programs that others have made, with images of their own.
const ADDONS: &str = "addons";

fn own_samples() -> impl Iterator<Item = Sample> {
    samples().into_iter().filter(|sample| sample.name != ADDONS)
}

fn collect(path: &Path, objects: &mut Vec<(PathBuf, Value)>) {
    if path.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| collect(&entry.unwrap().path(), objects));
    } else if path
        .extension()
        .is_some_and(|extension| extension == "yaml")
    {
        for document in fs::read_to_string(path).unwrap().split("\n---\n") {
            let object: Value = serde_saphyr::from_str(document)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            for field in [
                &object["apiVersion"],
                &object["kind"],
                &object["metadata"]["name"],
            ] {
                assert!(field.is_string(), "{}", path.display());
            }
            objects.push((path.to_owned(), object));
        }
    }
}

/// Whether the binary has this application.
fn accepts(application: &str) -> bool {
    Command::new(env!("CARGO_BIN_EXE_pillion-samples"))
        .args(["help", application])
        .output()
        .unwrap()
        .status
        .success()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn labels(value: &Value) -> BTreeMap<&str, &str> {
    value
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect()
}

fn destinations(virtual_service: &Value) -> impl Iterator<Item = &Value> {
    ["http", "tcp"]
        .into_iter()
        .flat_map(|kind| list(&virtual_service["spec"][kind]))
        .flat_map(|rule| list(&rule["route"]))
}

#[test]
fn services_select_pods_and_reach_their_ports() {
    for sample in samples() {
        for service in sample.of_kind("Service") {
            let name = &service["metadata"]["name"];
            let selector = labels(&service["spec"]["selector"]);
            let selected: Vec<_> = sample
                .of_kind("Deployment")
                .map(|deployment| &deployment["spec"]["template"])
                .filter(|template| {
                    let labels = labels(&template["metadata"]["labels"]);
                    selector
                        .iter()
                        .all(|(label, value)| labels.get(label) == Some(value))
                })
                .collect();
            assert!(
                !selected.is_empty(),
                "{}: {name} selects no pod",
                sample.name
            );
            for port in list(&service["spec"]["ports"]) {
                let protocol = port["name"].as_str().unwrap().split('-').next().unwrap();
                assert!(
                    ["http", "grpc", "tcp"].contains(&protocol),
                    "{}: {name}",
                    sample.name
                );
                let target = if port["targetPort"].is_null() {
                    &port["port"]
                } else {
                    &port["targetPort"]
                };
                for container in selected
                    .iter()
                    .flat_map(|template| list(&template["spec"]["containers"]))
                {
                    // The client listens nowhere; its Service gives it a name.
                    if let Some(ports) = container["ports"].as_array() {
                        assert!(
                            ports.iter().any(|port| port["containerPort"] == *target),
                            "{}: {name}",
                            sample.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn containers_are_the_samples_image_with_few_rights() {
    let image = format!("docker.io/pillion/samples:{}", env!("CARGO_PKG_VERSION"));
    for sample in own_samples() {
        for container in sample.containers() {
            assert_eq!(container["image"], image);
            assert_few_rights(container);
            let command: Vec<_> = list(&container["command"])
                .map(|word| word.as_str().unwrap())
                .collect();
            assert_eq!(command[0], "pillion-samples");
            assert!(accepts(command[1]), "{command:?}");
        }
    }
}

fn assert_few_rights(container: &Value) {
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    let rights = &container["securityContext"];
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(
        (&rights["runAsNonRoot"], &rights["readOnlyRootFilesystem"]),
        (&true.into(), &true.into())
    );
    assert_eq!(rights["capabilities"]["drop"][0], "ALL");
    assert_eq!(rights["seccompProfile"]["type"], "RuntimeDefault");
}

#[test]
fn addons_have_a_pinned_version_few_rights_and_no_sidecar() {
    let mut samples = samples().into_iter();
    let addons = samples.find(|sample| sample.name == ADDONS).unwrap();
    for container in addons.containers() {
        let image = container["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert!(
            tag.starts_with(|first: char| first.is_ascii_digit()),
            "{image}"
        );
        assert_few_rights(container);
    }
    for deployment in addons.of_kind("Deployment") {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["sidecar.istio.io/inject"], "false");
    }
    // Where proxies send spans to, and where people look for them.
    let services: Vec<_> = addons.of_kind("Service").collect();
    for (name, port) in [("zipkin", 9411), ("tracing", 80)] {
        let named: Vec<_> = services
            .iter()
            .filter(|service| service["metadata"]["name"] == name)
            .collect();
        assert_eq!(named.len(), 2, "one of Jaeger's, one of Zipkin's: {name}");
        for service in named {
            assert_eq!(service["metadata"]["namespace"], "istio-system");
            assert_eq!(service["spec"]["ports"][0]["port"], port);
        }
    }
}

#[test]
fn deployments_select_the_pods_that_they_make() {
    for sample in samples() {
        for deployment in sample.of_kind("Deployment") {
            let spec = &deployment["spec"];
            let mut of_pods = spec["template"]["metadata"]["labels"].clone();
            // It is for the injector.
            of_pods
                .as_object_mut()
                .unwrap()
                .remove("sidecar.istio.io/inject");
            assert_eq!(spec["selector"]["matchLabels"], of_pods, "{}", sample.name);
            if let Some(account) = spec["template"]["spec"]["serviceAccountName"].as_str() {
                assert!(
                    sample
                        .of_kind("ServiceAccount")
                        .any(|object| object["metadata"]["name"] == account),
                    "{account}"
                );
            }
        }
    }
}

#[test]
fn routes_lead_to_services_and_subsets_that_exist() {
    for sample in samples() {
        for virtual_service in sample.of_kind("VirtualService") {
            let name = &virtual_service["metadata"]["name"];
            for destination in destinations(virtual_service).map(|route| &route["destination"]) {
                let host = &destination["host"];
                assert!(
                    sample
                        .of_kind("Service")
                        .any(|service| service["metadata"]["name"] == *host),
                    "{name}: {host}"
                );
                if let subset @ Value::String(_) = &destination["subset"] {
                    let mut subsets = sample
                        .of_kind("DestinationRule")
                        .filter(|rule| rule["spec"]["host"] == *host)
                        .flat_map(|rule| list(&rule["spec"]["subsets"]));
                    assert!(
                        subsets.any(|defined| defined["name"] == *subset),
                        "{name}: {host} {subset}"
                    );
                }
            }
            for gateway in
                list(&virtual_service["spec"]["gateways"]).filter(|gateway| *gateway != "mesh")
            {
                assert!(
                    sample
                        .of_kind("Gateway")
                        .any(|object| object["metadata"]["name"] == *gateway),
                    "{name}: {gateway}"
                );
            }
        }
    }
}

#[test]
fn weights_of_a_route_make_a_hundred() {
    for sample in samples() {
        for virtual_service in sample.of_kind("VirtualService") {
            for rule in ["http", "tcp"]
                .into_iter()
                .flat_map(|kind| list(&virtual_service["spec"][kind]))
            {
                let weights: Vec<_> = list(&rule["route"])
                    .filter_map(|route| route["weight"].as_u64())
                    .collect();
                assert!(
                    weights.is_empty() || weights.iter().sum::<u64>() == 100,
                    "{}",
                    virtual_service["metadata"]["name"]
                );
            }
        }
    }
}

#[test]
fn subsets_select_labels_of_pods() {
    for sample in samples() {
        for rule in sample.of_kind("DestinationRule") {
            for subset in list(&rule["spec"]["subsets"]) {
                let wanted = labels(&subset["labels"]);
                let host = rule["spec"]["host"].as_str().unwrap();
                assert!(
                    sample.of_kind("Deployment").any(|deployment| {
                        let labels = labels(&deployment["spec"]["template"]["metadata"]["labels"]);
                        labels["app"] == host
                            && wanted
                                .iter()
                                .all(|(label, value)| labels.get(label) == Some(value))
                    }),
                    "{host}: {wanted:?}"
                );
            }
        }
    }
}
