//! The fields that say how a message and its connection are to be handled: they are for this
//! connection only, or have their own place in a head.

use super::{
    characters::elements, connection_field::ConnectionOptions, field_lines::FieldLines,
    numbers::parse_decimal, refusal::BadLine,
};
use crate::message::{Fields, SPARE_BYTES, SPARE_FIELDS};

/// A field that may come only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Single<'a> {
    None,
    One(&'a [u8]),
    Several,
}

/// What goes on of the control fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nothing,
    /// `te: trailers`, in a request.
    TeTrailers,
    /// `upgrade`, in a response with 101.
    Upgrade,
}

/// The control fields of a head.
pub(super) struct ControlFields<'a> {
    pub connection: ConnectionOptions<'a>,
    pub content_length: Single<'a>,
    pub transfer_encoding: Single<'a>,
    pub host: Single<'a>,
    pub upgrade: Single<'a>,
    /// `timeout` of `Keep-Alive`, in seconds.
    pub keep_alive_timeout: Option<u64>,
    /// `TE` has `trailers` in its list.
    te_trailers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    Connection,
    ContentLength,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyConnection,
    Te,
    TransferEncoding,
    Upgrade,
}

impl Control {
    fn of(name: &[u8]) -> Option<Self> {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        match name.len() {
            2 if is("te") => Some(Self::Te),
            4 if is("host") => Some(Self::Host),
            7 if is("upgrade") => Some(Self::Upgrade),
            10 if is("connection") => Some(Self::Connection),
            10 if is("keep-alive") => Some(Self::KeepAlive),
            14 if is("content-length") => Some(Self::ContentLength),
            14 if is("http2-settings") => Some(Self::Http2Settings),
            16 if is("proxy-connection") => Some(Self::ProxyConnection),
            17 if is("transfer-encoding") => Some(Self::TransferEncoding),
            _ => None,
        }
    }
}

impl<'a> Single<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::None => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }
}

impl<'a> ControlFields<'a> {
    /// Finds them among the fields.
    pub fn of(lines: &FieldLines, input: &'a [u8]) -> Result<Self, BadLine> {
        let mut found = Self {
            connection: ConnectionOptions::new(),
            content_length: Single::None,
            transfer_encoding: Single::None,
            host: Single::None,
            upgrade: Single::None,
            keep_alive_timeout: None,
            te_trailers: false,
        };
        for (name, value) in lines.iter(input) {
            if let Some(control) = Control::of(name) {
                found.add(control, value)?;
            }
        }
        Ok(found)
    }

    fn add(&mut self, control: Control, value: &'a [u8]) -> Result<(), BadLine> {
        match control {
            Control::Connection => self.connection.add(value)?,
            Control::ContentLength => self.content_length.add(value),
            Control::Host => self.host.add(value),
            Control::KeepAlive => self.keep_alive_timeout = timeout(value),
            // Not of any standard, but Envoy heeds it, and closing is always right.
            Control::ProxyConnection => {
                self.connection.close |=
                    elements(value).any(|it| it.eq_ignore_ascii_case(b"close"));
            }
            Control::Te => self.te_trailers |= elements(value).any(is_trailers),
            Control::TransferEncoding => self.transfer_encoding.add(value),
            Control::Upgrade => self.upgrade.add(value),
            Control::Http2Settings => {}
        }
        Ok(())
    }

    /// Copies the fields that are for the other side, with room for some more bytes.
    pub fn copy_others(
        &self,
        lines: &FieldLines,
        input: &[u8],
        extra: usize,
        kept: Kept,
    ) -> Fields {
        let text = lines.text(input);
        let mut fields = Fields::of_lines(text, extra + SPARE_BYTES, lines.len() + SPARE_FIELDS);
        let mut te_trailers = kept == Kept::TeTrailers && self.te_trailers;
        for line in lines.all() {
            let name = line.name(input);
            let is_kept = match Control::of(name) {
                Some(Control::Te) if te_trailers => {
                    te_trailers = false;
                    fields.push(b"te", b"trailers");
                    false
                }
                Some(Control::Upgrade) => kept == Kept::Upgrade,
                Some(_) => false,
                None => !self.connection.names(name),
            };
            if is_kept {
                match lines.as_written(line, input) {
                    Some(line) => fields.keep(line),
                    None => fields.push(name, line.value(input)),
                }
            }
        }
        fields
    }
}

/// Whether it is `trailers`, with or without a weight.
fn is_trailers(element: &[u8]) -> bool {
    let coding = element.split(|byte| *byte == b';').next();
    coding.is_some_and(|coding| coding.trim_ascii_end().eq_ignore_ascii_case(b"trailers"))
}

/// `timeout=5, max=100` (RFC 2068, 19.7.1.1).
fn timeout(keep_alive: &[u8]) -> Option<u64> {
    let seconds = elements(keep_alive).find_map(|element| {
        let (name, value) = element.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"timeout=").then_some(value)
    })?;
    parse_decimal(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_timeout_of_keep_alive() {
        for (value, seconds) in [
            ("timeout=5", Some(5)),
            ("max=100, Timeout=15", Some(15)),
            ("timeout=", None),
            ("timeout=-1", None),
            ("timeout", None),
            ("", None),
        ] {
            assert_eq!(timeout(value.as_bytes()), seconds, "{value}");
        }
    }

    #[test]
    fn finds_trailers_in_te() {
        for good in ["trailers", "Trailers;q=0.5", "trailers ;q=1"] {
            assert!(is_trailers(good.as_bytes()), "{good}");
        }
        for other in ["trailer", "gzip", "trailers2", "gzip;trailers"] {
            assert!(!is_trailers(other.as_bytes()), "{other}");
        }
    }
}
