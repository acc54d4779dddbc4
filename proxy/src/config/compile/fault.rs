//! Why a resource is refused.

use std::fmt;

/// The field that can't be done, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub(crate) struct Fault {
    /// From the resource down, such as `filter_chains[0].filters[1].name`.
    path: String,
    reason: String,
}

impl Fault {
    /// A fault of the field with that name. An empty name is the message itself.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self {
            path: field.to_owned(),
            reason: reason.into(),
        }
    }

    /// A field that has a meaning in Envoy, and none here yet.
    pub fn unsupported(field: &str) -> Self {
        Self::new(field, "is not supported by this proxy")
    }

    /// The same fault, as seen from the message that has the field.
    fn within(mut self, outer: &str) -> Self {
        let inner = std::mem::take(&mut self.path);
        self.path = match inner.is_empty() {
            true => outer.to_owned(),
            false => format!("{outer}.{inner}"),
        };
        self
    }
}

/// The faults of a resource whose other parts are used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    first: Vec<Fault>,
    /// How many there are besides.
    more: usize,
}

/// Faults of one resource that are shown, so that the text stays short.
const MAX_SHOWN: usize = 8;

impl Faults {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Adds one.
    pub(super) fn add(&mut self, fault: Fault) {
        match self.first.len() < MAX_SHOWN {
            true => self.first.push(fault),
            false => self.more += 1,
        }
    }

    /// How many of them are shown.
    pub(super) fn shown(&self) -> usize {
        self.first.len()
    }

    /// Changes those after the first `skipped`.
    pub(super) fn change(&mut self, skipped: usize, change: impl Fn(Fault) -> Fault) {
        let rest = self.first.split_off(skipped.min(self.first.len()));
        self.first.extend(rest.into_iter().map(change));
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self {
            first: vec![fault],
            more: 0,
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.first.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// For `map_err`: puts a field's name before the paths of faults within it.
pub(super) fn at(field: &'static str) -> impl Fn(Fault) -> Fault {
    move |fault| fault.within(field)
}

/// For `map_err`: the same for an element of a list.
pub(super) fn at_index(field: &'static str, index: usize) -> impl Fn(Fault) -> Fault {
    move |fault| fault.within(&format!("{field}[{index}]"))
}

/// For `map_err`: the same for an entry of a map.
pub(super) fn at_key(field: &'static str, key: &str) -> impl Fn(Fault) -> Fault {
    move |fault| fault.within(&format!("{field}[{key:?}]"))
}

/// Refuses a field that is set.
pub(super) fn refuse_if(is_set: bool, field: &str) -> Result<(), Fault> {
    match is_set {
        true => Err(Fault::unsupported(field)),
        false => Ok(()),
    }
}

/// Converts the elements of a list, of which there are at most so many.
pub(super) fn each<S, T>(
    field: &'static str,
    most: usize,
    items: Vec<S>,
    mut convert: impl FnMut(S) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    at_most(field, most, items.len())?;
    let items = items.into_iter().enumerate();
    items
        .map(|(index, item)| convert(item).map_err(at_index(field, index)))
        .collect()
}

/// Refuses a list of more elements than that.
pub(super) fn at_most(field: &'static str, most: usize, found: usize) -> Result<(), Fault> {
    match found > most {
        true => Err(Fault::new(
            field,
            format!("has {found} elements; {most} are the most"),
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_field_from_the_resource_down() {
        let fault = Fault::unsupported("cluster_header");
        let fault = at_index("routes", 2)(at("route")(fault));
        let text = "routes[2].route.cluster_header: is not supported by this proxy";
        assert_eq!(fault.to_string(), text);
        let fault = at_key("typed_per_filter_config", "lua")(Fault::new("", "is unknown"));
        assert_eq!(
            fault.to_string(),
            r#"typed_per_filter_config["lua"]: is unknown"#
        );
    }

    #[test]
    fn tells_the_first_faults_and_how_many_more_there_are() {
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        for index in 0..10 {
            faults.add(at_index("routes", index)(Fault::unsupported("x")));
        }
        let text = faults.to_string();
        assert!(
            text.starts_with("routes[0].x: is not supported by this proxy; routes[1].x: "),
            "{text}"
        );
        assert!(text.ends_with("; and 2 more"), "{text}");
    }

    #[test]
    fn bounds_lists() {
        let convert = |number: u8| match number {
            3 => Err(Fault::new("", "is three")),
            other => Ok(other),
        };
        assert_eq!(each("numbers", 2, vec![1, 2], convert), Ok(vec![1, 2]));
        let fault = each("numbers", 2, vec![1, 3], convert).unwrap_err();
        assert_eq!(fault.to_string(), "numbers[1]: is three");
        let fault = each("numbers", 2, vec![1, 1, 1], convert).unwrap_err();
        assert_eq!(fault.to_string(), "numbers: has 3 elements; 2 are the most");
    }
}
