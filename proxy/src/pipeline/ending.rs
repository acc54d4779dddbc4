//! The end of a request.

use std::{future::poll_fn, task::Poll};

use tokio::task::yield_now;

use super::{
    broken_off::{self, Progress},
    downstream::Downstream,
    ended::Ended,
    exchange::Exchange,
};
use crate::records::ResponseFlag;

/// Envoy's text for a request that was ended because newer tables have no place for its connection.
const CHAIN_GONE: &str = "downstream_local_disconnect(filter_chain_is_being_removed)";

impl<D: Downstream> Exchange<'_, '_, D> {
    /// Does what there is to do at the end. What came of the request is recorded when the
    /// exchange is dropped.
    pub async fn end(&mut self, ended: Result<(), Ended>) {
        match ended {
            Ok(()) => {}
            Err(Ended::Failed(failure)) => self.reply(&failure).await,
            Err(Ended::Cut(broken)) => {
                self.count_refused_response(&broken);
                let details = broken_off::details(&broken, Progress::Begun);
                self.request.tally.flags.insert(broken_off::flag(&broken));
                self.request.tally.details = details.into();
                self.send_what_came().await;
                self.downstream.abort();
            }
            Err(Ended::BadRequest(reason)) => {
                self.count_refused_request(reason);
                let flag = ResponseFlag::DownstreamProtocolError;
                self.request.tally.flags.insert(flag);
                self.request.tally.details = reason.into();
                self.downstream.abort();
            }
            Err(Ended::ClientGone) => {
                self.request.tally.client_gone();
                self.downstream.abort();
            }
            Err(Ended::Idle) => {
                self.request
                    .tally
                    .flags
                    .insert(ResponseFlag::StreamIdleTimeout);
                self.request.tally.details = "stream_idle_timeout".into();
                self.downstream.abort();
            }
            Err(Ended::Late(expired)) => {
                let flag = ResponseFlag::UpstreamRequestTimeout;
                self.request.tally.flags.insert(flag);
                self.request.tally.details = expired.details().into();
                self.downstream.abort();
            }
            Err(Ended::Left) => {
                // The same flag as Envoy's.
                let flag = ResponseFlag::DownstreamConnectionTermination;
                self.request.tally.flags.insert(flag);
                self.request.tally.details = CHAIN_GONE.into();
                self.downstream.abort();
            }
        }
        self.request.has_ended = true;
    }

    /// Sends what has come of a response before it is broken off: a client that got nothing
    /// would take its request for unanswered, and might repeat it.
    async fn send_what_came(&mut self) {
        let downstream = &mut *self.downstream;
        let _ = poll_fn(|context| Poll::Ready(downstream.poll_flush(context))).await;
        // A connection of HTTP/2 sends by itself, and would drop what a reset stream has left.
        yield_now().await;
    }
}
