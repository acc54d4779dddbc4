//! Watches Istio's kinds, in whatever version the API server has them.
//!
//! An object is read as plain JSON, so that one which is invalid stalls no other. It is left
//! out, or its last good version stays in force; the log, an Event on it and its status say why.
//! Of an invalid PeerAuthentication, what can be read is in force.

use std::{collections::HashMap, pin::pin, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
    runtime::{WatchStreamExt, watcher},
};
use pillion_api::Warning;
use tokio::{
    sync::mpsc,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{listed::Listed, revision::Revision, synced::Synced};
use crate::{
    cluster::with_timeout,
    discovery::{
        convert::{kind::kind, meta::key, rule},
        names::Names,
        report::{Report, Reports},
        status::{Board, Checked},
        update::Update,
    },
    error_chain,
    model::Key,
};

/// How often to look again for a kind that the API server does not have.
const AGAIN: Duration = Duration::from_secs(10);
/// Rules in a page of a list: each may have a megabyte and more, and the text of a page is in memory
/// as a whole.
const PAGE: u32 = 8;
/// How often to check that the kind is still there while its watch fails.
const MISSING: Duration = Duration::from_secs(5);

/// Watches the objects of a kind, as far as they are for a revision, until the receiver is gone.
pub(super) async fn follow(
    client: Client,
    (kind, revision): (pillion_api::Kind, Revision),
    updates: mpsc::Sender<Update>,
    (reports, board): (Reports, Board),
    mut synced: Synced,
) {
    let mut rules = Rules {
        kind,
        revision,
        updates,
        reports,
        board,
        names: Names::default(),
        refused: HashMap::new(),
    };
    loop {
        match served(&client, kind).await {
            Ok(Some(resource)) => rules.watch(&client, resource, &mut synced).await,
            Ok(None) => {
                // Without its CRD there are no objects. One may be installed later.
                rules.forget().await;
                synced.set(&rules.updates).await;
            }
            Err(error) => tracing::warn!(
                kind = kind.name(),
                error = error_chain(&error),
                "cannot find out in which version the API server has a kind; trying again"
            ),
        }
        if rules.updates.is_closed() {
            return;
        }
        sleep(AGAIN).await;
    }
}

/// Returns the kind in the newest version that the API server has.
async fn served(client: &Client, kind: pillion_api::Kind) -> kube::Result<Option<ApiResource>> {
    for version in kind.versions() {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(kind.group(), version, kind.name()),
            kind.plural(),
        );
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        match with_timeout(api.list_metadata(&ListParams::default().limit(1))).await {
            Ok(_) => return Ok(Some(resource)),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Reads an object on a thread of its own: a large one takes milliseconds, in which no stream of a
/// proxy must wait.
/// One that can't be read is returned without its spec.
async fn read(kind: pillion_api::Kind, listed: Listed) -> (DynamicObject, Read) {
    let head = listed.head();
    let read = spawn_blocking(move || match listed.read() {
        Ok(object) => {
            let read = match rule::applied(kind, &object) {
                Ok((update, warnings)) => Read::valid(update, warnings),
                Err(faults) => Read::invalid(faults, rule::applied_in_part(kind, &object)),
            };
            (object, read)
        }
        Err(fault) => (listed.head(), Read::invalid(vec![fault], None)),
    });
    read.await.unwrap_or_else(|_| {
        let text = "it can't be read because of a bug in Pillion: please report it";
        (head, Read::invalid(vec![text.to_owned()], None))
    })
}

/// What reading an object has found.
#[derive(Debug)]
struct Read {
    /// What it means; `None` if it is not in force.
    update: Option<Update>,
    checked: Checked,
}

impl Read {
    fn valid(update: Update, warnings: Vec<Warning>) -> Self {
        Self {
            update: Some(update),
            checked: Checked {
                warnings,
                ..Checked::default()
            },
        }
    }

    /// What of it is in force all the same, if anything is.
    fn invalid(faults: Vec<String>, in_part: Option<Update>) -> Self {
        let checked = Checked {
            faults,
            is_in_part: in_part.is_some(),
            ..Checked::default()
        };
        Self {
            update: in_part,
            checked,
        }
    }
}

/// How objects are listed.
fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

/// The objects of a kind.
struct Rules {
    kind: pillion_api::Kind,
    revision: Revision,
    updates: mpsc::Sender<Update>,
    reports: Reports,
    board: Board,
    names: Names,
    /// The objects that are invalid, each with the generation of its spec, so that a new list
    /// or a new status does not report them again.
    refused: HashMap<Key, (String, i64)>,
}

impl Rules {
    /// Follows the objects until the API server no longer has the kind in this version.
    async fn watch(&mut self, client: &Client, resource: ApiResource, synced: &mut Synced) {
        let api: Api<Listed> = Api::all_with(client.clone(), &resource);
        let mut events = pin!(watcher(api, config()).default_backoff());
        let mut fails = false;
        loop {
            let next = timeout(MISSING, events.next()).await;
            match next {
                Ok(Some(Ok(event))) => {
                    fails = false;
                    let Some(event) = self.revision.event(event) else {
                        continue;
                    };
                    let is_last = matches!(event, watcher::Event::InitDone);
                    let (applied, deleted) = self.names.take(event);
                    if self.pass_on(&resource, applied, deleted).await.is_none() {
                        return;
                    }
                    if is_last {
                        synced.set(&self.updates).await;
                    }
                }
                Ok(Some(Err(error))) => {
                    fails = true;
                    tracing::warn!(
                        kind = self.kind.name(),
                        error = error_chain(&error),
                        "a watch failed; watching again"
                    );
                }
                Ok(None) => return,
                Err(_) if fails => {}
                Err(_) => continue,
            }
            if fails {
                let still = served(client, self.kind).await;
                if still.is_ok_and(|still| still.as_ref() != Some(&resource)) {
                    return;
                }
            }
        }
    }

    /// Sends what has changed. Returns `None` if the receiver is gone.
    async fn pass_on(
        &mut self,
        resource: &ApiResource,
        applied: Option<Listed>,
        deleted: Vec<Key>,
    ) -> Option<()> {
        for key in deleted {
            self.refused.remove(&key);
            self.board.gone(self.kind, &key);
            let update = rule::deleted(self.kind, key);
            self.updates.send(update).await.ok()?;
        }
        let Some(listed) = applied else {
            return Some(());
        };
        let (object, Read { update, checked }) = read(self.kind, listed).await;
        if checked.faults.is_empty() {
            self.refused.remove(&key(&object));
        } else {
            self.refuse(resource, &object, &checked);
        }
        let seen = self.board.seen(self.kind, resource, &object, checked);
        let Some(update) = update else {
            return Some(());
        };
        self.updates.send(update).await.ok()?;
        if let Some(number) = seen {
            let update = Update::Seen(kind(self.kind), number);
            self.updates.send(update).await.ok()?;
        }
        Some(())
    }

    /// Reports that an object is invalid.
    fn refuse(&mut self, resource: &ApiResource, object: &DynamicObject, checked: &Checked) {
        let key = key(object);
        let generation = object.metadata.generation.unwrap_or_default();
        let version = (object.uid().unwrap_or_default(), generation);
        if self.refused.get(&key) == Some(&version) {
            return;
        }
        let faults = checked.faults.join("; ");
        let holds = if checked.is_in_part {
            tracing::warn!(
                kind = self.kind.name(),
                object = %key,
                faults = faults.as_str(),
                "a rule is invalid, and in force in part: what it closes holds, and a mode that can't be read is STRICT"
            );
            "in force in part"
        } else {
            tracing::warn!(
                kind = self.kind.name(),
                object = %key,
                faults = faults.as_str(),
                "a rule is invalid and not in force; its last valid version, if this process has seen one, stays in force"
            );
            "not in force"
        };
        self.refused.insert(key, version);
        let reference: ObjectReference = object.object_ref(resource);
        self.reports.send(Report {
            reference,
            reason: "InvalidRule",
            action: "Validate",
            note: format!("{holds}: {faults}"),
        });
    }

    /// Removes all objects: the API server no longer has the kind.
    async fn forget(&mut self) {
        self.refused.clear();
        for key in self.names.clear() {
            self.board.gone(self.kind, &key);
            // The receiver is gone only when the process stops.
            let _ = self.updates.send(rule::deleted(self.kind, key)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt;
    use serde_json::json;
    use tokio::runtime::Builder;

    use super::*;
    use crate::model::{Change, Event};

    #[test]
    fn reads_objects_on_other_threads() {
        let object = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "a"},
            "spec": {"servers": [{"hosts": ["*"], "port": {"number": 80, "name": "http", "protocol": "HTTP"}}]},
        });
        let object: Listed = serde_json::from_value(object).unwrap();
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            // The only thread that may be used for it is busy.
            let (release, released) = mpsc::channel::<()>();
            let _busy = spawn_blocking(move || released.recv());
            let mut reading = pin!(read(pillion_api::Kind::Gateway, object));
            assert!(reading.as_mut().now_or_never().is_none());
            drop(release);
            let (_, read) = reading.await;
            assert!(matches!(read.update, Some(Update::Object(_))));
        });
    }

    /// `kubectl apply` showed them, and nothing did afterwards.
    #[tokio::test]
    async fn an_object_has_the_warnings_that_its_review_had() {
        let read_with = async |routes: usize| {
            let route = json!({"route": [{"destination": {"host": "a"}}]});
            let object = json!({
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "a"},
                "spec": {"hosts": ["a"], "http": vec![route; routes]},
            });
            let object: Listed = serde_json::from_value(object).unwrap();
            read(pillion_api::Kind::VirtualService, object).await.1
        };
        let two = read_with(2).await;
        assert!(two.update.is_some());
        let [warning] = &two.checked.warnings[..] else {
            panic!("{two:?}");
        };
        assert_eq!(warning.kind, pillion_api::WarningKind::NeverUsed);
        assert_eq!(
            warning.to_string(),
            "spec.http[1]: is never used, because spec.http[0] matches every request"
        );
        let none = read_with(0).await;
        assert!(none.update.is_none());
        assert_eq!(none.checked.faults.len(), 1);
    }

    /// It may have been stored while nobody validated it.
    #[tokio::test]
    async fn an_invalid_peer_authentication_closes_what_it_should() {
        let read_with = async |kind: pillion_api::Kind, spec: serde_json::Value| {
            let object = json!({
                "apiVersion": format!("{}/v1", kind.group()), "kind": kind.name(),
                "metadata": {"name": "a", "namespace": "shop"}, "spec": spec,
            });
            let object: Listed = serde_json::from_value(object).unwrap();
            read(kind, object).await.1
        };
        let strict =
            json!({"mtls": {"mode": "STRICT"}, "portLevelMtls": {"80": {"mode": "DISABLE"}}});
        let read = read_with(pillion_api::Kind::PeerAuthentication, strict).await;
        assert!(read.checked.is_in_part && read.checked.faults.len() == 1);
        let Some(Update::Object(event)) = read.update else {
            panic!("{read:?}");
        };
        let Event::PeerAuthentication(Change::Apply(object)) = *event else {
            panic!("another event");
        };
        assert_eq!(object.meta.key, Key::new("shop", "a"));
        let mode = object.spec.mtls.map(|mtls| mtls.mode);
        assert_eq!(mode, Some(pillion_api::MutualTlsMode::Strict));
        assert!(object.spec.port_level_mtls.is_empty());
        // Of whom it is for, nothing is known.
        let unknown = json!({"selector": {"app": "web"}, "mtls": {"mode": "STRICT"}});
        let read = read_with(pillion_api::Kind::PeerAuthentication, unknown).await;
        assert!(read.update.is_none() && !read.checked.is_in_part);
        // Half a rule of another kind may send requests where they must not go.
        let hosts = json!({"hosts": ["a"], "http": [{}]});
        let read = read_with(pillion_api::Kind::VirtualService, hosts).await;
        assert!(read.update.is_none() && !read.checked.is_in_part);
    }

    #[test]
    fn lists_large_objects_by_few() {
        assert_eq!(config().page_size, Some(PAGE));
    }
}
