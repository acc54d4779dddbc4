//! Turns of certificates and CAs, with the time that passes.

use pillion_certs::Bundle;

use super::*;

fn plan() -> Plan {
    Plan {
        authority_name: "test CA",
        names: vec!["a.b.svc".into()],
        authority_lifetime: Duration::days(300),
        certificate_lifetime: Duration::days(30),
        overlap: Duration::minutes(2),
        retention: Duration::minutes(62),
    }
}

fn start() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

#[test]
fn nothing_is_due_at_first() {
    let state = plan().begin(start()).unwrap();
    assert_eq!(plan().next_step(&state, start(), None).unwrap(), None);
}

#[test]
fn the_certificate_is_renewed_within_its_ca() {
    let state = plan().begin(start()).unwrap();
    let now = start() + Duration::days(20);
    assert_eq!(
        plan().next_step(&state, now, None).unwrap(),
        Some(Step::IssueCertificate)
    );
    let renewed = plan().take(Step::IssueCertificate, &state, now).unwrap();
    assert_eq!(renewed.roots(now).unwrap(), state.roots(now).unwrap());
    assert_ne!(renewed.pair, state.pair);
    assert_eq!(plan().next_step(&renewed, now, None).unwrap(), None);
}

#[test]
fn another_name_wants_another_certificate() {
    let state = plan().begin(start()).unwrap();
    let plan = Plan {
        names: vec!["a.b.svc".into(), "c.d.svc".into()],
        ..plan()
    };
    assert_eq!(
        plan.next_step(&state, start(), None).unwrap(),
        Some(Step::IssueCertificate)
    );
}

#[test]
fn replicas_that_want_different_names_get_both_until_the_renewal() {
    let state = plan().begin(start()).unwrap();
    let other = Plan {
        names: vec!["c.d.svc".into()],
        ..plan()
    };
    let both = other.take(Step::IssueCertificate, &state, start()).unwrap();
    assert_eq!(both.pair.names().unwrap(), ["c.d.svc", "a.b.svc"]);
    assert_eq!(plan().next_step(&both, start(), None).unwrap(), None);
    let later = start() + Duration::days(20);
    let renewed = other.take(Step::IssueCertificate, &both, later).unwrap();
    assert_eq!(renewed.pair.names().unwrap(), ["c.d.svc"]);
}

#[test]
fn a_certificate_of_a_clock_far_ahead_is_replaced() {
    let state = plan().begin(start()).unwrap();
    let before = start() - Duration::hours(2);
    assert_eq!(
        plan().next_step(&state, before, None).unwrap(),
        Some(Step::IssueCertificate)
    );
}

#[test]
fn a_ca_turns_over_without_a_moment_of_distrust() {
    let plan = plan();
    let state = plan.begin(start()).unwrap();
    let now = start() + Duration::days(200);
    assert_eq!(
        plan.next_step(&state, now, None).unwrap(),
        Some(Step::PrepareAuthority)
    );
    let prepared = plan.take(Step::PrepareAuthority, &state, now).unwrap();
    assert_eq!(prepared.pair, state.pair);
    let both = prepared.roots(now).unwrap();
    assert_eq!(both.len(), 2);

    // Not before it has been trusted for a while.
    let not_promoted =
        |since| plan.next_step(&prepared, now, since).unwrap() != Some(Step::PromoteAuthority);
    let minutes = |minutes: u64| Some(std::time::Duration::from_secs(60 * minutes));
    assert!(not_promoted(None));
    assert!(not_promoted(minutes(1)));
    let later = now + Duration::minutes(2);
    assert_eq!(
        plan.next_step(&prepared, later, minutes(2)).unwrap(),
        Some(Step::PromoteAuthority)
    );
    let promoted = plan.take(Step::PromoteAuthority, &prepared, later).unwrap();
    assert!(
        promoted
            .pair
            .is_signed_by(promoted.authority.certificate())
            .unwrap()
    );
    // The same two are trusted, so no API server is caught between.
    let roots = promoted.roots(later).unwrap();
    assert!(both.contains(&Bundle::from_pem(promoted.authority.certificate()).unwrap()));
    assert_eq!(roots.len(), 2);

    assert_eq!(plan.next_step(&promoted, later, minutes(2)).unwrap(), None);
    // What the previous CA signed may still be in use.
    let before = later + plan.retention - Duration::SECOND;
    assert_eq!(plan.next_step(&promoted, before, minutes(4)).unwrap(), None);
    let last = later + plan.retention;
    assert_eq!(
        plan.next_step(&promoted, last, minutes(4)).unwrap(),
        Some(Step::ForgetAuthority)
    );
    let done = plan.take(Step::ForgetAuthority, &promoted, last).unwrap();
    assert_eq!(done.roots(last).unwrap().len(), 1);
    assert_eq!(plan.next_step(&done, last, minutes(0)).unwrap(), None);
}

#[test]
fn a_ca_that_has_ended_is_replaced_at_once() {
    let plan = plan();
    let state = plan.begin(start()).unwrap();
    let now = start() + Duration::days(400);
    let prepared = plan.take(Step::PrepareAuthority, &state, now).unwrap();
    assert_eq!(
        plan.next_step(&prepared, now, None).unwrap(),
        Some(Step::PromoteAuthority)
    );
}

#[test]
fn previous_cas_are_forgotten_one_by_one() {
    let plan = plan();
    let mut state = plan.begin(start()).unwrap();
    let current = state.authority.certificate().to_owned();
    for minute in [0, 30] {
        let next = plan.take(Step::PrepareAuthority, &state, start()).unwrap();
        let now = start() + Duration::minutes(minute);
        state = plan.take(Step::PromoteAuthority, &next, now).unwrap();
    }
    assert_eq!(state.old.len(), 2);
    assert_eq!(state.roots(start()).unwrap().len(), 3);
    let now = start() + plan.retention;
    let state = plan.take(Step::ForgetAuthority, &state, now).unwrap();
    assert_eq!(state.old.len(), 1);
    assert_ne!(state.old[0].certificate, current);
    assert_eq!(plan.next_forgotten(&state, now), None);
}

#[test]
fn a_state_is_the_same_after_being_written_and_read() {
    let plan = plan();
    let mut state = plan.begin(start()).unwrap();
    let read = |state: &State| {
        let secret = k8s_openapi::api::core::v1::Secret {
            data: Some(state.data()),
            ..Default::default()
        };
        State::read(&secret).unwrap()
    };
    assert_eq!(read(&state).data(), state.data());
    for _ in 0..2 {
        let next = plan.take(Step::PrepareAuthority, &state, start()).unwrap();
        state = plan.take(Step::PromoteAuthority, &next, start()).unwrap();
    }
    state.next = plan
        .take(Step::PrepareAuthority, &state, start())
        .unwrap()
        .next;
    state.plugged = Some(state.authority.certificate().to_owned());
    let again = read(&state);
    assert_eq!(again.data(), state.data());
    assert_eq!(again.old, state.old);
}

#[test]
fn times_that_do_not_match_their_certificates_are_refused() {
    let plan = plan();
    let mut state = plan.begin(start()).unwrap();
    state.retire(state.authority.certificate().to_owned(), start());
    for since in ["", "soon", "1 2", "99999999999999999999"] {
        let mut data = state.data();
        let bytes = k8s_openapi::ByteString(since.as_bytes().to_vec());
        data.insert("old-ca.since".to_owned(), bytes);
        let secret = k8s_openapi::api::core::v1::Secret {
            data: Some(data),
            ..Default::default()
        };
        assert!(State::read(&secret).is_err(), "{since}");
    }
}
