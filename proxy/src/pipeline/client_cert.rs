//! What a request says of its client's certificate: `x-forwarded-client-cert`, as Envoy writes it.

use std::{fmt::Write as _, sync::Arc};

use pillion_certs::mesh::Peer;

use crate::{
    message::{FieldName, Fields},
    tables::{ClientCert, ForwardClientCert},
    transport::Secured,
};

/// What is done with the field in each request of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) enum ClientCertField {
    #[default]
    Remove,
    Keep,
    /// This goes behind what the client has sent.
    Append(Arc<[u8]>),
    /// This takes the place of what the client has sent.
    Set(Arc<[u8]>),
}

impl ClientCertField {
    /// For a connection whose client has proved who it is, if it has.
    pub fn of(wanted: ClientCert, secured: Option<&Secured>) -> Self {
        let element = |secured: &Secured| {
            element(wanted, secured.parties.destination(), &secured.peer).into()
        };
        match (wanted.forward, secured) {
            (ForwardClientCert::AlwaysForwardOnly, _)
            | (ForwardClientCert::ForwardOnly, Some(_)) => Self::Keep,
            (ForwardClientCert::AppendForward, Some(secured)) => Self::Append(element(secured)),
            (ForwardClientCert::SanitizeSet, Some(secured)) => Self::Set(element(secured)),
            _ => Self::Remove,
        }
    }

    /// Changes a request's fields.
    pub(super) fn apply(&self, fields: &mut Fields) {
        let name = FieldName::XForwardedClientCert;
        match self {
            Self::Keep => {}
            Self::Remove if fields.get(name).is_none() => {}
            Self::Remove => fields.retain(|known, _, _| known != name),
            Self::Set(element) => fields.set(name, element),
            Self::Append(element) => {
                let mut all = Vec::new();
                for line in fields.all(name).filter(|line| !line.is_empty()) {
                    all.extend_from_slice(line);
                    all.push(b',');
                }
                all.extend_from_slice(element);
                fields.set(name, &all);
            }
        }
    }
}

/// The element of a client, such as `By=spiffe://…;Hash=…;Subject="";URI=spiffe://…`.
fn element(wanted: ClientCert, own: &str, peer: &Peer) -> Vec<u8> {
    let mut text = format!("By={own};Hash={}", peer.hash());
    if wanted.subject {
        // What a certificate says must not end the text that it stands in.
        let subject = peer.subject().replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(text, ";Subject=\"{subject}\"");
    }
    if wanted.uri {
        text.push_str(";URI=");
        text.push_str(peer.uri());
    }
    text.into_bytes()
}

/// For fuzz targets: all that a server with this identity may tell its application of a client.
#[cfg(feature = "test-util")]
#[must_use]
pub fn client_cert_element(own: &str, peer: &Peer) -> Vec<u8> {
    let wanted = ClientCert {
        forward: ForwardClientCert::SanitizeSet,
        subject: true,
        uri: true,
    };
    element(wanted, own, peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(field: &ClientCertField, sent: &[&str]) -> Vec<String> {
        let mut fields = Fields::default();
        for value in sent {
            fields.push(b"x-forwarded-client-cert", value.as_bytes());
        }
        field.apply(&mut fields);
        let all = fields.all(FieldName::XForwardedClientCert);
        all.map(|value| String::from_utf8(value.to_vec()).unwrap())
            .collect()
    }

    fn of_plaintext(forward: ForwardClientCert) -> ClientCertField {
        let wanted = ClientCert {
            forward,
            ..ClientCert::default()
        };
        ClientCertField::of(wanted, None)
    }

    #[test]
    fn who_has_proved_nothing_is_believed_nothing() {
        for forward in [
            ForwardClientCert::Sanitize,
            ForwardClientCert::ForwardOnly,
            ForwardClientCert::AppendForward,
            ForwardClientCert::SanitizeSet,
        ] {
            let found = left(&of_plaintext(forward), &["By=a", "By=b"]);
            assert!(found.is_empty(), "{forward:?}: {found:?}");
        }
        let always = of_plaintext(ForwardClientCert::AlwaysForwardOnly);
        assert_eq!(left(&always, &["By=a"]), ["By=a"]);
    }

    #[test]
    fn a_client_comes_behind_those_before_it_or_alone() {
        let element: Arc<[u8]> = b"By=c"[..].into();
        let append = ClientCertField::Append(Arc::clone(&element));
        assert_eq!(left(&append, &["By=a", "By=b"]), ["By=a,By=b,By=c"]);
        assert_eq!(left(&append, &[]), ["By=c"]);
        let set = ClientCertField::Set(element);
        assert_eq!(left(&set, &["By=a", "By=b"]), ["By=c"]);
    }
}
