//! What is done once a message was read to its end: its maps are sorted, and its `Any`s opened.

#[cfg(test)]
mod tests;

use std::mem;

use super::{
    merged::Count,
    tree::{Any, Broken, Content, MAX_ANYS, Tree, Unreadable, Value},
};
use crate::{
    schema::Message,
    types::{self, ANY},
};

/// Reads a message, and what is inside of its `Any`s.
pub(super) fn read<'a>(schema: &'static Message, message: &'a [u8]) -> Result<Value<'a>, Broken> {
    let mut count = Count::default();
    let tree = Tree::read(schema, message, 0, &mut count)?;
    let mut root = Value::Message(tree);
    root.finish(0, 0, &mut count)?;
    Ok(root)
}

impl<'a> Value<'a> {
    /// Finishes what is inside of so many messages and `Any`s.
    fn finish(&mut self, depth: usize, anys: usize, count: &mut Count) -> Result<(), Broken> {
        match self {
            Self::Message(tree) if tree.schema.name == ANY => {
                if let Some(any) = tree.open(depth, anys, count)? {
                    *self = Self::Any(Box::new(any));
                }
            }
            Self::Message(tree) => {
                for (_, value) in &mut tree.fields {
                    value.finish(depth + 1, anys, count)?;
                }
            }
            Self::List(values) => {
                for value in values {
                    value.finish(depth, anys, count)?;
                }
            }
            Self::Map(entries) => {
                entries.sort_by(|(one, _), (next, _)| one.cmp(next));
                entries.dedup_by(|next, one| {
                    let is_same = next.0 == one.0;
                    if is_same {
                        mem::swap(next, one);
                    }
                    is_same
                });
                // An entry is a message, too.
                for (_, value) in entries {
                    value.finish(depth + 1, anys, count)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Tree<'a> {
    /// The `Any` that this message is.
    fn open(
        &mut self,
        depth: usize,
        anys: usize,
        count: &mut Count,
    ) -> Result<Option<Any<'a>>, Broken> {
        let (type_url, bytes) = (self.take(1), self.take(2));
        let (Some(Value::Text(type_url)), Some(Value::Bytes(bytes))) = (type_url, bytes) else {
            return Ok(None);
        };
        let content = match types::message(type_url) {
            None => Content::Foreign(bytes),
            Some(_) if anys >= MAX_ANYS => Content::Unreadable(Unreadable::Anys, bytes.len()),
            Some(schema) => match Tree::read(schema, bytes, depth + 1, count) {
                Ok(tree) => {
                    let mut inner = Value::Message(tree);
                    inner.finish(depth + 1, anys + 1, count)?;
                    Content::Message(inner)
                }
                Err(Broken::Values) => return Err(Broken::Values),
                Err(broken) => Content::Unreadable(Unreadable::Broken(broken), bytes.len()),
            },
        };
        Ok(Some(Any { type_url, content }))
    }
}
