//! The watches of what the model is made of.
//!
//! Each is a task of its own, and tells the model's thread what has changed. What they keep is
//! the names of objects alone.

mod crowded;
mod follow;
mod listed;
mod mesh;
mod revision;
mod rules;
mod synced;

use k8s_openapi::api::{core::v1, discovery::v1::EndpointSlice};
use kube::{Api, Client, core::PartialObjectMeta, runtime::watcher};
use pillion_serve::Readiness;
use tokio::{sync::mpsc, task::JoinSet};

use self::{
    crowded::Crowded,
    follow::{Kind, follow},
    revision::Revision,
    synced::Synced,
};
use super::{
    convert::{endpoints, meta, pod, service},
    report::Reports,
    status::Board,
    update::Update,
};
use crate::model::{Change, Event, Key};

pub(super) use mesh::Settings as MeshSettings;

/// Objects in a page of a list, which is in memory as a whole.
const PAGE: u32 = 50;
/// Those of kinds that are read whole, and of which one may have a megabyte and more.
const SMALL_PAGE: u32 = 10;

/// What the watches need.
pub(super) struct Context<'a> {
    pub client: &'a Client,
    /// The name of this service's revision; rules of others are left out.
    pub revision: &'a str,
    pub updates: &'a mpsc::Sender<Update>,
    pub reports: &'a Reports,
    pub board: &'a Board,
    pub readiness: &'a Readiness,
}

/// Starts the watches. Returns how many there are, each of which says once that it has sent
/// all of its objects ([`Update::Synced`]).
pub(super) fn spawn(
    tasks: &mut JoinSet<()>,
    settings: MeshSettings,
    context: &Context<'_>,
) -> usize {
    let mut watches = Watches {
        tasks,
        context,
        count: 0,
    };
    watches.objects();
    let (client, updates) = (context.client, context.updates);
    let synced = watches.synced(
        "waiting for a valid mesh configuration; if it is invalid, the log and an Event on its ConfigMap say why",
    );
    watches.tasks.spawn(mesh::follow(
        client.clone(),
        settings,
        updates.clone(),
        context.reports.clone(),
        synced,
    ));
    for kind in pillion_api::Kind::ALL {
        let synced = watches.synced(match kind {
            pillion_api::Kind::VirtualService => "waiting for the list of VirtualServices",
            pillion_api::Kind::DestinationRule => "waiting for the list of DestinationRules",
            pillion_api::Kind::Gateway => "waiting for the list of Gateways",
            pillion_api::Kind::ServiceEntry => "waiting for the list of ServiceEntries",
            pillion_api::Kind::Telemetry => "waiting for the list of Telemetries",
            pillion_api::Kind::PeerAuthentication => "waiting for the list of PeerAuthentications",
        });
        watches.tasks.spawn(rules::follow(
            client.clone(),
            (kind, Revision::new(context.revision)),
            updates.clone(),
            (context.reports.clone(), context.board.clone()),
            synced,
        ));
    }
    watches.count
}

struct Watches<'a> {
    tasks: &'a mut JoinSet<()>,
    context: &'a Context<'a>,
    count: usize,
}

impl Watches<'_> {
    fn synced(&mut self, waits_for: &'static str) -> Synced {
        self.count += 1;
        Synced::new(self.context.readiness.register(waits_for))
    }

    /// Starts the watches of Kubernetes' own kinds.
    fn objects(&mut self) {
        let all = || watcher::Config::default().page_size(PAGE);
        let few = || watcher::Config::default().page_size(SMALL_PAGE);
        let synced = self.synced("waiting for the list of Services");
        let mut crowded = Crowded::default();
        let services = Kind {
            name: "Service",
            apply: move |object: v1::Service| {
                crowded.look_at(&object);
                Some(event(Event::Service(Change::Apply(service::service(
                    &object,
                )))))
            },
            delete: |key| event(Event::Service(Change::Delete(key))),
        };
        self.tasks.spawn(follow(
            self.api(),
            few(),
            services,
            self.context.updates.clone(),
            synced,
        ));

        let synced = self.synced("waiting for the list of EndpointSlices");
        let slices = Kind {
            name: "EndpointSlice",
            apply: |object: EndpointSlice| {
                let change = match endpoints::endpoint_slice(&object) {
                    Some(slice) => Change::Apply(slice),
                    None => Change::Delete(meta::key(&object)),
                };
                Some(event(Event::Endpoints(change)))
            },
            delete: |key| event(Event::Endpoints(Change::Delete(key))),
        };
        self.tasks.spawn(follow(
            self.api(),
            few(),
            slices,
            self.context.updates.clone(),
            synced,
        ));

        let synced = self.synced("waiting for the list of Pods");
        let pods = Kind {
            name: "Pod",
            apply: |object: pod::Listed| {
                Some(Update::Pod {
                    change: Box::new(match pod::pod(&object) {
                        Some(pod) => Change::Apply(pod),
                        None => Change::Delete(meta::key(&object)),
                    }),
                    uid: object.metadata.uid.as_deref().unwrap_or_default().into(),
                })
            },
            delete: |key| Update::Pod {
                change: Box::new(Change::Delete(key)),
                uid: "".into(),
            },
        };
        self.tasks.spawn(follow(
            self.api(),
            all(),
            pods,
            self.context.updates.clone(),
            synced,
        ));

        let synced = self.synced("waiting for the list of Namespaces");
        let namespaces = Kind {
            name: "Namespace",
            apply: |object: PartialObjectMeta<v1::Namespace>| {
                Some(event(Event::Namespace(Change::Apply(meta::namespace(
                    &object,
                )))))
            },
            delete: |key: Key| event(Event::Namespace(Change::Delete(key))),
        };
        self.tasks.spawn(follow(
            self.api(),
            all(),
            namespaces,
            self.context.updates.clone(),
            synced,
        ));

        let synced = self.synced("waiting for the list of Nodes");
        let nodes = Kind {
            name: "Node",
            apply: |object: PartialObjectMeta<v1::Node>| {
                Some(event(Event::Node(Change::Apply(meta::node(&object)))))
            },
            delete: |key: Key| event(Event::Node(Change::Delete(key))),
        };
        self.tasks.spawn(follow(
            self.api(),
            all(),
            nodes,
            self.context.updates.clone(),
            synced,
        ));
    }

    fn api<K: kube::Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.context.client.clone())
    }
}

fn event(event: Event) -> Update {
    Update::Object(Box::new(event))
}
