//! Values that mean the same as no value. Istio's API is defined in Protocol Buffers, where an
//! empty text and the number 0 can't be told from a field that is not set.

use serde::{Deserialize, Deserializer};

/// A text; none if it is empty.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// A number; none if it is 0.
pub(crate) fn number<'de, N, D>(deserializer: D) -> Result<Option<N>, D::Error>
where
    N: Deserialize<'de> + Default + PartialEq,
    D: Deserializer<'de>,
{
    Ok(Option::<N>::deserialize(deserializer)?.filter(|number| *number != N::default()))
}
