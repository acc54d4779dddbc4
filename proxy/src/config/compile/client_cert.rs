//! What requests say of their client's certificate.

use pillion_envoy_api::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    ForwardClientCertDetails, SetCurrentClientCertDetails,
};

use super::fault::{Fault, refuse_if};
use crate::tables::{ClientCert, ForwardClientCert};

pub(super) fn client_cert(
    forward: i32,
    set: Option<SetCurrentClientCertDetails>,
) -> Result<ClientCert, Fault> {
    let SetCurrentClientCertDetails {
        subject,
        cert,
        chain,
        // Certificates of workloads have none.
        dns: _,
        uri,
    } = set.unwrap_or_default();
    let forward = match ForwardClientCertDetails::try_from(forward) {
        Ok(ForwardClientCertDetails::Sanitize) => ForwardClientCert::Sanitize,
        Ok(ForwardClientCertDetails::ForwardOnly) => ForwardClientCert::ForwardOnly,
        Ok(ForwardClientCertDetails::AppendForward) => ForwardClientCert::AppendForward,
        Ok(ForwardClientCertDetails::SanitizeSet) => ForwardClientCert::SanitizeSet,
        Ok(ForwardClientCertDetails::AlwaysForwardOnly) => ForwardClientCert::AlwaysForwardOnly,
        Err(_) => return Err(Fault::unsupported("forward_client_cert_details")),
    };
    for (is_set, field) in [
        (cert, "set_current_client_cert_details.cert"),
        (chain, "set_current_client_cert_details.chain"),
    ] {
        refuse_if(is_set, field)?;
    }
    Ok(ClientCert {
        forward,
        subject: subject == Some(true),
        uri,
    })
}
