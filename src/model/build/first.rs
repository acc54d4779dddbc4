//! A list of names for a message: the first few, and how many more there are.

use std::fmt;

use crate::model::objects::Labels;

/// How many are named.
const NAMED: usize = 4;

/// The first names, and how many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct First {
    names: Vec<String>,
    count: usize,
}

impl First {
    /// Labels, as `name=value`.
    pub fn of_labels(labels: &Labels) -> Self {
        let mut first = Self::default();
        for (name, value) in labels.iter() {
            first.add(format_args!("{name}={value}"));
        }
        first
    }

    /// Adds a name.
    pub fn add(&mut self, name: impl fmt::Display) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name.to_string());
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The names after what they are names of: `the port 80`, `the ports 80, 81`.
    pub fn of(&self, what: &str) -> String {
        format!(
            "the {what}{} {self}",
            if self.count == 1 { "" } else { "s" }
        )
    }

    /// A verb for the names: one for a single thing, or one for several.
    pub fn verb(&self, of_one: &'static str, of_several: &'static str) -> &'static str {
        if self.count == 1 { of_one } else { of_several }
    }
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        match self.count - self.names.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_few_and_counts_the_others() {
        let mut first = First::default();
        first.add(80);
        assert_eq!(first.to_string(), "80");
        assert_eq!(first.of("port"), "the port 80");
        assert_eq!(first.verb("has", "have"), "has");
        for port in 81..90 {
            first.add(port);
        }
        assert_eq!(first.to_string(), "80, 81, 82, 83 and 6 more");
        assert_eq!(first.of("port"), "the ports 80, 81, 82, 83 and 6 more");
        assert_eq!(first.verb("has", "have"), "have");
    }
}
