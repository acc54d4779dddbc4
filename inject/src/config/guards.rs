//! `sidecarInjectorWebhook.guards`: what is refused and not only warned of.

use crate::guard::Guard;

/// The guards that refuse the pods on which they find something.
#[derive(Debug)]
pub(crate) struct RefusingGuards(pub Vec<Guard>);

impl RefusingGuards {
    pub fn contains(&self, guard: Guard) -> bool {
        self.0.contains(&guard)
    }
}
