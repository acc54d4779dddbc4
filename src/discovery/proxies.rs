//! The proxies that are connected to this replica, and what they made of what they were sent:
//! for `proxy-status`, for statuses, and for Events.

mod attribution;
mod attributions;
mod kind;
mod origin;
mod registry;
pub(crate) mod report;
mod standing;
mod tracked;

pub(super) use self::{
    attributions::Attributions,
    registry::Proxies,
    tracked::{Tell, Tracked},
};
