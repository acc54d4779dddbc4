use pillion_api::{Warning, WarningKind};
use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::model::Problem;

const KIND: pillion_api::Kind = pillion_api::Kind::VirtualService;

fn resource() -> ApiResource {
    let gvk = kube::api::GroupVersionKind::gvk(KIND.group(), "v1", KIND.name());
    ApiResource::from_gvk_with_plural(&gvk, KIND.plural())
}

fn object(version: &str, generation: i64) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"namespace": "shop", "name": "reviews", "uid": "u",
            "resourceVersion": version, "generation": generation},
        "spec": {},
    }))
    .unwrap()
}

fn reference() -> ObjectRef {
    ObjectRef {
        kind: Kind::VirtualService,
        key: Key::new("shop", "reviews"),
    }
}

fn finding() -> Finding {
    Finding {
        object: reference(),
        problem: Problem::MissingHost,
        message: "there is no Service ratings".to_owned(),
    }
}

fn invalid() -> Checked {
    Checked {
        faults: vec!["spec.hosts: must not be empty".to_owned()],
        ..Checked::default()
    }
}

fn place(stream: u64) -> Place {
    Place {
        stream,
        kind: "RDS",
    }
}

fn refused() -> Refused {
    Refused {
        pod: "shop/web".to_owned(),
        reason: "no".to_owned(),
    }
}

/// Findings about all that was seen.
fn found(board: &Board, findings: Vec<Finding>) {
    let seen = board.state().seen.clone();
    board.found(findings, seen);
}

/// A board that leads, with one object whose first status is written.
async fn board() -> Board {
    let board = Board::default();
    board.lead(true);
    board.seen(KIND, &resource(), &object("1", 1), Checked::default());
    found(&board, Vec::new());
    write(&board).await.unwrap();
    board
}

