//! Both ends against each other, over connections that may end at any time: whatever happens,
//! the client ends up with what the server has of the resources that it subscribes to.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use pillion_envoy_api::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
};
use pillion_xds::{
    Layers, Snapshot,
    client::{Client, Refusal, Update},
    resources,
    server::DeltaStream,
};
use proptest::prelude::*;

use crate::support::*;

const TYPES: [&str; 3] = [CLUSTER, ENDPOINTS, LISTENER];
const NAMES: [&str; 4] = ["a", "b", "c", "*"];

/// What the application can't use.
const BAD: &str = "bad";
/// What it uses, but for a part.
const FAULTY: &str = "faulty";
const CONTENTS: [&str; 5] = ["1", "2", "3", FAULTY, BAD];

#[derive(Debug, Clone, Copy)]
enum Layer {
    Shared,
    Own,
}

#[derive(Debug, Clone)]
enum Step {
    /// The server has other resources of a type, which clients share or which are the client's
    /// own: contents by name, if any.
    Change(usize, Layer, [Option<usize>; 3]),
    Subscribe(usize, usize),
    Unsubscribe(usize, usize),
    /// A message arrives at the other side.
    ToServer,
    ToClient,
    /// The application answers the oldest update.
    Answer,
    /// The connection ends, and messages on their way with it.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let (one_type, name) = (0..TYPES.len(), 0..NAMES.len());
    let content = prop::option::weighted(0.7, 0..CONTENTS.len());
    let layer = prop_oneof![Just(Layer::Shared), Just(Layer::Own)];
    prop_oneof![
        3 => (one_type.clone(), layer, [content.clone(), content.clone(), content])
            .prop_map(|(one, layer, contents)| Step::Change(one, layer, contents)),
        3 => (one_type.clone(), name.clone()).prop_map(|(one, name)| Step::Subscribe(one, name)),
        2 => (one_type, name).prop_map(|(one, name)| Step::Unsubscribe(one, name)),
        6 => Just(Step::ToServer),
        6 => Just(Step::ToClient),
        4 => Just(Step::Answer),
        1 => Just(Step::Reconnect),
    ]
}

