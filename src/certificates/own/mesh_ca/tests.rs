//! Which CA a replica uses, with the time that passes.

use tokio::time::advance;

use super::*;
use crate::certificates::{
    plugged::fixture::{expiring, now, plugged},
    rotation::plugging::plug,
};

const OVERLAP: Duration = Duration::minutes(2);
const HALF: std::time::Duration = std::time::Duration::from_secs(60);

fn plan() -> Plan {
    Plan {
        authority_name: "test CA",
        names: vec!["a.b.svc".into()],
        authority_lifetime: Duration::days(300),
        certificate_lifetime: Duration::days(30),
        overlap: OVERLAP,
        retention: Duration::hours(25),
    }
}

/// A replica, what it finds, and what clients trust.
struct Replica {
    ca: MeshCa,
    found: watch::Sender<Found>,
    state: State,
    trusted: Trusted,
}

impl Replica {
    /// One that has started when this CA was in force.
    fn started(in_force: &Plugged, found: Found) -> Self {
        let state = plan().begin(now()).unwrap();
        let mut state = plug(&state, in_force.root().to_pem(), now());
        // It has been so for long.
        state.old.clear();
        let (found, receiver) = watch::channel(found);
        Self {
            ca: MeshCa::new(receiver, watch::channel(None).0),
            found,
            state,
            trusted: Trusted::nothing(),
        }
    }

    /// What is chosen when all namespaces have the roots that are to be trusted.
    fn choose(&mut self) -> Choice {
        let roots = self.ca.roots(&self.state, now()).unwrap();
        self.trusted = self.trusted.followed_by(&roots);
        let (state, trusted) = (&self.state, &self.trusted);
        self.ca.choose(state, trusted, OVERLAP, now()).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_in_the_overlap_plugs_in_nothing_before_its_end() {
    let next = Arc::new(plugged());
    let mut replica = Replica::started(&plugged(), Found::Valid(Arc::clone(&next)));
    assert!(matches!(replica.choose(), Choice::Trust));
    let roots = replica.ca.roots(&replica.state, now()).unwrap();
    assert!(
        roots.contains(next.root()),
        "they are published all the same"
    );
    advance(HALF).await;
    assert!(matches!(replica.choose(), Choice::Trust));
    advance(HALF).await;
    assert!(matches!(replica.choose(), Choice::Plug(_)));
}

#[tokio::test(start_paused = true)]
async fn a_root_that_was_used_lately_is_trusted_still() {
    let next = Arc::new(plugged());
    let mut replica = Replica::started(&plugged(), Found::Valid(Arc::clone(&next)));
    replica.state.retire(next.root().to_pem(), now());
    assert!(matches!(replica.choose(), Choice::Plug(_)));
}

#[tokio::test(start_paused = true)]
async fn a_start_while_the_secret_is_created_anew_does_not_bring_the_own_ca() {
    let first = Arc::new(plugged());
    let mut replica = Replica::started(&first, Found::Absent);
    assert!(matches!(replica.choose(), Choice::Trust));
    let own = Bundle::from_pem(replica.state.authority.certificate()).unwrap();
    let roots = replica.ca.roots(&replica.state, now()).unwrap();
    assert!(roots.contains(&own) && roots.contains(first.root()));
    advance(HALF).await;
    assert!(matches!(replica.choose(), Choice::Trust));
    replica.found.send_replace(Found::Valid(first));
    assert!(matches!(replica.choose(), Choice::Use(_)));
    // The time starts anew, also where others decide who is trusted.
    replica.found.send_replace(Found::Absent);
    assert!(matches!(replica.choose(), Choice::Trust));
    advance(HALF).await;
    let (state, others) = (&replica.state, Trusted::LeftToOthers);
    let choice = replica.ca.choose(state, &others, OVERLAP, now());
    assert!(matches!(choice, Ok(Choice::Trust)));
    advance(HALF).await;
    assert!(matches!(replica.choose(), Choice::Unplug));
}

/// One namespace that never has the new root would otherwise end the mesh.
#[tokio::test(start_paused = true)]
async fn a_ca_that_expires_soon_gives_way_to_one_that_is_not_trusted_yet() {
    let (ending, next) = (Arc::new(expiring(1)), Arc::new(plugged()));
    let mut replica = Replica::started(&ending, Found::Valid(next));
    replica.ca.used = Some(ending);
    let mut at = |time: OffsetDateTime| {
        let (state, nothing) = (&replica.state, Trusted::nothing());
        let choice = replica.ca.choose(state, &nothing, OVERLAP, time);
        choice.unwrap()
    };
    let end = now() + Duration::days(1);
    let before = at(end - OVERLAP - Duration::SECOND);
    assert!(matches!(before, Choice::Use(_)), "{before:?}");
    assert!(matches!(at(end - OVERLAP), Choice::Plug(_)));
}

#[tokio::test(start_paused = true)]
async fn an_own_ca_that_expires_soon_gives_way_too() {
    let mut replica = Replica::started(&plugged(), Found::Valid(Arc::new(plugged())));
    replica.state.plugged = None;
    let mut at = |time: OffsetDateTime| {
        let (state, nothing) = (&replica.state, Trusted::nothing());
        let choice = replica.ca.choose(state, &nothing, OVERLAP, time);
        choice.unwrap()
    };
    assert!(matches!(at(now()), Choice::Own));
    let end = now() + Duration::days(300);
    assert!(matches!(at(end - OVERLAP), Choice::Plug(_)));
}
