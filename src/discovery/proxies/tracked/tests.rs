use std::net::Ipv4Addr;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use pillion_envoy_api::{
    any,
    envoy::config::{
        core::v3::Metadata,
        route::v3::{Route, RouteConfiguration, VirtualHost},
    },
    type_url,
};
use pillion_xds::{RefusedResource, Resource, resources};
use prost_types::{Struct, Value, value};
use serde_json::json;

use super::*;
use crate::discovery::{proxies::report::State, status::Checked};

const ROUTES: &str = type_url::ROUTE_CONFIGURATION;
const KIND: pillion_api::Kind = pillion_api::Kind::VirtualService;

/// A stream of one proxy, and all that it may see.
struct Test {
    tell: Tell,
    snapshots: watch::Sender<Snapshot>,
    tracked: Arc<Tracked>,
}

/// A table with a virtual host for each rule.
fn table(rules: &[&str]) -> Resource {
    let route = |rule: &str| {
        let path = format!("/apis/networking.istio.io/v1/namespaces/shop/virtual-service/{rule}");
        let path = Value {
            kind: Some(value::Kind::StringValue(path)),
        };
        let fields = [("config".to_owned(), path)].into_iter().collect();
        Route {
            metadata: Some(Metadata {
                filter_metadata: [("istio".to_owned(), Struct { fields })].into(),
                ..Metadata::default()
            }),
            ..Route::default()
        }
    };
    let hosts = rules.iter().map(|rule| VirtualHost {
        routes: vec![route(rule)],
        ..VirtualHost::default()
    });
    let table = RouteConfiguration {
        name: "9080".to_owned(),
        virtual_hosts: hosts.collect(),
        ..RouteConfiguration::default()
    };
    Resource::new("9080", any(ROUTES, &table))
}

fn snapshot(rules: &[&str]) -> Snapshot {
    Snapshot::new().with(ROUTES, resources([table(rules)]))
}

/// What our proxy says about a part of the table.
fn text(rules: &[&str], reason: &str) -> String {
    let table = table(rules);
    let refused = RefusedResource {
        name: &table.name,
        version: &table.version,
        reason,
    };
    refused.to_string()
}

impl Test {
    fn new(rules: &[&str], attributions: Attributions) -> Self {
        let tell = Tell {
            proxies: Proxies::default(),
            board: Board::default(),
            reports: Reports::unpublished(Arc::default()),
            attributions,
        };
        let gvk = GroupVersionKind::gvk(KIND.group(), "v1", KIND.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, KIND.plural());
        for rule in rules {
            let object: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"namespace": "shop", "name": rule, "uid": rule},
                "spec": {},
            }))
            .unwrap();
            tell.board
                .seen(KIND, &resource, &object, Checked::default());
        }
        let (snapshots, receiver) = watch::channel(snapshot(rules));
        let pod = Key::new("shop", "web");
        let tracked = Tracked::new(&tell, &pod, Ipv4Addr::LOCALHOST.into(), receiver);
        Self {
            tell,
            snapshots,
            tracked: Arc::new(tracked),
        }
    }

    fn nacked(&self, nonce: &str, text: &str) {
        self.tracked.sent(ROUTES, nonce, 1);
        self.tracked.nacked(ROUTES, nonce, text, &|_: &str| None);
    }

    fn acked(&self, nonce: &str) {
        self.tracked.sent(ROUTES, nonce, 1);
        self.tracked.acked(ROUTES, nonce);
    }

    /// The state, and the rules that `proxy-status` names.
    fn shown(&self) -> (State, Vec<String>) {
        let reports = self.tell.proxies.reports();
        let of_kind = &reports[0].kinds["RDS"];
        (of_kind.state, of_kind.rules.clone())
    }
}

