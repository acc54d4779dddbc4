//! What the other side of a connection of TLS has to object, in words.

use std::{fmt, io};

use rustls::{AlertDescription, Error};

/// An alert of TLS (RFC 8446, 6) that the other side has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TlsAlert(AlertDescription);

impl TlsAlert {
    /// The alert that an error of a connection tells of.
    pub fn of_io(error: &io::Error) -> Option<Self> {
        Self::of(error.get_ref()?.downcast_ref()?)
    }

    /// The same, of an error of TLS.
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::AlertReceived(description) => Some(Self(*description)),
            _ => None,
        }
    }

    fn hint(self) -> &'static str {
        match self.0 {
            AlertDescription::UnknownCA => {
                "it does not know the CA of this proxy's certificate: do both trust the same roots?"
            }
            AlertDescription::CertificateExpired => {
                "this proxy's certificate is past its end there: do both clocks agree, and is the CA reachable from here?"
            }
            AlertDescription::CertificateRequired => "it wants a certificate from this proxy",
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied => {
                "it does not accept this proxy's certificate: its own log says why"
            }
            AlertDescription::ProtocolVersion => "it speaks other versions of TLS than 1.2 and 1.3",
            AlertDescription::NoApplicationProtocol => "it speaks none of the protocols on offer",
            AlertDescription::UnrecognisedName => "it does not know the name that it was asked for",
            _ => "its own log says why",
        }
    }
}

/// The name of the alert in the RFC, and what it means.
impl fmt::Display for TlsAlert {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.as_str().unwrap_or("an unknown one");
        write!(formatter, "TLS alert {name}: {}", self.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_found_in_an_error_of_a_connection() {
        let error = Error::AlertReceived(AlertDescription::UnknownCA);
        let found = TlsAlert::of_io(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap();
        let text = found.to_string();
        assert!(
            text.starts_with("TLS alert UnknownCA: it does not know"),
            "{text}"
        );
        let error = io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError);
        assert_eq!(TlsAlert::of_io(&error), None);
        assert_eq!(TlsAlert::of_io(&io::ErrorKind::TimedOut.into()), None);
    }
}
