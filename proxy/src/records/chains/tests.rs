//! Traces that come in, and what leaves meanwhile.

use super::{verdict::ENOUGH, *};

fn id(number: u128) -> TraceId {
    TraceId::new(number).unwrap()
}

fn come(chains: &Arc<Chains>, number: u128) -> Option<InboundTrace> {
    chains.come(id(number), Propagation::B3)
}

fn with(trace: u128) -> PassedOn {
    PassedOn {
        trace: Some(id(trace)),
        ..PassedOn::default()
    }
}

#[test]
fn a_trace_that_leaves_again_is_continued() {
    let chains = Arc::<Chains>::default();
    let (first, second) = (come(&chains, 1), come(&chains, 1));
    chains.left(&PassedOn::default());
    drop(first);
    chains.left(&with(1));
    drop(second);
    let (counts, _) = chains.seen();
    let expected = Counts {
        continued: 1,
        alone: 1,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
    assert_eq!(counts.verdict(), Verdict::PassesOn);
}

#[test]
fn a_trace_is_cut_if_requests_leave_without_it() {
    let chains = Arc::<Chains>::default();
    let passed_on = PassedOn {
        request_id: true,
        trace_parent: true,
        ..PassedOn::default()
    };
    for number in 1..=ENOUGH {
        assert_eq!(chains.seen().0.verdict(), Verdict::Unknown);
        let inbound = come(&chains, number.into());
        chains.left(&passed_on);
        // That of another request, which is over.
        chains.left(&with(99));
        drop(inbound);
    }
    let (counts, propagation) = chains.seen();
    assert_eq!(
        (counts.cut, counts.alone, counts.with_b3),
        (ENOUGH, ENOUGH, 0)
    );
    assert_eq!(
        (counts.with_request_id, counts.with_trace_parent),
        (ENOUGH, ENOUGH)
    );
    assert_eq!(counts.verdict(), Verdict::Cuts);
    assert_eq!(headers(propagation).len(), 7);
}

#[test]
fn a_request_that_leaves_alone_cuts_one_trace_at_most() {
    let chains = Arc::<Chains>::default();
    let both = [come(&chains, 1), come(&chains, 2)];
    chains.left(&PassedOn::default());
    drop(both);
    let (counts, _) = chains.seen();
    assert_eq!((counts.cut, counts.ended, counts.alone), (1, 1, 1));
}

#[test]
fn what_left_alone_explains_nothing_that_came_later() {
    let chains = Arc::<Chains>::default();
    let first = come(&chains, 1);
    chains.left(&PassedOn::default());
    chains.left(&with(1));
    let second = come(&chains, 2);
    drop(second);
    drop(first);
    // Nothing is open any more, so what was left over is forgotten.
    let both = [come(&chains, 3), come(&chains, 4)];
    chains.left(&PassedOn::default());
    drop(both);
    let (counts, _) = chains.seen();
    assert_eq!((counts.continued, counts.cut, counts.ended), (1, 1, 2));
}

#[test]
fn a_request_that_nothing_is_sent_for_says_nothing() {
    let chains = Arc::<Chains>::default();
    // Nothing is open.
    chains.left(&PassedOn::default());
    drop(come(&chains, 1));
    let (counts, _) = chains.seen();
    assert_eq!((counts.ended, counts.alone), (1, 0));
    assert_eq!(counts.verdict(), Verdict::Unknown);
}

#[test]
fn so_many_are_looked_at_and_no_more() {
    let chains = Arc::<Chains>::default();
    let mut open: Vec<_> = (1..=1024).map(|number| come(&chains, number)).collect();
    assert!(open.iter().all(Option::is_some));
    assert!(come(&chains, 2000).is_none());
    assert!(come(&chains, 7).is_some());
    open.pop();
    assert!(come(&chains, 2000).is_some());
}
