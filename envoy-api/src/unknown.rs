//! What a message has that our types lack.

use std::fmt::{self, Write as _};

use crate::{
    Error,
    any::shorten,
    bounds::{Elements, Exceeded},
    schema::{self, Field, Kind, Message},
    types::{self, ANY},
    wire::{Fields, MAX_DEPTH, Malformed, Value},
};

/// The most paths that [`unknown_fields`] returns.
pub const MAX_PATHS: usize = 32;

/// Lists what a message has and decoding would drop or misread: fields that this crate's types
/// lack, as `filter_chains[0].#17` (a path of names as in Envoy's API, and the field's number),
/// and enums with a number that this crate's types lack, as `lb_policy=9`.
///
/// Messages inside of an `Any` are examined too if their type is known, and left alone if not.
/// It reads the bytes once and copies none; of the paths, it returns the first [`MAX_PATHS`].
/// A message that it has accepted is safe to decode: its size in memory is bounded.
///
/// # Errors
///
/// Returns an error if the type is unknown, or the bytes are more than 16 MiB or no message, or
/// the message holds more than [`MAX_ELEMENTS`](crate::MAX_ELEMENTS) messages and strings.
pub fn unknown_fields(type_url: &str, value: &[u8]) -> Result<Vec<String>, Error> {
    let schema = types::message_for(type_url, value)?;
    let mut walk = Walk::default();
    match walk.message(schema, value, 0) {
        Ok(()) => Ok(walk.found),
        Err(exceeded) => Err(Error::Malformed {
            type_url: shorten(type_url),
            reason: exceeded.to_string(),
        }),
    }
}

#[derive(Debug, Default)]
struct Walk {
    /// Where the walk is. Names are put at its end and taken off again, in the same memory.
    path: String,
    found: Vec<String>,
    elements: Elements,
}

