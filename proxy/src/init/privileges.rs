//! The capabilities that the programs of iptables need.
//!
//! Started as another user than root, init has them as file capabilities of its binary,
//! and those end with the next program. Ambient ones do not.

use caps::{CapSet, Capability, errors::CapsError};
use thiserror::Error;

/// Init lacks a capability.
#[derive(Debug, Error)]
pub enum Missing {
    /// It isn't there at all.
    #[error(
        "init has no NET_ADMIN, without which nobody writes rules: the pod's istio-init needs `capabilities: {{add: [NET_ADMIN, \
         NET_RAW]}}`, and either user 0 or an image whose pillion-proxy has kept its file capabilities"
    )]
    NetAdmin,
    /// It can't be passed on.
    #[error("{0} can't be passed on to the programs of iptables: {1}")]
    NotPassedOn(Capability, CapsError),
    /// The kernel doesn't say.
    #[error("the process's capabilities can't be read: {0}")]
    Unreadable(CapsError),
}

/// Whether this process may write rules.
///
/// # Errors
///
/// When the kernel doesn't say.
pub fn may_administer() -> Result<bool, Missing> {
    caps::has_cap(None, CapSet::Permitted, Capability::CAP_NET_ADMIN).map_err(Missing::Unreadable)
}

/// Lets the programs that this thread starts have NET_ADMIN, and NET_RAW where init has
/// it: iptables-legacy needs that, too, and says so.
///
/// # Errors
///
/// When NET_ADMIN is missing, or the kernel refuses.
pub fn pass_on() -> Result<(), Missing> {
    if !may_administer()? {
        return Err(Missing::NetAdmin);
    }
    for capability in [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW] {
        let permitted = caps::has_cap(None, CapSet::Permitted, capability);
        if !permitted.map_err(Missing::Unreadable)? {
            continue;
        }
        // In this order: what isn't inheritable can't become ambient.
        for set in [CapSet::Effective, CapSet::Inheritable, CapSet::Ambient] {
            let raised = caps::raise(None, set, capability);
            raised.map_err(|error| Missing::NotPassedOn(capability, error))?;
        }
    }
    Ok(())
}
