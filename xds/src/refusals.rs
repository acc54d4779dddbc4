//! How a refusal's text names what is refused: the protocol has no field for it.
//!
//! Each line is `NAME@VERSION: REASON`. Our client writes it, and our server reads it; other
//! clients write what they like.

use std::fmt;

/// Separates the resource from the reason. Names have colons, but no spaces.
const REASON: &str = ": ";

/// One resource that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusedResource<'a> {
    /// Its name.
    pub name: &'a str,
    /// The version that is refused.
    pub version: &'a str,
    /// Why: one line.
    pub reason: &'a str,
}

impl fmt::Display for RefusedResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}{REASON}", self.name, self.version)?;
        for (index, line) in self.reason.lines().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}

/// The resources that a text names, in its order; lines of another form are left out.
pub fn refused_resources(text: &str) -> impl Iterator<Item = RefusedResource<'_>> {
    text.lines().filter_map(|line| {
        let (resource, reason) = line.split_once(REASON)?;
        let (name, version) = resource.rsplit_once('@')?;
        Some(RefusedResource {
            name,
            version,
            reason,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let one = |name, reason| RefusedResource {
            name,
            version: "9f",
            reason,
        };
        let all = [
            one("9080", "virtual_hosts[0].domains: no"),
            one("a.shop.svc.cluster.local:80", "timeout: too long"),
            one("outbound|80||a@b", "no"),
        ];
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        let text = lines.join("\n");
        let read: Vec<_> = refused_resources(&text).collect();
        assert_eq!(read, all);
    }

    #[test]
    fn a_reason_is_one_line() {
        let refused = RefusedResource {
            name: "a",
            version: "1",
            reason: "first\nb@2: second",
        };
        let text = refused.to_string();
        let read: Vec<_> = refused_resources(&text).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].reason, "first b@2: second");
    }

    #[test]
    fn other_texts_name_nothing() {
        for text in ["", "9080: no", "Error adding cluster(s) a: b", "a@b"] {
            assert_eq!(refused_resources(text).count(), 0, "{text}");
        }
    }
}
