//! Objects of Istio's kinds as they are listed and watched: their text, and of their metadata what is
//! needed to say which they are. A page of a list has many, of which each could take a hundred times
//! its text once it is read; so they are read one by one, and only if they are for this revision.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::{
    Resource,
    api::{ApiResource, DynamicObject},
    core::{DynamicResourceScope, TypeMeta},
};
use pillion_api::admission;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// An object that has not been read.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    types: Option<TypeMeta>,
    metadata: ObjectMeta,
    text: Arc<[u8]>,
}

/// What is read of every object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

/// The metadata that is read of every object.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    generation: Option<i64>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
}

impl Listed {
    /// The object without its spec and status.
    pub fn head(&self) -> DynamicObject {
        DynamicObject {
            types: self.types.clone(),
            metadata: self.metadata.clone(),
            data: Value::Null,
        }
    }

    /// Reads the object.
    ///
    /// # Errors
    ///
    /// Returns an error if it would take too much memory, or is none.
    pub fn read(&self) -> Result<DynamicObject, String> {
        if admission::is_too_large(&self.text) {
            return Err(format!(
                "it is too large: reading it would take more than {} MiB",
                admission::LARGEST_OBJECT >> 20
            ));
        }
        serde_json::from_slice(&self.text).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = Vec::new();
        Copy(&mut text).deserialize(deserializer)?;
        let head: Head = serde_json::from_slice(&text).map_err(D::Error::custom)?;
        let metadata = head.metadata;
        Ok(Self {
            types: Some(TypeMeta {
                api_version: head.api_version,
                kind: head.kind,
            }),
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                generation: metadata.generation,
                resource_version: metadata.resource_version,
                creation_timestamp: metadata.creation_timestamp,
                labels: metadata.labels,
                ..ObjectMeta::default()
            },
            text: text.into(),
        })
    }
}

impl Resource for Listed {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(resource)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(resource)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(resource)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(resource)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Writes a value as JSON while it is read, and keeps nothing else of it.
struct Copy<'a>(&'a mut Vec<u8>);

impl Copy<'_> {
    fn write<E: Error>(self, value: &impl serde::Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Copy<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Copy<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.write(&value)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.write(&())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let start = self.0.len();
        loop {
            let end = self.0.len();
            if end > start {
                self.0.push(b',');
            }
            if elements.next_element_seed(Copy(self.0))?.is_none() {
                self.0.truncate(end);
                break;
            }
        }
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let start = self.0.len();
        while let Some(name) = fields.next_key::<String>()? {
            if self.0.len() > start {
                self.0.push(b',');
            }
            Copy(self.0).write::<A::Error>(&name)?;
            self.0.push(b':');
            fields.next_value_seed(Copy(self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kube::{
        ResourceExt,
        core::{ObjectList, WatchEvent},
    };
    use serde_json::json;

    use super::*;

    fn object(spec: &Value) -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
            "metadata": {"name": "a", "namespace": "shop", "generation": 3, "uid": "u",
                "labels": {"istio.io/rev": "x"}, "annotations": {"b": "\"c\\"},
                "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"fieldsV1": {}}]},
            "spec": spec, "status": {"numbers": [1, -1, 0.5, true, null, [], {}]},
        })
    }

    #[test]
    fn a_list_and_an_event_have_objects_that_are_read_later() {
        let object = object(&json!({"servers": []}));
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [object]});
        let list: ObjectList<Listed> = serde_json::from_str(&list.to_string()).unwrap();
        let event = format!("{{\"type\":\"ADDED\",\"object\":{object}}}");
        let WatchEvent::Added(added) = serde_json::from_str::<WatchEvent<Listed>>(&event).unwrap()
        else {
            panic!()
        };
        for listed in [&list.items[0], &added] {
            assert_eq!(listed.name_any(), "a");
            assert_eq!(listed.labels()["istio.io/rev"], "x");
            let read = listed.read().unwrap();
            let again = serde_json::to_value(&read).unwrap();
            assert_eq!(again["spec"], object["spec"]);
            assert_eq!(again["status"], object["status"]);
            assert_eq!(read.annotations()["b"], "\"c\\");
            let head = listed.head();
            assert_eq!(head.metadata.generation, Some(3));
            assert_eq!(head.types, read.types);
        }
    }

    /// 1.45 MB of such objects took 145 MB.
    #[test]
    fn an_object_that_unfolds_is_not_read() {
        let maps = vec![json!({"": 0}); 200_000];
        let text = object(&json!({ "x": maps })).to_string();
        let listed: Listed = serde_json::from_str(&text).unwrap();
        assert_eq!(listed.name_any(), "a");
        assert!(listed.text.len() <= text.len());
        let refusal = listed.read().unwrap_err();
        assert!(refusal.contains("too large"), "{refusal}");
    }
}
