//! The W3C's tests of trace contexts (https://github.com/w3c/trace-context, `test/test.py`): an application that passes
//! the headers on, behind a sidecar, has to pass all of them. Envoy is asked, too, for comparison.

mod application;

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    case::Case,
    objects::{Cluster, POD},
    pod::Pod,
    programs::Programs,
    run::Group,
};

/// The port of the application in the pod.
const APPLICATION: u16 = 8080;
/// Where the tests listen, outside of the pod: a Service's address, which is also the machine's own there.
const HARNESS: (&str, u16) = ("10.96.1.1", 7777);
/// Debian's, which has aiohttp.
const PYTHON: &str = "/usr/bin/python3";

/// Whether tests passed, by their names.
pub type Results = BTreeMap<String, bool>;

/// What became of the tests with our proxy and with Envoy.
///
/// # Errors
///
/// Returns why they could not be run.
pub async fn all(programs: &Programs, suite: &Path) -> Result<[Results; 2], String> {
    let scenario = scenario();
    let cluster = Cluster::of(&scenario);
    let mut group = Group::start(&scenario.client, programs).await;
    for pod in &group.pods {
        let listener = tokio::net::TcpListener::bind((POD, APPLICATION));
        let listener = pod.inside.run(listener).await.unwrap();
        pod.inside.handle().spawn(application::serve(listener));
    }
    group.configure(0, &scenario, &cluster).await?;
    let [ours, envoys] = &group.pods;
    let (ours, envoys) = tokio::join!(results(ours, suite), results(envoys, suite));
    Ok([ours, envoys])
}

fn scenario() -> Case {
    let service = |name: &str, ip: &str, port: Value| {
        json!({
            "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": ip, "ports": [port]},
        })
    };
    let (harness, port) = HARNESS;
    // Nothing of these is started by the scenario.
    let server = |name: &str| json!({"name": name, "of": [name], "down": true});
    let mut application = server("application");
    application["ip"] = json!(POD);
    let scenario = json!({
        "rules": ["w3c"], "about": "w3c.", "requests": [],
        "mesh": {
            "extensionProviders": [{"name": "otel", "opentelemetry": {
                "service": "collector.default.svc.cluster.local", "port": 4317}}],
            "defaultProviders": {"tracing": ["otel"]},
        },
        "servers": [server("harness"), application, server("collector")],
        "resources": [
            service("harness", harness, json!({"name": "http", "port": port})),
            service("application", "10.96.1.2",
                json!({"name": "http", "port": 80, "targetPort": APPLICATION})),
            service("collector", "10.96.1.3", json!({"name": "grpc", "port": 4317})),
        ],
    });
    serde_json::from_value(scenario).unwrap()
}

async fn results(pod: &Pod, suite: &Path) -> Results {
    let (harness, port) = HARNESS;
    let mut command = pod.outside.command();
    command
        .args([PYTHON, "test.py"])
        .arg(format!("http://{POD}:{APPLICATION}/test"))
        .current_dir(suite.join("test"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HARNESS_HOST", harness)
        .env("HARNESS_PORT", port.to_string())
        .env("HARNESS_BIND_HOST", "0.0.0.0")
        .env("SPEC_LEVEL", "2")
        .env("STRICT_LEVEL", "2");
    // It fails if a test does.
    let output = spawn_blocking(move || command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    let results = read(&said);
    // A machine without what it needs has none.
    assert!(!results.is_empty(), "no test has run: {said}");
    println!("{:?}:\n{said}", pod.software);
    results
}

/// Reads what Python's unittest says with `verbosity = 2`: a test's name, perhaps a line about it, and `... ok` at its end.
fn read(said: &str) -> Results {
    let mut results = Results::new();
    let mut name = "";
    for line in said.lines() {
        if line.starts_with("test_") {
            name = line.split_whitespace().next().unwrap_or_default();
        }
        let Some((_, outcome)) = line.rsplit_once(" ... ") else {
            continue;
        };
        if !name.is_empty() {
            results.insert(name.to_owned(), outcome == "ok");
            name = "";
        }
    }
    results
}

#[test]
fn reads_the_outcome_of_each_test() {
    let said = "test_one (__main__.A.test_one)\nsays more ... ok\ntest_two (__main__.A) ... FAIL\n\
                test_three (__main__.A) ... ERROR\n\nFAIL: test_two (__main__.A) ... \n";
    let expected = [
        ("test_one", true),
        ("test_two", false),
        ("test_three", false),
    ];
    let expected = expected.map(|(name, passed)| (name.to_owned(), passed));
    assert_eq!(read(said), Results::from(expected));
}
