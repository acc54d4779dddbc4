//! The begin of a review that is too large to be read: API servers write whom they ask about before
//! the objects.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor},
};

use super::answer::Subject;

/// How many bytes of a review are looked at. The fields before the user and the objects take about a
/// kilobyte.
pub(super) const LONGEST: usize = 4 << 10;
/// The longest `uid`; API servers' have 36 characters.
const LONGEST_UID: usize = 128;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Begin {
    kind: String,
    api_version: String,
    uid: String,
    of: GroupKind,
    sub_resource: String,
    name: String,
    namespace: String,
    operation: String,
}

#[derive(Debug, Default, Deserialize)]
struct GroupKind {
    kind: String,
}

impl Begin {
    /// Reads the begin of a review that asks whether an object may be written; `None` for anything else.
    pub fn of(review: &[u8]) -> Option<Self> {
        let begin = review.get(..LONGEST).unwrap_or(review);
        let mut read = Self::default();
        // The text ends somewhere, and so this always fails: what counts is what was read before.
        let _ = Envelope(&mut read).deserialize(&mut serde_json::Deserializer::from_slice(begin));
        let is_write = matches!(read.operation.as_str(), "" | "CREATE" | "UPDATE");
        let is_uid = (1..=LONGEST_UID).contains(&read.uid.len());
        (is_uid && is_write && read.sub_resource.is_empty()).then_some(read)
    }

    pub fn uid(&self) -> &str {
        &self.uid
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject {
            kind: &self.of.kind,
            namespace: &self.namespace,
            name: &self.name,
        }
    }
}

/// Reads an `AdmissionReview`, whose version comes before the request.
struct Envelope<'a>(&'a mut Begin);

impl<'de> DeserializeSeed<'de> for Envelope<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let read = self.0;
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "kind" => read.kind = fields.next_value()?,
                "apiVersion" => read.api_version = fields.next_value()?,
                "request"
                    if read.kind == "AdmissionReview"
                        && read.api_version == "admission.k8s.io/v1" =>
                {
                    fields.next_value_seed(Request(&mut *read))?;
                }
                _ => return Err(A::Error::custom("no review of an API server")),
            }
        }
        Ok(())
    }
}

/// Reads a request, whose `uid` comes first.
struct Request<'a>(&'a mut Begin);

impl<'de> DeserializeSeed<'de> for Request<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the request of an AdmissionReview")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let read = self.0;
        let mut is_first = true;
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "uid" if is_first => read.uid = fields.next_value()?,
                _ if is_first => return Err(A::Error::custom("no request of an API server")),
                "kind" => read.of = fields.next_value()?,
                "subResource" => read.sub_resource = fields.next_value()?,
                "name" => read.name = fields.next_value()?,
                "namespace" => read.namespace = fields.next_value()?,
                "operation" => read.operation = fields.next_value()?,
                "resource" | "requestKind" | "requestResource" | "requestSubResource" => {
                    fields.next_value::<IgnoredAny>()?;
                }
                // The user and the objects come last.
                _ => return Err(A::Error::custom("enough is known")),
            }
            is_first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1-2","kind":{"group":"networking.istio.io","version":"v1","kind":"VirtualService"},"resource":{"group":"networking.istio.io","version":"v1","resource":"virtualservices"},"requestKind":{},"requestResource":{},"name":"big","namespace":"shop","operation":"CREATE","userInfo":{"username":"#;

    #[test]
    fn reads_whom_a_review_is_about() {
        let begin = Begin::of(HEAD.as_bytes()).unwrap();
        assert_eq!(begin.uid(), "1-2");
        assert_eq!(begin.subject().to_string(), "VirtualService shop/big");
        // However little came.
        let cut = HEAD.find("\"kind\":{").unwrap();
        let begin = Begin::of(&HEAD.as_bytes()[..cut]).unwrap();
        assert_eq!(begin.subject().to_string(), "the object");
    }

    #[test]
    fn takes_nothing_that_no_api_server_writes() {
        for (from, to) in [
            ("AdmissionReview", "ConversionReview"),
            ("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
            ("\"request\":{", "\"request\":{\"name\":\"big\","),
            ("\"uid\":\"1-2\"", "\"uid\":\"\""),
            ("\"uid\":\"1-2\"", "\"uid\":1"),
            ("CREATE", "DELETE"),
            (
                "\"name\":\"big\"",
                "\"name\":\"big\",\"subResource\":\"status\"",
            ),
        ] {
            let text = HEAD.replacen(from, to, 1);
            assert_ne!(text, HEAD, "{from}");
            assert!(Begin::of(text.as_bytes()).is_none(), "{text}");
        }
        let long = HEAD.replace("1-2", &"1".repeat(LONGEST_UID + 1));
        assert!(Begin::of(long.as_bytes()).is_none());
        let spaces = format!("{}{HEAD}", " ".repeat(LONGEST));
        assert!(Begin::of(spaces.as_bytes()).is_none());
        // The uid is not complete.
        let cut = HEAD.find("-2\"").unwrap();
        assert!(Begin::of(&HEAD.as_bytes()[..cut]).is_none());
    }
}
