//! The kinds' CustomResourceDefinitions.

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
        CustomResourceDefinitionSpec, CustomResourceDefinitionVersion,
        CustomResourceSubresourceStatus, CustomResourceSubresources, CustomResourceValidation,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::{Value, json};

use crate::{not_built::MARK, object::Kind, schema};

/// Lets the API server keep what a schema does not know.
const KEEP_UNKNOWN: &str = "x-kubernetes-preserve-unknown-fields";

/// The definitions of all kinds, with Istio's names, versions and columns.
///
/// Their schemas have exact types and let unknown fields in: Kubernetes would drop these without
/// a word where a client does not ask for more, while [`crate::parse`] refuses them and says where
/// they belong. Objects that were written for a newer Istio stay as they are.
///
/// # Errors
///
/// If a schema is not in Kubernetes' form, which a test rules out.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    Kind::ALL.into_iter().map(crd).collect()
}

/// The definition of one kind.
fn crd(kind: Kind) -> Result<CustomResourceDefinition, serde_json::Error> {
    let schema: CustomResourceValidation =
        serde_json::from_value(json!({ "openAPIV3Schema": object_schema(kind) }))?;
    let version = |name: &&str| CustomResourceDefinitionVersion {
        name: (*name).to_owned(),
        served: true,
        storage: kind.versions().first() == Some(name),
        schema: Some(schema.clone()),
        additional_printer_columns: columns(kind),
        subresources: Some(CustomResourceSubresources {
            status: Some(CustomResourceSubresourceStatus(json!({}))),
            ..CustomResourceSubresources::default()
        }),
        ..CustomResourceDefinitionVersion::default()
    };
    let owned = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    Ok(CustomResourceDefinition {
        metadata: ObjectMeta {
            name: Some(format!("{}.{}", kind.plural(), kind.group())),
            ..ObjectMeta::default()
        },
        spec: CustomResourceDefinitionSpec {
            group: kind.group().to_owned(),
            names: CustomResourceDefinitionNames {
                kind: kind.name().to_owned(),
                list_kind: Some(format!("{}List", kind.name())),
                plural: kind.plural().to_owned(),
                singular: Some(kind.name().to_lowercase()),
                short_names: owned(&[short_name(kind)]),
                categories: owned(&["istio-io", &kind.group().replace('.', "-")]),
            },
            scope: "Namespaced".to_owned(),
            versions: kind.versions().iter().map(version).collect(),
            ..CustomResourceDefinitionSpec::default()
        },
        status: None,
    })
}

/// The short name, for `kubectl get`.
const fn short_name(kind: Kind) -> &'static str {
    match kind {
        Kind::VirtualService => "vs",
        Kind::DestinationRule => "dr",
        Kind::Gateway => "gw",
        Kind::ServiceEntry => "se",
        Kind::Telemetry => "telemetry",
        Kind::PeerAuthentication => "pa",
    }
}

/// The columns of `kubectl get`. With none, it shows the name and the age.
fn columns(kind: Kind) -> Option<Vec<CustomResourceColumnDefinition>> {
    let own: &[(&str, &str, &str)] = match kind {
        Kind::VirtualService => &[
            (
                "Gateways",
                ".spec.gateways",
                "The gateways that apply the routes",
            ),
            ("Hosts", ".spec.hosts", "The hosts that traffic is sent to"),
        ],
        Kind::DestinationRule => &[("Host", ".spec.host", "The service that the rule is for")],
        Kind::Gateway => return None,
        Kind::Telemetry => &[],
        Kind::PeerAuthentication => &[(
            "Mode",
            ".spec.mtls.mode",
            "What the pods' ports take: mutual TLS, plain text, or both",
        )],
        Kind::ServiceEntry => &[
            ("Hosts", ".spec.hosts", "The service's DNS names"),
            (
                "Location",
                ".spec.location",
                "Whether the service is part of the mesh",
            ),
            (
                "Resolution",
                ".spec.resolution",
                "How its endpoints' addresses are found",
            ),
        ],
    };
    let column =
        |name: &str, kind: &str, path: &str, description: &str| CustomResourceColumnDefinition {
            name: name.to_owned(),
            type_: kind.to_owned(),
            json_path: path.to_owned(),
            description: Some(description.to_owned()),
            ..CustomResourceColumnDefinition::default()
        };
    let age = column(
        "Age",
        "date",
        ".metadata.creationTimestamp",
        "When the object was created",
    );
    Some(
        own.iter()
            .map(|(name, path, description)| column(name, "string", path, description))
            .chain([age])
            .collect(),
    )
}

/// The schema of a whole object.
fn object_schema(kind: Kind) -> Value {
    let mut spec = kept(schema::of(kind));
    spec["description"] = json!(format!("What this {} asks for.", kind.name()));
    json!({
        "type": "object",
        KEEP_UNKNOWN: true,
        "properties": {
            "spec": spec,
            "status": { "type": "object", KEEP_UNKNOWN: true, "description": "What became of it." },
        },
    })
}

/// A schema in which every object may have unknown fields, without our marks.
fn kept(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut result = serde_json::Map::new();
            for (key, value) in fields.iter().filter(|(key, _)| *key != MARK) {
                let value = match key.as_str() {
                    "properties" => match value {
                        Value::Object(properties) => properties
                            .iter()
                            .map(|(name, schema)| (name.clone(), kept(schema)))
                            .collect(),
                        other => other.clone(),
                    },
                    "items" | "additionalProperties" => kept(value),
                    _ => value.clone(),
                };
                result.insert(key.clone(), value);
            }
            if result.contains_key("properties") {
                result.insert(KEEP_UNKNOWN.to_owned(), json!(true));
            }
            Value::Object(result)
        }
        other => other.clone(),
    }
}
