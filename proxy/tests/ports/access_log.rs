//! The access log, and what a connection leaves in the metrics.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    process::{self, Command},
};

use crate::pod::{self, POD, Sidecar, ask, get};

/// Where the application gets to, and the proxy does not.
const UNREACHABLE: &str = "10.9.9.9:4000";

fn route() {
    let script = "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && ip route add default dev v0 \
                  && ip rule add uidrange 1337-1337 to 10.9.9.9 unreachable";
    let run = Command::new("sh").args(["-c", script]).status().unwrap();
    assert!(run.success());
}

#[test]
fn a_connection_leaves_a_line_and_its_series() {
    in_namespace!();
    route();
    pod::capture();
    let path = env::temp_dir().join(format!("pillion-ports-log-{}", process::id()));
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let format = "%RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %PROTOCOL% %TRACE_ID%";
    let log = format!(r#"{{"accessLogFile": {path:?}, "accessLogFormat": "{format}"}}"#);
    let mut sidecar = Sidecar::start_as_proxy(&[
        ("PILLION_ACCESS_LOG", log),
        ("ISTIO_META_WORKLOAD_NAME", "client-v1".to_owned()),
        ("POD_NAMESPACE", "shop".to_owned()),
    ]);
    let mut stream = TcpStream::connect(UNREACHABLE).unwrap();
    // The connection may be reset already.
    let _ = stream.write_all(b"not HTTP\r\n");
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    let metrics = get(POD, 15090, "/stats/prometheus").body;
    let series = metrics.lines().find(|line| {
        line.starts_with("istio_tcp_connections_closed_total{") && line.ends_with("} 1")
    });
    for label in [
        "reporter=\"source\"",
        "source_workload=\"client-v1\"",
        "source_workload_namespace=\"shop\"",
        "destination_service_name=\"PassthroughCluster\"",
        "response_flags=\"UF",
    ] {
        assert!(series.is_some_and(|it| it.contains(label)), "{metrics}");
    }
    assert_eq!(
        ask("127.0.0.1", 15000, "POST /quitquitquit", "").status,
        200
    );
    assert!(sidecar.has_ended());
    let lines = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let rest = lines.strip_prefix("UF").unwrap_or_default();
    let end = " 10.9.9.9:4000 PassthroughCluster - -\n";
    assert!(rest.ends_with(end) && lines.lines().count() == 1, "{lines}");
}