/// What is written within a minute.
async fn write(board: &Board) -> Option<Value> {
    for _ in 0..60 {
        if let Next::Write(job) = board.next(Instant::now()) {
            // Without a version, it would be written over whatever is there.
            assert!(!job.version.is_empty());
            let status = job.status.clone();
            let mut written = object("2", 1);
            written.data["status"] = status.clone();
            board.written(*job, &written, Instant::now());
            return Some(status);
        }
        advance(Duration::from_secs(1)).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn writes_what_is_new_and_once() {
    let board = board().await;
    assert!(write(&board).await.is_none());
    found(&board, vec![finding()]);
    found(&board, vec![finding()]);
    assert!(write(&board).await.is_some());
    assert!(write(&board).await.is_none());
    found(&board, Vec::new());
    assert!(write(&board).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn writes_nothing_unless_it_leads() {
    let board = Board::default();
    board.seen(KIND, &resource(), &object("1", 1), Checked::default());
    found(&board, vec![finding()]);
    assert!(write(&board).await.is_none());
    // The findings may be of long ago.
    board.lead(true);
    assert!(write(&board).await.is_none());
    found(&board, vec![finding()]);
    let status = write(&board).await.unwrap();
    assert_eq!(status["validationMessages"][0]["type"]["code"], "IST0101");
    board.lead(false);
    found(&board, Vec::new());
    assert!(write(&board).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn another_writer_is_not_contradicted() {
    let board = board().await;
    let mut other = object("3", 1);
    other.data["status"] = json!({"conditions": []});
    board.seen(KIND, &resource(), &other, Checked::default());
    assert!(write(&board).await.is_none());
    found(&board, vec![finding()]);
    assert!(write(&board).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_is_observed() {
    let board = board().await;
    board.seen(KIND, &resource(), &object("3", 2), Checked::default());
    found(&board, Vec::new());
    assert_eq!(write(&board).await.unwrap()["observedGeneration"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_generation_passes_no_analysis_that_did_not_look_at_it() {
    let board = board().await;
    let before = board.state().seen.clone();
    let number = board.seen(KIND, &resource(), &object("3", 2), Checked::default());
    assert_eq!(number, Some(2));
    assert!(write(&board).await.is_none());
    // A search that began before.
    board.found(Vec::new(), before);
    assert!(write(&board).await.is_none());
    found(&board, vec![finding()]);
    let status = write(&board).await.unwrap();
    assert_eq!(status["observedGeneration"], 2);
    assert_eq!(status["conditions"][0]["reason"], "errorsFound");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_generation_needs_no_analysis() {
    let board = board().await;
    found(&board, vec![finding()]);
    let number = board.seen(KIND, &resource(), &object("3", 2), invalid());
    assert_eq!(number, None);
    let status = write(&board).await.unwrap();
    assert_eq!(status["observedGeneration"], 2);
    // What was found is about the generation before.
    let messages = status["validationMessages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
}

/// Whoever relies on a rule must learn that none is in force.
#[tokio::test(start_paused = true)]
async fn says_whether_a_valid_version_of_an_invalid_object_is_in_force() {
    let text = async |board: &Board| {
        let status = write(board).await.unwrap();
        let reconciled = &status["conditions"][1];
        assert_eq!(reconciled["reason"], "invalid");
        reconciled["message"].as_str().unwrap().to_owned()
    };
    let board = board().await;
    board.seen(KIND, &resource(), &object("3", 2), invalid());
    let held = text(&board).await;
    assert!(
        held.contains("its last valid version stays in force"),
        "{held}"
    );

    // A replica that has started since.
    let board = Board::default();
    board.lead(true);
    found(&board, Vec::new());
    board.seen(KIND, &resource(), &object("3", 2), invalid());
    let none = text(&board).await;
    assert!(none.contains("no version of it is in force"), "{none}");

    // One that was deleted, and is there again.
    board.seen(KIND, &resource(), &object("4", 3), Checked::default());
    board.gone(KIND, &reference().key);
    board.seen(KIND, &resource(), &object("5", 1), invalid());
    let none = text(&board).await;
    assert!(none.contains("no version of it is in force"), "{none}");
}

#[tokio::test(start_paused = true)]
async fn a_status_has_the_warnings_about_a_valid_object() {
    let board = board().await;
    let checked = Checked {
        warnings: vec![Warning {
            kind: WarningKind::NeverUsed,
            path: "spec.http[1]".to_owned(),
            message: "is never used".to_owned(),
        }],
        ..Checked::default()
    };
    let number = board.seen(KIND, &resource(), &object("3", 2), checked);
    assert_eq!(number, Some(2));
    found(&board, Vec::new());
    let status = write(&board).await.unwrap();
    let analysis = &status["conditions"][0];
    assert_eq!(analysis["reason"], "noErrorsFound");
    assert_eq!(
        analysis["message"],
        "1 warning: spec.http[1]: is never used"
    );
    let message = &status["validationMessages"][0];
    assert_eq!(message["type"]["code"], "IST0130");
    assert_eq!(message["level"], "WARNING");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_nothing() {
    let board = board().await;
    for version in ["3", "4", "5"] {
        let number = board.seen(KIND, &resource(), &object(version, 1), Checked::default());
        assert_eq!(number, None);
        found(&board, Vec::new());
        board.no_longer_refused(&place(1), &[&reference()], Ended::Accepted);
        assert!(write(&board).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_writer_takes_no_refusal_back() {
    let first = board().await;
    first.refused(&place(1), &reference(), &refused());
    let status = write(&first).await.unwrap();
    let mut object = object("3", 1);
    object.data["status"] = status;

    let second = Board::default();
    second.seen(KIND, &resource(), &object, Checked::default());
    second.lead(true);
    found(&second, Vec::new());
    let status = write(&second).await.unwrap();
    let reconciled = &status["conditions"][1];
    assert_eq!(reconciled["status"], "Unknown", "{reconciled}");
    // A proxy of its own refuses and accepts it.
    second.refused(&place(1), &reference(), &refused());
    assert!(write(&second).await.is_some());
    second.no_longer_refused(&place(1), &[&reference()], Ended::Accepted);
    let status = write(&second).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "True", "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_gone_accepts_nothing() {
    let board = board().await;
    board.refused(&place(1), &reference(), &refused());
    assert!(write(&board).await.is_some());
    board.no_longer_refused(&place(1), &[&reference()], Ended::Unknown);
    let status = write(&board).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "Unknown", "{status}");
}

#[tokio::test(start_paused = true)]
async fn one_proxy_accepts_nothing_for_another_that_is_gone() {
    let accepted = (place(1), Ended::Accepted);
    let unknown = (place(2), Ended::Unknown);
    for ends in [[&accepted, &unknown], [&unknown, &accepted]] {
        let board = board().await;
        for (place, _) in ends {
            board.refused(place, &reference(), &refused());
        }
        assert!(write(&board).await.is_some());
        for (place, how) in ends {
            board.no_longer_refused(place, &[&reference()], *how);
        }
        let status = write(&board).await.unwrap();
        assert_eq!(status["conditions"][1]["status"], "Unknown", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_nothing_changes_nothing() {
    let board = board().await;
    board.refused(&place(1), &reference(), &refused());
    assert!(write(&board).await.is_some());
    for how in [Ended::Accepted, Ended::Unknown] {
        board.no_longer_refused(&place(2), &[&reference()], how);
        assert!(write(&board).await.is_none());
        let state = board.state();
        let entry = &state.objects[&reference()];
        assert_eq!((entry.is_accepted, entry.unknown_since), (false, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_proxy_that_is_gone_lapses() {
    let board = board().await;
    board.refused(&place(1), &reference(), &refused());
    assert!(write(&board).await.is_some());
    board.no_longer_refused(&place(1), &[&reference()], Ended::Unknown);
    let gone = Instant::now();
    let status = write(&board).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "Unknown", "{status}");
    let Next::At(due) = board.next(Instant::now()) else {
        panic!("it never lapses");
    };
    assert_eq!(due, gone + LAPSE);
    advance(LAPSE).await;
    let status = write(&board).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "True", "{status}");
    assert!(matches!(board.next(Instant::now()), Next::Nothing));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_another_replica_wrote_lapses() {
    let first = board().await;
    first.refused(&place(1), &reference(), &refused());
    let mut object = object("3", 1);
    object.data["status"] = write(&first).await.unwrap();

    let second = Board::default();
    second.seen(KIND, &resource(), &object, Checked::default());
    second.lead(true);
    found(&second, Vec::new());
    let status = write(&second).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "Unknown", "{status}");
    advance(LAPSE).await;
    let status = write(&second).await.unwrap();
    assert_eq!(status["conditions"][1]["status"], "True", "{status}");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_is_tried_again_at_once_if_there_is_news() {
    let board = board().await;
    found(&board, vec![finding()]);
    advance(EACH + SETTLE).await;
    let Next::Write(job) = board.next(Instant::now()) else {
        panic!("nothing is due");
    };
    board.failed(&job, 100 * LONGEST_WAIT);
    let due = |board: &Board| match board.next(Instant::now()) {
        Next::At(due) => due,
        other => panic!("{other:?}"),
    };
    assert_eq!(due(&board), Instant::now() + LONGEST_WAIT);
    // What proxies say does not change that.
    board.refused(&place(1), &reference(), &refused());
    assert_eq!(due(&board), Instant::now() + LONGEST_WAIT);
    found(&board, Vec::new());
    assert_eq!(due(&board), Instant::now() + SETTLE);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_not_written_more_often_than_every_ten_seconds() {
    let board = board().await;
    board.refused(&place(1), &reference(), &refused());
    let Next::At(due) = board.next(Instant::now()) else {
        panic!("nothing is due");
    };
    assert!(due >= Instant::now() + EACH - SETTLE);
    assert!(write(&board).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lasts_until_all_streams_are_done_with_it() {
    let board = board().await;
    for stream in [1, 2] {
        let found = board.refused(&place(stream), &reference(), &refused());
        assert_eq!(found.unwrap().uid.as_deref(), Some("u"));
    }
    let status = write(&board).await.unwrap().to_string();
    assert!(status.contains("2 proxies refuse it"), "{status}");
    board.no_longer_refused(&place(1), &[&reference()], Ended::Accepted);
    let status = write(&board).await.unwrap().to_string();
    assert!(status.contains("1 proxy refuses it"), "{status}");
    board.no_longer_refused(&place(2), &[&reference()], Ended::Accepted);
    let status = write(&board).await.unwrap().to_string();
    assert!(status.contains("inForce"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_gone_is_not_written() {
    let board = board().await;
    found(&board, vec![finding()]);
    board.gone(KIND, &reference().key);
    assert!(write(&board).await.is_none());
    let reference = board.refused(&place(1), &reference(), &refused());
    assert!(reference.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_is_tried_again() {
    let board = board().await;
    found(&board, vec![finding()]);
    advance(EACH + SETTLE).await;
    let Next::Write(job) = board.next(Instant::now()) else {
        panic!("nothing is due");
    };
    let wait = Duration::from_secs(5);
    for failures in 1..20 {
        assert_eq!(board.failed(&job, wait), Some(failures));
    }
    let Next::At(due) = board.next(Instant::now()) else {
        panic!("nothing is due later");
    };
    assert_eq!(due, Instant::now() + wait * MOST_OFTEN_DOUBLED);
    advance(wait * MOST_OFTEN_DOUBLED).await;
    assert!(write(&board).await.is_some());
}
