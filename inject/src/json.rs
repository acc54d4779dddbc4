//! Reads JSON from outside within a limit of memory.
//!
//! JSON that is short on the wire is large once it is read: `{"a":0}` is an entry
//! of a map with room for ten more. So a [`Plan`] says which parts of a document
//! are read at all, and an [`Account`] is charged for each of them before it is
//! built. The rest is skipped by its structure: only its brackets and quotes are
//! checked to match.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use crate::quote;

/// A value in a list: the list's buffer may be twice as large as its elements.
const ELEMENT: usize = 2 * size_of::<Value>();
/// The most that the allocator adds to a string.
const STRING: usize = 16;
/// A node of a map: room for eleven members.
const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 64;
/// The fewest members of a node when the next one is allocated.
const MEMBERS: usize = 6;

/// Bytes of memory that a document may take once it is read.
#[derive(Debug)]
pub struct Account {
    limit: usize,
    used: Cell<usize>,
}

impl Account {
    /// An account with a limit in bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Cell::new(0),
        }
    }

    /// Whether the document needs more memory than the limit. What was read of it is
    /// then incomplete.
    pub fn is_exceeded(&self) -> bool {
        self.used.get() > self.limit
    }

    fn charge(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_add(bytes));
    }

    fn member(&self, members: usize, key: &str) {
        let node = if members.is_multiple_of(MEMBERS) {
            NODE
        } else {
            0
        };
        self.charge(node + key.len() + STRING);
    }
}

/// Which parts of a document are read.
pub trait Plan: Copy {
    /// The account that the value is charged to.
    fn account(&self) -> &Account;

    /// The plan for a member, if the value is an object; `None` skips the member.
    /// `read` holds the members before it.
    fn member(self, key: &str, read: &Map<String, Value>) -> Option<Self>;

    /// The plan for the elements, if the value is a list.
    fn element(self) -> Self;
}

/// Reads everything.
#[derive(Debug, Clone, Copy)]
pub struct Everything<'a>(pub(crate) &'a Account);

impl Plan for Everything<'_> {
    fn account(&self) -> &Account {
        self.0
    }

    fn member(self, _: &str, _: &Map<String, Value>) -> Option<Self> {
        Some(self)
    }

    fn element(self) -> Self {
        self
    }
}

/// Reads a document as far as the plan and its accounts allow.
///
/// # Errors
///
/// When what is read is not JSON, is nested deeper than 127 levels, or has a duplicate key
/// in an object: parsers differ on which one counts.
pub fn read<P: Plan>(json: &[u8], plan: P) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Seed(plan).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Seed<P>(P);

impl<'de, P: Plan> DeserializeSeed<'de> for Seed<P> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, P: Plan> serde::de::Visitor<'de> for Seed<P> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        let account = self.0.account();
        account.charge(text.len() + STRING);
        if account.is_exceeded() {
            return Ok(Value::Null);
        }
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let account = self.0.account();
        let seed = Self(self.0.element());
        let mut elements = Vec::new();
        while !account.is_exceeded() {
            let Some(element) = list.next_element_seed(seed)? else {
                return Ok(Value::Array(elements));
            };
            // The first element makes room for four.
            account.charge(if elements.is_empty() {
                2 * ELEMENT
            } else {
                ELEMENT
            });
            elements.push(element);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = object.next_key_seed(Key)? {
            let is_over = self.0.account().is_exceeded();
            let Some(plan) = self.0.member(&key, &members).filter(|_| !is_over) else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            if members.contains_key(&*key) {
                let start = quote::start(&key);
                return Err(A::Error::custom(format_args!("duplicate key {start:?}")));
            }
            self.0.account().member(members.len(), &key);
            let value = object.next_value_seed(Self(plan))?;
            members.insert(key.into_owned(), value);
        }
        Ok(Value::Object(members))
    }
}

/// A key, copied only where it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_all(json: &str, limit: usize) -> (serde_json::Result<Value>, bool) {
        let account = Account::new(limit);
        let value = read(json.as_bytes(), Everything(&account));
        (value, account.is_exceeded())
    }

    /// The members `a` and, below it, `b`.
    #[derive(Clone, Copy)]
    struct Path<'a>(&'a Account);

    impl Plan for Path<'_> {
        fn account(&self) -> &Account {
            self.0
        }

        fn member(self, key: &str, _: &Map<String, Value>) -> Option<Self> {
            ["a", "b"].contains(&key).then_some(self)
        }

        fn element(self) -> Self {
            self
        }
    }

    #[test]
    fn reads_what_is_planned_and_skips_the_rest() {
        let json =
            r#"{"x": {"a": 1}, "a": [{"b": "\u0041", "c": [1]}, 2.5, -1, null, true], "y": "z"}"#;
        let account = Account::new(10_000);
        assert_eq!(
            read(json.as_bytes(), Path(&account)).unwrap(),
            json!({"a": [{"b": "A"}, 2.5, -1, null, true]})
        );
        assert!(!account.is_exceeded());
    }

    #[test]
    fn builds_nothing_more_once_the_account_is_exceeded() {
        for json in [
            format!("[{}]", ["{\"a\":0}"; 1000].join(",")),
            format!("{{\"a\": {:?}}}", "x".repeat(11_000)),
            format!("[{}]", ["0"; 1000].join(",")),
        ] {
            let (value, exceeded) = read_all(&json, 10_000);
            assert!(exceeded, "{json}");
            assert!(value.unwrap().to_string().len() < 1000);
        }
    }

    #[test]
    fn rejects_bad_json_behind_what_is_read() {
        let long = format!("[{}, }}]", ["{\"a\":0}"; 1000].join(","));
        assert!(read_all(&long, 100).0.is_err());
        for json in ["{} {}", "{\"x\": [1,]}", "", "{\"a\": 1", "[1] ,"] {
            let account = Account::new(10_000);
            assert!(read(json.as_bytes(), Path(&account)).is_err(), "{json}");
        }
    }

    #[test]
    fn rejects_a_duplicate_key() {
        let (value, _) = read_all(r#"{"a": 1, "\u0061": 2}"#, 10_000);
        let error = value.unwrap_err().to_string();
        assert!(error.contains("duplicate key \"a\""), "{error}");
    }

    #[test]
    fn rejects_what_is_nested_too_deep() {
        assert!(read_all(&"[".repeat(100_000), 10_000).0.is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>()
                .prop_filter("JSON has no such number", |number| number.is_finite())
                .prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_as_serde_json_does(value in any_json()) {
            let text = value.to_string();
            let expected: Value = serde_json::from_str(&text).unwrap();
            let (read, exceeded) = read_all(&text, usize::MAX);
            prop_assert_eq!(read.unwrap(), expected);
            prop_assert!(!exceeded);
        }
    }
}
