//! Messages as trees, whose strings and bytes are those of the encoded message.

use std::borrow::Cow;

use crate::{
    schema::{self, Field, Kind, Label, Message},
    wire::Malformed,
};

/// The most values in one message, at all depths and inside of `Any`s: numbers, strings, messages, and
/// entries of maps. An entry of a large route table has about 40 of them, and an endpoint 25, so
/// that tables of 10,000 are shown. Each takes some 100 bytes.
pub(super) const MAX_VALUES: usize = 1 << 19;

/// Why bytes are not a message of their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    #[error("{0} has a value of another kind")]
    Kind(&'static str),
    #[error("it holds more than {MAX_VALUES} values")]
    Values,
}

/// A message.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) schema: &'static Message,
    /// The fields that the encoded message has, by number.
    pub(super) fields: Vec<(&'static Field, Value<'a>)>,
}

/// The value of a field.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Float(f64),
    /// A number, and the enum that it is of.
    Enum(i32, u16),
    Text(&'a str),
    Bytes(&'a [u8]),
    Message(Tree<'a>),
    /// An `Any` that was a message before it was finished.
    Any(Box<Any<'a>>),
    List(Vec<Value<'a>>),
    /// By keys as JSON has them: in any order and several times before it is finished, and
    /// then sorted and with the last one of each.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// The most `Any`s inside one another that are opened.
pub(super) const MAX_ANYS: usize = 16;

/// A message of any type.
#[derive(Debug)]
pub(super) struct Any<'a> {
    pub(super) type_url: &'a str,
    pub(super) content: Content<'a>,
}

/// What is inside of an `Any`.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Message(Value<'a>),
    /// Bytes whose type is unknown.
    Foreign(&'a [u8]),
    /// So many bytes that can't be read as their type, which is known.
    Unreadable(Unreadable, usize),
}

/// Why a message of a known type is not read.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Broken(Broken),
    #[error("it is inside of more than {MAX_ANYS} messages of any type")]
    Anys,
}

impl<'a> Tree<'a> {
    pub(super) fn empty(schema: &'static Message) -> Self {
        Self {
            schema,
            fields: Vec::new(),
        }
    }

    /// The fields that are set, by number.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static Field, &Value<'a>)> {
        let fields = self.fields.iter().map(|(field, value)| (*field, value));
        fields.filter(|(field, value)| match field.label {
            Label::Explicit | Label::Oneof(_) => true,
            Label::Implicit | Label::List | Label::Map => !value.is_default(),
        })
    }

    /// What a field has, if the encoded message has it.
    pub(super) fn get(&self, number: u32) -> Option<&Value<'a>> {
        let index = self.find(number).ok()?;
        self.fields.get(index).map(|(_, value)| value)
    }

    /// Takes out what a field has, or its default. There is none if there is no such field.
    pub(super) fn take(&mut self, number: u32) -> Option<Value<'a>> {
        match self.find(number) {
            Ok(index) => Some(self.fields.remove(index).1),
            Err(_) => self.schema.field(number).map(Value::none),
        }
    }

    pub(super) fn find(&self, number: u32) -> Result<usize, usize> {
        self.fields
            .binary_search_by_key(&number, |(field, _)| field.number)
    }
}

impl<'a> Value<'a> {
    /// What a field has before anything of it was met.
    pub(super) fn none(field: &Field) -> Self {
        match field.label {
            Label::List => Self::List(Vec::new()),
            Label::Map => Self::Map(Vec::new()),
            _ => Self::default_of(field.kind),
        }
    }

    pub(super) fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool(false),
            Kind::Int32 => Self::Int32(0),
            Kind::Uint32 | Kind::Fixed32 => Self::Uint32(0),
            Kind::Int64 => Self::Int64(0),
            Kind::Uint64 | Kind::Fixed64 => Self::Uint64(0),
            Kind::Double | Kind::Float => Self::Float(0.0),
            Kind::Enum(index) => Self::Enum(0, index),
            Kind::String => Self::Text(""),
            Kind::Bytes => Self::Bytes(b""),
            Kind::Message(index) => Self::Message(Tree::empty(schema::message_at(index))),
        }
    }

    pub(super) fn is_default(&self) -> bool {
        match self {
            Self::Bool(value) => !value,
            Self::Int32(value) | Self::Enum(value, _) => *value == 0,
            Self::Uint32(value) => *value == 0,
            Self::Int64(value) => *value == 0,
            Self::Uint64(value) => *value == 0,
            Self::Float(value) => *value == 0.0,
            Self::Text(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
            Self::Message(_) | Self::Any(_) => false,
            Self::List(values) => values.is_empty(),
            Self::Map(entries) => entries.is_empty(),
        }
    }
}
