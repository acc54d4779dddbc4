//! What becomes of a request: virtual hosts, their routes in order, and the one function
//! that decides.

mod action;
mod decide;
mod matches;
mod table;

pub use action::{
    Action, DirectResponse, Forward, HeaderOperation, HeaderOperations, PathRewrite, Redirect,
    RedirectPort, Retries, WeightedCluster,
};
pub use decide::{Decision, RequestFacts};
pub use matches::{PathMatch, RouteMatch, TextMatch, ValueMatch};
pub use table::{Fallback, Route, RouteTable, Routes, RuleRef, VirtualHost};