#[tokio::test]
async fn a_refusal_of_our_proxy_is_ascribed_to_the_rule_that_it_is_about() {
    let (attributions, run) = Attributions::new();
    let rules = ["innocent", "guilty"];
    let test = Test::new(&rules, attributions);
    let text = text(&rules, "virtual_hosts[1].routes[0].match: no");
    test.nacked("1", &text);
    // What is work is done elsewhere.
    assert_eq!(test.shown(), (State::Nack, Vec::new()));
    let tracked = Arc::clone(&test.tracked);
    let told = async {
        loop {
            let told = tracked.kinds().values().map(|one| one.told.clone()).next();
            match told {
                Some(told) if !told.is_empty() => return told,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let told = tokio::select! {
        () = run => unreachable!("it has been stopped"),
        told = told => told,
    };
    let (rule, reason) = told.first_key_value().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(rule.to_string(), "VirtualService shop/guilty");
    assert_eq!(&**reason, "9080: virtual_hosts[1].routes[0].match: no");
    let shown = (State::Nack, vec!["VirtualService shop/guilty".to_owned()]);
    assert_eq!(test.shown(), shown);
}

#[tokio::test]
async fn a_refusal_lasts_until_another_version_is_accepted() {
    let rules = ["reviews"];
    let test = Test::new(&rules, Attributions::undone());
    test.nacked("1", &text(&rules, "virtual_hosts[0].routes[0]: no"));
    test.tracked.attribute("RDS", ROUTES);
    assert_eq!(test.shown().1.len(), 1);
    // Another table is accepted.
    test.acked("2");
    assert_eq!(test.shown().0, State::Nack);
    assert_eq!(test.shown().1.len(), 1);
    test.snapshots.send_replace(snapshot(&["reviews", "more"]));
    test.acked("3");
    assert_eq!(test.shown(), (State::Synced, Vec::new()));
    assert!(test.tracked.kinds()["RDS"].told.is_empty());
}

#[tokio::test]
async fn a_version_that_was_replaced_is_not_looked_for_in_the_next_one() {
    let test = Test::new(&["new"], Attributions::undone());
    test.nacked("1", &text(&["old"], "virtual_hosts[0].routes[0]: no"));
    test.tracked.attribute("RDS", ROUTES);
    assert_eq!(test.shown(), (State::Nack, Vec::new()));
    test.acked("2");
    assert_eq!(test.shown().0, State::Synced);
}

#[tokio::test]
async fn a_proxy_that_was_sent_nothing_because_it_has_all_is_synced() {
    let test = Test::new(&["reviews"], Attributions::undone());
    assert_eq!(test.shown().0, State::NotSent);
    test.tracked.resumed("type/unknown");
    assert_eq!(test.shown().0, State::NotSent);
    test.tracked.resumed(ROUTES);
    assert_eq!(test.shown(), (State::Synced, Vec::new()));
    test.nacked("1", "no");
    assert_eq!(test.shown().0, State::Nack);
}

#[tokio::test]
async fn a_proxy_that_never_replies_keeps_nothing_that_was_replaced() {
    let test = Test::new(&["reviews"], Attributions::undone());
    let routes = Arc::downgrade(test.snapshots.borrow().get(ROUTES).unwrap().shared());
    test.tracked.sent(ROUTES, "1", 1);
    test.snapshots.send_replace(snapshot(&["reviews", "more"]));
    assert!(routes.upgrade().is_none());
}

/// As Envoy says it.
#[tokio::test]
async fn a_refusal_without_version_is_about_what_was_sent() {
    let test = Test::new(&["reviews"], Attributions::undone());
    test.tracked.sent(ROUTES, "1", 1);
    let sent = table(&["reviews"]).version;
    // The next one is there already, but not sent.
    test.snapshots.send_replace(snapshot(&["reviews", "more"]));
    let text = "Error adding route config 9080: VirtualHosts[1]: no";
    test.tracked
        .nacked(ROUTES, "1", text, &|_: &str| Some(Arc::clone(&sent)));
    test.tracked.attribute("RDS", ROUTES);
    assert_eq!(test.shown(), (State::Nack, Vec::new()));
    test.acked("2");
    assert_eq!(test.shown(), (State::Synced, Vec::new()));
}

#[tokio::test]
async fn a_refusal_for_which_the_queue_has_no_room_is_looked_at_after_the_next_reply() {
    let (attributions, run) = Attributions::new();
    while attributions.add(|| {}) {}
    let rules = ["reviews"];
    let test = Test::new(&rules, attributions);
    test.nacked("1", &text(&rules, "virtual_hosts[0].routes[0]: no"));
    assert!(!test.tracked.kinds()["RDS"].standing.is_queued);
    let tracked = Arc::clone(&test.tracked);
    let replies = async {
        loop {
            // Another table is accepted.
            test.acked("2");
            if !tracked.kinds()["RDS"].told.is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = run => unreachable!("it has been stopped"),
        () = replies => {}
    }
    assert_eq!(test.shown().1.len(), 1);
}

#[tokio::test]
async fn each_refusal_is_shown_however_many_there_are() {
    let rules = ["reviews"];
    let test = Test::new(&rules, Attributions::undone());
    for number in 0..1_000 {
        test.nacked(&number.to_string(), &text(&rules, &format!("no {number}")));
    }
    let reports = test.tell.proxies.reports();
    let refusal = reports[0].kinds["RDS"].refusal.as_deref();
    assert_eq!(refusal, Some("9080: no 999"));
}
