use std::{net::SocketAddr, sync::Arc};

use pillion_certs::mesh::{EndpointConfigs, Peer, PeerFault, Tickets};
use rustls::{
    ClientConfig,
    HandshakeKind::{self, Full, Resumed},
    ServerConfig,
};
use time::Duration;

use crate::{
    old::old_server,
    support::{
        API, Ca, WEB, begin, client, exact, finish, now, server, server_with, shake_hands, trust,
    },
};

fn kind(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
    let (client, server) = shake_hands(client, server).joined();
    assert_eq!(client.handshake_kind(), server.handshake_kind());
    server.handshake_kind().unwrap()
}

#[test]
fn a_resumed_session_still_knows_who_the_other_end_is() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let client = client(&web, &trust, &[exact(API)]);
    let server = server(&api, &trust);
    assert_eq!(kind(&client, &server), Full);
    // Each of them gives a ticket for the next.
    for _ in 0..3 {
        let (client, server) = shake_hands(&client, &server).joined();
        assert_eq!(server.handshake_kind(), Some(Resumed));
        assert_eq!(Peer::of(&server).unwrap().id(), Some(web.id()));
        assert_eq!(Peer::of(&client).unwrap().id(), Some(api.id()));
    }
}

/// Rustls does not check it again, so the caller has to.
#[test]
fn an_expired_certificate_is_not_admitted_to_a_resumed_session() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let (client, server) = (client(&web, &trust, &[]), server(&api, &trust));
    assert_eq!(kind(&client, &server), Full);
    let (client, server) = shake_hands(&client, &server).joined();
    assert_eq!(server.handshake_kind(), Some(Resumed));
    let later = now() + Duration::days(1);
    for end in [&**client, &**server] {
        let fault = Peer::admit(end, later).unwrap_err();
        assert!(matches!(fault, PeerFault::Expired { .. }), "{fault}");
    }
}

#[test]
fn a_server_that_renews_its_certificate_still_resumes() {
    let ca = Ca::new();
    let (web, trust, tickets) = (ca.workload(WEB), ca.trust(), Tickets::new().unwrap());
    let client = client(&web, &trust, &[]);
    let server = || server_with(&ca.workload(API), &ca.trust(), None, &tickets);
    assert_eq!(kind(&client, &server()), Full);
    assert_eq!(kind(&client, &server()), Resumed);
}

#[test]
fn a_session_ends_when_trust_or_names_change() {
    let (ca, other) = (Ca::new(), Ca::new());
    let (web, api) = (ca.workload(WEB), ca.workload(API));
    let tickets = Tickets::new().unwrap();
    let more = ca.root().join(other.root());
    let sans = [exact(WEB)];
    let servers = [
        server_with(&api, &ca.trust(), None, &tickets),
        server_with(&api, &trust(&more, &["cluster.local"]), None, &tickets),
        server_with(&api, &trust(&more, &["cluster.local", "b"]), None, &tickets),
        server_with(&api, &ca.trust(), Some(&sans), &tickets),
    ];
    for one in &servers {
        let client = client(&web, &ca.trust(), &[]);
        assert_eq!(kind(&client, one), Full);
        for another in servers.iter().filter(|another| !Arc::ptr_eq(one, another)) {
            assert_eq!(kind(&client, another), Full);
        }
    }
}

/// Whom a server no longer accepts does not get in by an old session.
#[test]
fn a_client_that_is_no_longer_accepted_cant_resume() {
    let ca = Ca::new();
    let (web, api, tickets) = (ca.workload(WEB), ca.workload(API), Tickets::new().unwrap());
    let client = client(&web, &ca.trust(), &[]);
    let all = server_with(&api, &ca.trust(), None, &tickets);
    let sans = [exact(API)];
    let few = server_with(&api, &ca.trust(), Some(&sans), &tickets);
    assert_eq!(kind(&client, &all), Full);
    let fault = shake_hands(&client, &few).server_fault().unwrap();
    assert!(matches!(fault, PeerFault::WrongName { .. }), "{fault}");
}

#[test]
fn a_client_with_another_certificate_starts_anew() {
    let ca = Ca::new();
    let (api, trust) = (ca.workload(API), ca.trust());
    let server = server(&api, &trust);
    let before = client(&ca.workload(WEB), &trust, &[]);
    assert_eq!(kind(&before, &server), Full);
    // It even keeps the sessions, but rustls sees that they are of another.
    let mut after = ClientConfig::clone(&client(&ca.workload(WEB), &trust, &[]));
    after.resumption = before.resumption.clone();
    assert_eq!(kind(&Arc::new(after), &server), Full);
}

#[test]
fn each_endpoint_of_a_service_has_its_sessions() {
    let ca = Ca::new();
    let (web, trust) = (ca.workload(WEB), ca.trust());
    let servers = [(); 2].map(|()| server(&ca.workload(API), &trust));
    let addresses = [1, 2].map(|port| SocketAddr::from(([10, 0, 0, 1], port)));
    let (configs, common) = (EndpointConfigs::new(8), client(&web, &trust, &[]));
    let of = |one: usize| configs.of(&common, addresses[one], now()).config();
    let round = || [0, 1].map(|one| kind(&of(one), &servers[one]));
    assert_eq!(round(), [Full, Full]);
    assert_eq!(round(), [Resumed, Resumed]);
    assert_eq!(round(), [Resumed, Resumed]);
}

#[test]
fn an_endpoint_that_speaks_tls_1_2_has_sessions_too() {
    let ca = Ca::new();
    let (web, api) = (ca.workload(WEB), ca.workload(API));
    let (configs, common) = (EndpointConfigs::new(8), client(&web, &ca.trust(), &[]));
    let (server, address) = (old_server(&api, &ca), ([10, 0, 0, 1], 1).into());
    let next = || kind(&configs.of(&common, address, now()).config(), &server);
    assert_eq!([(); 3].map(|()| next()), [Full, Resumed, Resumed]);
}

/// More tickets would only help clients that open many connections at once, and would cost every client memory.
#[test]
fn few_tickets_of_an_endpoint_are_kept() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let (configs, common) = (EndpointConfigs::new(8), client(&web, &trust, &[]));
    let endpoint = configs.of(&common, ([10, 0, 0, 1], 1).into(), now());
    let (client, server) = (endpoint.config(), server(&api, &trust));
    // Ten begin before any of them is done, so none has another one's ticket.
    let begun: Vec<_> = (0..10).map(|_| begin(&client, &server)).collect();
    begun
        .into_iter()
        .for_each(|hands| drop(finish(hands).joined()));
    let begun: Vec<_> = (0..10).map(|_| begin(&client, &server)).collect();
    let kinds = begun
        .into_iter()
        .map(|hands| finish(hands).joined().1.handshake_kind());
    let resumed = kinds.filter(|kind| *kind == Some(Resumed)).count();
    assert_eq!(resumed, 4);
}

#[test]
fn other_workers_and_processes_resume_by_their_keys_only() {
    let ca = Ca::new();
    let (web, api, trust) = (ca.workload(WEB), ca.workload(API), ca.trust());
    let tickets = Tickets::new().unwrap();
    let client = client(&web, &trust, &[]);
    let worker = || server_with(&api, &trust, None, &tickets);
    assert_eq!(kind(&client, &worker()), Full);
    assert_eq!(kind(&client, &worker()), Resumed);
    assert_eq!(kind(&client, &server(&api, &trust)), Full);
}
