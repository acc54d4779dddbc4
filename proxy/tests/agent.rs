//! A stock Envoy as the sidecar: `pillion-proxy agent` and its Envoy, with a control plane that is played, in a network
//! namespace.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "agent/control_plane.rs"]
mod control_plane;
#[allow(dead_code)] // other binaries use more of it
#[path = "ports/pod.rs"]
mod pod;
#[path = "network/program.rs"]
mod program;
#[allow(dead_code)] // the unit tests that have this file use more of it
#[path = "../src/config/test_util.rs"]
mod resources;
#[path = "agent/running.rs"]
mod running;
#[path = "agent/workload.rs"]
mod workload;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use control_plane::ControlPlane;
use pod::{POD, ask, enter, get};
use running::{Agent, envoy};
use workload::Workload;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_envoy_is_configured_has_its_certificate_and_drains() {
    let Some(envoy) = envoy() else { return };
    if !enter() {
        return;
    }
    let control_plane = ControlPlane::start();
    let mut agent = Agent::start(&["agent", "--folder", running::FOLDER, "--", &envoy], &[]);
    agent.until_readiness_is(200);
    assert_eq!(control_plane.authorization().unwrap(), "Bearer token");
    assert_eq!(
        control_plane.node().unwrap(),
        "sidecar~10.0.0.5~web-1.shop~shop.svc.cluster.local"
    );
    let folder = Path::new(running::FOLDER);
    assert_eq!(mode(folder), 0o700);
    for file in ["envoy.json", "ads.sock", "sds.sock"] {
        assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
    }

    // Envoy proves who it is, and who the client is counts.
    let client = Workload::of(&control_plane, "client");
    let (answer, first) = client.ask().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("served\n"), "{answer}");
    assert!(Workload::of_nobody().ask().is_err());
    // It is given the next certificate before the first one expires.
    agent.until("another certificate", || {
        client.ask().is_ok_and(|(_, hash)| hash != first)
    });

    let merged = get(POD, 15020, "/stats/prometheus");
    for metric in ["envoy_server_live", "istio_agent_cert_expiry_seconds"] {
        assert!(merged.body.contains(metric), "{merged}");
    }
    assert!(!merged.body.contains("pillion_connections_"), "{merged}");
    let own = get(POD, 15090, "/stats/prometheus");
    assert!(own.body.contains("envoy_server_live"), "{own}");

    // What changes reaches Envoy on the same stream.
    control_plane.answer_with("changed\n");
    agent.until("the change", || {
        client
            .ask()
            .is_ok_and(|(answer, _)| answer.ends_with("changed\n"))
    });

    assert_eq!(ask("127.0.0.1", 15020, "POST /drain", "").status, 200);
    agent.until_readiness_is(503);
    agent.terminate();
    assert_eq!(agent.ends_with(), Some(0), "{}", agent.log());
    assert!(!folder.exists());
}

#[test]
fn the_agent_ends_as_its_envoy_does_and_does_not_start_it_again() {
    if !enter() {
        return;
    }
    let _control_plane = ControlPlane::start();
    let program = running::script("echo started; sleep 1; exit 3");
    // As in an image whose sidecar is an Envoy.
    let variables = [("PILLION_ENVOY", program.as_str())];
    let mut agent = Agent::start(&["sidecar", "--log-format", "text"], &variables);
    assert_eq!(agent.ends_with(), Some(3), "{}", agent.log());
    assert_eq!(
        agent.log().matches("started\n").count(),
        1,
        "{}",
        agent.log()
    );
}

#[test]
fn without_a_control_plane_there_is_no_envoy() {
    if !enter() {
        return;
    }
    running::prepare();
    let variables = [("PILLION_DISCOVERY", "none")];
    let mut agent = Agent::start(
        &["agent", "--folder", running::FOLDER, "--", "envoy"],
        &variables,
    );
    assert_eq!(agent.ends_with(), Some(1));
    assert!(agent.log().contains("PILLION_DISCOVERY"), "{}", agent.log());
}
