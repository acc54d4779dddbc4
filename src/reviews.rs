//! What both webhooks do with reviews, whatever is in them: they read bodies within the budgets
//! of their callers and of the process, work on threads that serve callers in turn, and account
//! for responses until they are sent.

pub(crate) mod body;
pub(crate) mod pool;
pub(crate) mod response_body;