impl Walk {
    fn message(&mut self, schema: &Message, message: &[u8], depth: usize) -> Result<(), Exceeded> {
        if depth > MAX_DEPTH {
            return Err(Malformed::Depth.into());
        }
        if schema.name == ANY {
            return self.any(message, depth);
        }
        let mut counts = Counts::default();
        for field in Fields::of(message) {
            let (number, value) = field?;
            if matches!(value, Value::Bytes(_)) {
                self.elements.count()?;
            }
            let Some(field) = schema.field(number) else {
                self.report(format_args!("#{number}"));
                continue;
            };
            match (field.kind, value) {
                (Kind::Message(index), Value::Bytes(bytes)) => {
                    let inner = schema::message_at(index);
                    let before = self.enter(field, &mut counts);
                    let result = self.message(inner, bytes, depth + 1);
                    self.path.truncate(before);
                    result?;
                }
                (Kind::Enum(index), Value::Varint(number)) => {
                    // Negative enums are sign-extended to 64 bits.
                    #[expect(clippy::cast_possible_truncation, reason = "decoders truncate, too")]
                    let number = number as i32;
                    if schema::value_name(index, number).is_none() {
                        self.report(format_args!("{}={number}", field.name));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Walks the message inside, under the path of the `Any` itself.
    fn any(&mut self, any: &[u8], depth: usize) -> Result<(), Exceeded> {
        let (mut type_url, mut message) = (&b""[..], &b""[..]);
        for field in Fields::of(any) {
            match field? {
                (1, Value::Bytes(bytes)) => type_url = bytes,
                (2, Value::Bytes(bytes)) => message = bytes,
                _ => {}
            }
        }
        let inner = str::from_utf8(type_url).ok().and_then(types::message);
        match inner {
            Some(inner) => self.message(inner, message, depth + 1),
            None => Ok(()),
        }
    }

    /// Goes into a field's message. Returns how long the path was before.
    fn enter(&mut self, field: &Field, counts: &mut Counts) -> usize {
        let before = self.push(field.name);
        if field.is_repeated() {
            let index = counts.next(field.number);
            let _ = write!(self.path, "[{index}]");
        }
        before
    }

    /// Puts a name at the path's end. Returns how long the path was before.
    fn push(&mut self, name: &str) -> usize {
        let before = self.path.len();
        if before > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        before
    }

    /// Notes the path of this, once, unless there are enough.
    fn report(&mut self, unknown: fmt::Arguments<'_>) {
        if self.found.len() >= MAX_PATHS {
            return;
        }
        let before = self.push("");
        let _ = self.path.write_fmt(unknown);
        if !self.found.contains(&self.path) {
            self.found.push(self.path.clone());
        }
        self.path.truncate(before);
    }
}

/// How often each repeated field of a message was met.
#[derive(Debug, Default)]
struct Counts(Vec<(u32, usize)>);

impl Counts {
    /// The index of the value of this field that comes next.
    fn next(&mut self, number: u32) -> usize {
        let known = self.0.iter_mut().find(|(known, _)| *known == number);
        if let Some((_, count)) = known {
            *count += 1;
            return *count;
        }
        self.0.push((number, 0));
        0
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{
        Any, any,
        envoy::config::{
            core::v3::Address,
            listener::v3::{Filter, FilterChain, Listener, filter::ConfigType},
        },
        envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy,
        type_url,
    };

    /// Field 999 with the value 1.
    const FIELD_999: &[u8] = &[0xb8, 0x3e, 0x01];

    fn with_unknown(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend_from_slice(FIELD_999);
        bytes
    }

    fn listener(typed_config: Any) -> Listener {
        let filter = Filter {
            name: "tcp".to_owned(),
            config_type: Some(ConfigType::TypedConfig(typed_config)),
        };
        Listener {
            filter_chains: vec![
                FilterChain::default(),
                FilterChain {
                    filters: vec![filter],
                    ..FilterChain::default()
                },
            ],
            address: Some(Address::default()),
            ..Listener::default()
        }
    }

    #[test]
    fn finds_nothing_in_what_it_knows() {
        let listener = listener(any(type_url::TCP_PROXY, &TcpProxy::default()));
        let found = unknown_fields(type_url::LISTENER, &listener.encode_to_vec()).unwrap();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn names_a_field_of_the_message_itself() {
        let bytes = with_unknown(listener(Any::default()).encode_to_vec());
        assert_eq!(
            unknown_fields(type_url::LISTENER, &bytes).unwrap(),
            ["#999"]
        );
    }

    #[test]
    fn names_the_path_into_a_nested_any() {
        let proxy = Any {
            type_url: type_url::TCP_PROXY.to_owned(),
            value: with_unknown(TcpProxy::default().encode_to_vec()).into(),
        };
        let bytes = listener(proxy).encode_to_vec();
        assert_eq!(
            unknown_fields(type_url::LISTENER, &bytes).unwrap(),
            ["filter_chains[1].filters[0].typed_config.#999"]
        );
    }

    #[test]
    fn leaves_an_unknown_any_alone() {
        let foreign = Any {
            type_url: "type.googleapis.com/some.Filter".to_owned(),
            value: b"anything"[..].into(),
        };
        let bytes = listener(foreign).encode_to_vec();
        assert!(
            unknown_fields(type_url::LISTENER, &bytes)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn names_an_enum_that_it_lacks() {
        let listener = Listener {
            traffic_direction: 77,
            ..Listener::default()
        };
        assert_eq!(
            unknown_fields(type_url::LISTENER, &listener.encode_to_vec()).unwrap(),
            ["traffic_direction=77"]
        );
    }

    #[test]
    fn returns_the_first_paths_only() {
        let listener = Listener {
            filter_chains: vec![FilterChain::default(); 1_000],
            ..Listener::default()
        };
        let mut bytes = listener.encode_to_vec();
        for number in 900..1_000_u32 {
            prost::encoding::uint32::encode(number, &1, &mut bytes);
        }
        let found = unknown_fields(type_url::LISTENER, &bytes).unwrap();
        assert_eq!(found.len(), MAX_PATHS);
    }

    #[test]
    fn refuses_endless_nesting() {
        // ListenerFilterChainMatchPredicate.not_match is one in one in one.
        let mut bytes = Vec::new();
        for _ in 0..200 {
            let mut outer = vec![0x1a];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.append(&mut bytes);
            bytes = outer;
        }
        let url = "type.googleapis.com/envoy.config.listener.v3.ListenerFilterChainMatchPredicate";
        let error = unknown_fields(url, &bytes).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
    }

    #[test]
    fn refuses_garbage_and_unknown_types() {
        assert!(matches!(
            unknown_fields(type_url::LISTENER, b"\x12\xff"),
            Err(Error::Malformed { .. })
        ));
        assert!(matches!(
            unknown_fields("type.googleapis.com/some.Filter", b""),
            Err(Error::UnknownType(_))
        ));
    }
}
