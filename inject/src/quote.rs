//! Text of a pod as messages quote it.

use std::{borrow::Cow, fmt::Write};

/// The longest excerpt of a name: Kubernetes' names have at most 63 characters.
pub(crate) const NAME: usize = 63;
/// The longest excerpt of a value.
pub(crate) const VALUE: usize = 200;

/// How many items of a list are named.
const MAX_ITEMS: usize = 5;
/// The bytes of a list: the API server cuts a warning to 256.
const MAX_LIST: usize = 100;

/// The text, truncated to this many characters, with `…` if something is missing.
pub(crate) fn excerpt(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// The start of a text: at most 80 bytes, without a mark where it is cut.
pub(crate) fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

/// The first items of a list, and how many more there are.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut more = 0;
    for (index, item) in items.into_iter().enumerate() {
        let item = excerpt(item, NAME);
        if index == 0 {
            text = item.into_owned();
        } else if more == 0 && index < MAX_ITEMS && text.len() + item.len() <= MAX_LIST {
            text.push_str(", ");
            text.push_str(&item);
        } else {
            more += 1;
        }
    }
    if more > 0 {
        // A String takes every write.
        let _ = write!(text, " and {more} more");
    }
    text
}
