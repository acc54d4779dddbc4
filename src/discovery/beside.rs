//! What the webhook says of an object because of others: it is looked for with the findings, and the
//! webhook reads what was found last.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pillion_api::AnyObject;

use crate::model::StrictHosts;

/// What was found last. Copies are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside(Arc<ArcSwap<StrictHosts>>);

impl Beside {
    /// Replaces what was found.
    pub fn set(&self, strict: StrictHosts) {
        self.0.store(Arc::new(strict));
    }

    /// What to say of an object that is about to be written.
    pub fn warnings(&self, object: &AnyObject) -> Vec<String> {
        match object {
            AnyObject::DestinationRule(rule) => {
                let strict = self.0.load();
                strict.refusals(&rule.metadata.namespace, &rule.spec)
            }
            AnyObject::VirtualService(_)
            | AnyObject::Gateway(_)
            | AnyObject::ServiceEntry(_)
            | AnyObject::Telemetry(_)
            | AnyObject::PeerAuthentication(_) => Vec::new(),
        }
    }
}
