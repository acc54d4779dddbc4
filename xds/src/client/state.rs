//! A client without its connection.

use std::{collections::BTreeMap, sync::Arc};

use pillion_envoy_api::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
};

use super::{
    error::{ProtocolError, SubscribeError},
    event::{Refusal, Update},
    subscription::{MAX_PENDING, Subscription},
};
use crate::{limits::shorten, snapshot::sending_rank};

/// A client of `DeltaAggregatedResources`, without its connection: responses go in, requests
/// and updates come out. It knows what is subscribed to and which versions are held, keeps both
/// from one stream to the next, and asks for nothing that it holds.
#[derive(Debug)]
pub struct Client {
    node: Node,
    /// In the order in which resources cite each other.
    subscriptions: Vec<Subscription>,
    /// Whether the stream's first request was sent: it has the node.
    is_introduced: bool,
}

impl Client {
    /// A client that subscribes to nothing, and says that it is this node.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            subscriptions: Vec::new(),
            is_introduced: false,
        }
    }

    /// Subscribes to names, or to all by `*`. Those that are subscribed to already stay so.
    ///
    /// # Errors
    ///
    /// Returns the name that can't be subscribed to: there are too many, or it is none. Those
    /// before it are subscribed to.
    pub fn subscribe(
        &mut self,
        type_url: &'static str,
        names: impl IntoIterator<Item = Arc<str>>,
    ) -> Result<(), (Arc<str>, SubscribeError)> {
        let subscription = self.open(type_url);
        for name in names {
            let shared = name.clone();
            subscription
                .subscribe(name)
                .map_err(|error| (shared, error))?;
        }
        Ok(())
    }

    /// Unsubscribes from names, or from all by `*`. What was held of them is forgotten.
    ///
    /// An update that came before may still have them. If it is answered after they were
    /// subscribed to again, they count as held.
    pub fn unsubscribe(
        &mut self,
        type_url: &'static str,
        names: impl IntoIterator<Item = Arc<str>>,
    ) {
        let subscription = self.open(type_url);
        for name in names {
            subscription.unsubscribe(&name);
        }
    }

    fn open(&mut self, type_url: &'static str) -> &mut Subscription {
        let index = self
            .subscriptions
            .iter()
            .position(|one| one.type_url == type_url)
            .unwrap_or_else(|| {
                let rank = sending_rank(type_url);
                let index = self
                    .subscriptions
                    .partition_point(|one| sending_rank(one.type_url) <= rank);
                self.subscriptions
                    .insert(index, Subscription::new(type_url));
                index
            });
        &mut self.subscriptions[index]
    }

    /// Begins a new stream, on which everything is asked for, with the versions that are held.
    /// Updates of the stream before should have been answered.
    pub fn connected(&mut self) {
        self.is_introduced = false;
        for one in &mut self.subscriptions {
            one.connected();
        }
    }

    /// Takes a response. Returns what is new, which has to be answered; nothing if the response
    /// was refused here, because it is malformed.
    ///
    /// # Errors
    ///
    /// Returns an error if the response can't be answered: the stream has to end.
    pub fn receive(
        &mut self,
        response: DeltaDiscoveryResponse,
    ) -> Result<Option<Update>, ProtocolError> {
        let mut all = self.subscriptions.iter_mut();
        let Some(one) = all.find(|one| one.type_url == response.type_url) else {
            let type_url = shorten(&response.type_url, 300).to_owned();
            return Err(ProtocolError::NotAskedFor(type_url));
        };
        one.receive(response)
    }

    /// Accepts an update: its resources are held, from now on.
    pub fn ack(&mut self, type_url: &str, nonce: &str) {
        self.nack(type_url, nonce, &[]);
    }

    /// Refuses resources of an update, and accepts the others. What was held of those refused
    /// stays so, unless they are used in part. Versions of an earlier update may be among them,
    /// which turned out to be unusable later: the server is told, and again after a reconnect.
    pub fn nack(&mut self, type_url: &str, nonce: &str, refusals: &[Refusal]) {
        let mut all = self.subscriptions.iter_mut();
        if let Some(one) = all.find(|one| one.type_url == type_url) {
            one.answer(nonce, refusals);
        }
    }

    /// Whether another response may come: few enough updates wait for their answer.
    #[must_use]
    pub fn can_receive(&self) -> bool {
        let all = self.subscriptions.iter();
        all.map(Subscription::pending).sum::<usize>() < MAX_PENDING
    }

    /// Whether all updates were answered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.subscriptions.iter().all(|one| one.pending() == 0)
    }

    /// Whether the stream has to be renewed, because all was subscribed to after a part was
    /// left.
    #[must_use]
    pub fn needs_new_stream(&self) -> bool {
        let mut all = self.subscriptions.iter();
        all.any(Subscription::needs_new_stream)
    }

    /// Whether any server has to answer: it is asked for everything of some type.
    #[must_use]
    pub fn expects_answer(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_wildcard)
    }

    /// Whether [`next_request`](Self::next_request) has one.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_ready)
    }

    /// The next request to send, if there is one.
    pub fn next_request(&mut self) -> Option<DeltaDiscoveryRequest> {
        let mut request = self.subscriptions.iter_mut().find_map(Subscription::next)?;
        if !self.is_introduced {
            self.is_introduced = true;
            request.node = Some(self.node.clone());
        }
        Some(request)
    }

    /// The versions of the resources of a type that were accepted, by name.
    #[must_use]
    pub fn held(&self, type_url: &str) -> BTreeMap<Arc<str>, Arc<str>> {
        let mut all = self.subscriptions.iter();
        let found = all.find(|one| one.type_url == type_url);
        found.map(|one| one.held().clone()).unwrap_or_default()
    }
}