/// A server, a client, what is between them, and the client's application.
struct World {
    snapshot: Snapshot,
    server: DeltaStream,
    client: Client,
    requests: VecDeque<DeltaDiscoveryRequest>,
    responses: VecDeque<DeltaDiscoveryResponse>,
    updates: VecDeque<Update>,
    /// What the application uses, by type and name.
    used: BTreeMap<(&'static str, Arc<str>), String>,
    /// Of what it says that it is refused, as a whole or in part.
    refused: BTreeSet<(&'static str, Arc<str>)>,
    subscribed: BTreeSet<(&'static str, &'static str)>,
}

impl World {
    fn new() -> Self {
        let mut client = Client::new(Node::default());
        client.connected();
        Self {
            snapshot: Snapshot::new(),
            server: DeltaStream::new(Snapshot::new()),
            client,
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            updates: VecDeque::new(),
            used: BTreeMap::new(),
            refused: BTreeSet::new(),
            subscribed: BTreeSet::new(),
        }
    }

    fn covers(&self, type_url: &'static str, name: &str) -> bool {
        let all = &self.subscribed;
        all.contains(&(type_url, "*"))
            || all.iter().any(|(one, it)| (*one, *it) == (type_url, name))
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Change(one, layer, contents) => {
                let type_url = TYPES[one];
                let all = NAMES.iter().zip(contents);
                let all = all.filter_map(|(name, content)| {
                    Some(resource(type_url, name, CONTENTS[content?]))
                });
                let all = resources(all);
                let old = self.snapshot.get(type_url).cloned().unwrap_or_default();
                let layers = match layer {
                    Layer::Shared => Layers::new(all, old.own().clone()),
                    Layer::Own => Layers::new(old.shared().clone(), all),
                };
                self.snapshot = self.snapshot.clone().with_layers(type_url, layers);
                self.server.update(self.snapshot.clone());
            }
            Step::Subscribe(one, name) => {
                let (type_url, name) = (TYPES[one], NAMES[name]);
                self.client.subscribe(type_url, names(&[name])).unwrap();
                self.subscribed.insert((type_url, name));
                if self.client.needs_new_stream() {
                    self.take(&Step::Reconnect);
                }
            }
            Step::Unsubscribe(one, name) => {
                let (type_url, name) = (TYPES[one], NAMES[name]);
                self.client.unsubscribe(type_url, names(&[name]));
                self.subscribed.remove(&(type_url, name));
                let mut used = std::mem::take(&mut self.used);
                used.retain(|(one, name), _| self.covers(one, name));
                self.used = used;
                let mut refused = std::mem::take(&mut self.refused);
                refused.retain(|(one, name)| self.covers(one, name));
                self.refused = refused;
            }
            Step::ToServer => self.reach_server(),
            Step::ToClient => self.reach_client(),
            Step::Answer => self.answer(),
            Step::Reconnect => {
                // What the driver waits for.
                while !self.updates.is_empty() {
                    self.answer();
                }
                self.requests.clear();
                self.responses.clear();
                self.server = DeltaStream::new(self.snapshot.clone());
                self.client.connected();
            }
        }
    }

    fn reach_server(&mut self) {
        self.requests.extend(self.client.next_request());
        if let Some(request) = self.requests.pop_front() {
            self.server.request(&request).unwrap();
        }
    }

    fn reach_client(&mut self) {
        if let Some(response) = self.server.next(&()) {
            self.responses.push_back(response);
        }
        if !self.client.can_receive() {
            return;
        }
        if let Some(response) = self.responses.pop_front() {
            let update = self.client.receive(response).unwrap();
            self.updates.push_back(update.expect("well-formed"));
        }
    }

    /// The application uses what it can, and forgets what is gone.
    fn answer(&mut self) {
        let Some(update) = self.updates.pop_front() else {
            return;
        };
        let type_url = update.type_url;
        let mut refusals = Vec::new();
        for one in update.changed {
            let content = String::from_utf8(one.body.value.to_vec()).unwrap();
            self.refused.remove(&(type_url, one.name.clone()));
            let is_used = content != BAD;
            if [BAD, FAULTY].contains(&&*content) {
                if self.covers(type_url, &one.name) {
                    self.refused.insert((type_url, one.name.clone()));
                }
                refusals.push(Refusal {
                    name: one.name.clone(),
                    version: one.version.clone(),
                    reason: content.clone(),
                    is_used,
                });
            }
            if is_used && self.covers(type_url, &one.name) {
                self.used.insert((type_url, one.name), content);
            }
        }
        for name in update.removed {
            self.refused.remove(&(type_url, name.clone()));
            self.used.remove(&(type_url, name));
        }
        self.client.nack(type_url, &update.nonce, &refusals);
    }

    /// Lets all messages arrive.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.reach_server();
            self.reach_client();
            self.answer();
            let is_idle = self.requests.is_empty()
                && self.responses.is_empty()
                && self.updates.is_empty()
                && !self.client.is_ready()
                && !self.server.is_ready();
            if is_idle {
                return;
            }
        }
        panic!("the two never come to rest");
    }

    /// What the application uses is what the server has, but for what it can't use: of that,
    /// it may keep what it had.
    fn check(&self) {
        for type_url in TYPES {
            let has = self.snapshot.get(type_url).cloned().unwrap_or_default();
            for name in &NAMES[..3] {
                let used = self.used.get(&(type_url, Arc::from(*name)));
                let content = has.get(name).filter(|_| self.covers(type_url, name));
                let content = content.map(|one| str::from_utf8(&one.body.value).unwrap());
                if content != Some(BAD) {
                    assert_eq!(used.map(String::as_str), content, "{type_url} {name}");
                }
                let version = self.client.held(type_url).get(*name).cloned();
                let expected = used.map(|used| resource(type_url, name, used).version);
                assert_eq!(version, expected, "version of {type_url} {name}");
                let is_refused = self.refused.contains(&(type_url, Arc::from(*name)));
                let is_faulty = content.is_some_and(|content| [BAD, FAULTY].contains(&content));
                assert_eq!(is_refused, is_faulty, "refusal of {type_url} {name}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_client_ends_up_with_what_the_server_has(
        steps in prop::collection::vec(step(), 0..80)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.settle();
        world.check();
        // Another connection changes nothing, and sends nothing that is held.
        world.take(&Step::Reconnect);
        world.settle();
        world.check();
    }
}

#[test]
fn a_reconnect_sends_nothing_that_is_held() {
    let mut world = World::new();
    for one in 0..3 {
        world.take(&Step::Change(one, Layer::Shared, [Some(0), Some(1), None]));
        world.take(&Step::Subscribe(one, 3));
        world.take(&Step::Subscribe(one, 0));
    }
    world.settle();
    world.take(&Step::Reconnect);
    let mut sent = 0;
    for _ in 0..20 {
        world.reach_server();
        if let Some(response) = world.server.next(&()) {
            sent += response.resources.len();
            let update = world.client.receive(response).unwrap().unwrap();
            world.client.ack(update.type_url, &update.nonce);
        }
    }
    assert_eq!(sent, 0);
    world.check();
}
