//! `Connection` (RFC 9110, 7.6.1).

use http::Version;

use super::{characters::elements, refusal::BadLine};

/// How many fields `Connection` can name at most.
const MOST_NAMED: usize = 32;

/// What the `Connection` fields of a head say.
pub(super) struct ConnectionOptions<'a> {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
    /// Other options, each of which is the name of a field that is not for us to pass on.
    named: Vec<&'a [u8]>,
}

impl<'a> ConnectionOptions<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self {
            close: false,
            keep_alive: false,
            upgrade: false,
            // Nothing is allocated for most heads.
            named: Vec::new(),
        }
    }

    /// Adds the options of a field.
    pub fn add(&mut self, value: &'a [u8]) -> Result<(), BadLine> {
        for option in elements(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                if self.named.len() == MOST_NAMED {
                    return Err(BadLine::TooManyConnectionOptions);
                }
                self.named.push(option);
            }
        }
        Ok(())
    }

    /// Whether the sender keeps the connection after this message (RFC 9112, 9.3).
    pub fn keeps(&self, version: Version) -> bool {
        !self.close && (self.keep_alive || version != Version::HTTP_10)
    }

    /// Whether a field of that name is for this connection only.
    pub fn names(&self, name: &[u8]) -> bool {
        let named = &self.named;
        named.iter().any(|option| option.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options_in_any_case_of_all_fields() {
        let mut options = ConnectionOptions::new();
        options.add(b"Keep-Alive, X-One").unwrap();
        options.add(b",CLOSE , upgrade").unwrap();
        assert!(options.close && options.keep_alive && options.upgrade);
        assert!(options.names(b"x-oNE") && !options.names(b"close") && !options.names(b""));
    }

    #[test]
    fn keeps_connections_by_version() {
        let keeps = |value: &[u8], version| {
            let mut options = ConnectionOptions::new();
            options.add(value).unwrap();
            options.keeps(version)
        };
        assert!(keeps(b"", Version::HTTP_11) && !keeps(b"", Version::HTTP_10));
        assert!(keeps(b"keep-alive", Version::HTTP_10));
        assert!(!keeps(b"close", Version::HTTP_11));
        assert!(!keeps(b"keep-alive, close", Version::HTTP_10));
    }

    #[test]
    fn refuses_too_many_names() {
        let most = vec!["a"; MOST_NAMED].join(",");
        assert!(ConnectionOptions::new().add(most.as_bytes()).is_ok());
        let refused = ConnectionOptions::new().add(format!("{most},b").as_bytes());
        assert_eq!(refused, Err(BadLine::TooManyConnectionOptions));
    }
}
