//! Follows all objects of a kind.

use std::{fmt::Debug, pin::pin};

use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::synced::Synced;
use crate::{
    discovery::{names::Names, update::Update},
    error_chain,
    model::Key,
};

/// A kind of objects, and where its changes go.
pub(super) struct Kind<A, D> {
    /// The kind's name in the log.
    pub name: &'static str,
    /// Returns the update for an object that was created or has changed; `None` to keep the
    /// last version in force.
    pub apply: A,
    /// Returns the update for an object that was deleted.
    pub delete: D,
}

/// Follows the objects until the receiver is gone. After an error, it backs off and lists
/// them again; what was deleted in between is then found by comparing names.
pub(super) async fn follow<K>(
    api: Api<K>,
    config: watcher::Config,
    mut kind: Kind<impl FnMut(K) -> Option<Update>, impl Fn(Key) -> Update>,
    updates: mpsc::Sender<Update>,
    mut synced: Synced,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut names = Names::default();
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(
                    kind = kind.name,
                    error = error_chain(&error),
                    "a watch failed; watching again"
                );
                continue;
            }
        };
        let is_last = matches!(event, watcher::Event::InitDone);
        let (applied, deleted) = names.take(event);
        let applied = applied.and_then(&mut kind.apply);
        for update in deleted.into_iter().map(&kind.delete).chain(applied) {
            if updates.send(update).await.is_err() {
                return;
            }
        }
        if is_last {
            synced.set(&updates).await;
        }
    }
}
