//! A request, and what is known of it, until it is recorded.

use std::sync::Arc;

use http::Method;

use super::{connection::Connection, tally::Tally, traced::Traced, worker::Worker};
use crate::{
    message::{Fields, RequestHead},
    tables::{Cluster, Route},
};

/// A request, which is recorded when it is dropped.
pub(super) struct Request<'a, 't> {
    worker: &'a Worker,
    connection: &'a Connection,
    pub head: RequestHead,
    pub tally: Tally,
    pub route: Option<Cited<'t, Route>>,
    pub cluster: Option<Cited<'t, Cluster>>,
    pub traced: Traced,
    /// Whether all has been done that there was to do.
    pub has_ended: bool,
    /// Whether another value is this request now.
    has_moved: bool,
}

/// What a request cites of the tables.
pub(super) enum Cited<'t, T> {
    /// Without counting it: the request holds the tables.
    Borrowed(&'t T),
    /// It outlives the tables.
    Counted(Arc<T>),
}

impl<T> Cited<'_, T> {
    fn get(&self) -> &T {
        match self {
            Self::Borrowed(cited) => cited,
            Self::Counted(cited) => cited,
        }
    }
}

impl<'a, 't> Request<'a, 't> {
    /// Nothing is known of where it goes.
    pub fn new(
        worker: &'a Worker,
        connection: &'a Connection,
        head: RequestHead,
        tally: Tally,
    ) -> Self {
        Self {
            worker,
            connection,
            head,
            tally,
            route: None,
            cluster: None,
            traced: Traced::Off,
            has_ended: false,
            has_moved: false,
        }
    }

    /// Records the route and cluster that the request was sent to.
    pub fn cite(&mut self, route: &'t Route, cluster: &'t Cluster) {
        self.route = Some(Cited::Borrowed(route));
        self.cluster = Some(Cited::Borrowed(cluster));
    }

    /// The same request, which outlives the tables.
    pub fn without_tables(mut self, route: &Arc<Route>, cluster: &Arc<Cluster>) -> Request<'a, 'a> {
        self.has_moved = true;
        let nothing = RequestHead::new(Method::GET, None, b"", Fields::default());
        let head = std::mem::replace(&mut self.head, nothing);
        let tally = std::mem::replace(&mut self.tally, Tally::new());
        let mut request = Request::new(self.worker, self.connection, head, tally);
        request.traced = std::mem::take(&mut self.traced);
        request.route = Some(Cited::Counted(Arc::clone(route)));
        request.cluster = Some(Cited::Counted(Arc::clone(cluster)));
        request
    }
}

/// A stream of HTTP/2 is dropped with its connection, wherever its request is then.
impl Drop for Request<'_, '_> {
    fn drop(&mut self) {
        if self.has_moved {
            return;
        }
        if !self.has_ended {
            self.tally.client_gone();
        }
        let cited = (
            self.route.as_ref().map(Cited::get),
            self.cluster.as_ref().map(Cited::get),
        );
        let mut record = self.tally.record(&self.head, self.connection, cited);
        record.trace = self.traced.trace();
        self.worker.recorder.request(&record);
        self.traced.end(self.worker, &record);
    }
}
