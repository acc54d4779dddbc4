//! Connects simulated proxies, and waits until they have everything.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use pillion_xds::client::Connect;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    cluster::Cluster,
    fleet::{Fleet, Word},
    identity,
    names::Pod,
    proxy,
};

/// How long everything may take to come to all proxies.
const PATIENCE: Duration = Duration::from_secs(300);

/// Connects this many proxies at once; what they have to say comes by the receiver.
pub(crate) async fn connect(
    cluster: &Cluster,
    address: &str,
    (proxies, services): (usize, usize),
) -> anyhow::Result<(Arc<Fleet>, mpsc::UnboundedReceiver<Word>)> {
    let root = identity::root(cluster, Pod::nth(0)).await?;
    let tokens = (0..proxies).map(|number| identity::token(cluster, Pod::nth(number)));
    let tokens: Vec<_> = stream::iter(tokens).buffered(16).try_collect().await?;
    let (fleet, words) = Fleet::new(services);
    let fleet = Arc::new(fleet);
    for (number, token) in tokens.into_iter().enumerate() {
        let root = root.clone();
        let connect = Connect {
            address: address.to_owned(),
            roots: Some(Arc::new(move || Ok(root.clone()))),
            token: Some(Arc::new(move || Ok(token.clone()))),
        };
        tokio::spawn(proxy::follow(number, connect, Arc::clone(&fleet)));
    }
    Ok((fleet, words))
}

/// Waits until this many proxies have everything.
pub(crate) async fn complete(
    words: &mut mpsc::UnboundedReceiver<Word>,
    proxies: usize,
) -> anyhow::Result<()> {
    let all = async {
        for _ in 0..proxies {
            match words.recv().await.context("no proxy is left")? {
                Word::Complete => {}
                Word::Failed(reason) => anyhow::bail!("a proxy's stream has ended: {reason}"),
            }
        }
        Ok(())
    };
    timeout(PATIENCE, all)
        .await
        .context("not all proxies have everything in time")?
}
