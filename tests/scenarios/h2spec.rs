//! The conformance tests of HTTP/2 that others wrote (h2spec), with our sidecar and with Envoy: ours
//! passes all that Envoy's passes.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    case::Case, objects::Cluster, pod::Pod, program, programs::Programs, run::Group,
    upstream::Servers,
};

/// Seconds that h2spec waits for what has to come.
const PATIENCE: &str = "3";
/// Cases that neither passes, and why.
const NEITHER: &[(&str, &str)] = &[(
    "http2/3.5: Sends invalid connection preface",
    "the port speaks HTTP/1 as well, in which that is a bad request",
)];

/// What came of cases: whether they passed, by section and text. Those that were skipped are left
/// out.
type Results = BTreeMap<String, bool>;

/// Runs the tests against both, and returns what is wrong, and how many cases both were asked.
pub async fn all(programs: &Programs, h2spec: &Path) -> (Vec<String>, usize) {
    let scenario = scenario();
    let cluster = Cluster::of(&scenario);
    let mut group = Group::start(&scenario.client, programs).await;
    let mut servers = Vec::new();
    for pod in &group.pods {
        let outside = cluster.servers_in_pod(false);
        servers.push(Servers::start(&outside, &pod.outside, &pod.recorder).await);
    }
    if let Err(error) = group.configure(0, &scenario, &cluster).await {
        return (vec![error], 0);
    }
    let [ours, envoys] = &group.pods;
    let (ours, envoys) = tokio::join!(results(ours, h2spec), results(envoys, h2spec));
    (faults(&ours, &envoys), ours.len())
}

fn scenario() -> Case {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    // Large enough for the tests of windows.
    let answer = json!({"body": "h2spec".repeat(20)});
    let scenario = json!({
        "rules": ["h2spec"], "about": "h2spec.", "requests": [],
        "servers": [{"name": "web-1", "of": ["web"], "answers": [answer]}],
        "resources": [{
            "kind": "Service", "metadata": {"name": "web"},
            "spec": {"clusterIP": "10.96.1.1", "ports": ports},
        }],
    });
    serde_json::from_value(scenario).unwrap()
}

async fn results(pod: &Pod, h2spec: &Path) -> Results {
    let folder = pod.inside.folder();
    let report = folder.join("h2spec.xml");
    let mut command = pod.inside.command();
    command
        .arg(program::copy(h2spec, folder))
        .args([
            "--strict",
            "--timeout",
            PATIENCE,
            "--host",
            "10.96.1.1",
            "--port",
            "80",
        ])
        .arg("--junit-report")
        .arg(&report);
    // It fails if a case does.
    let output = spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap();
    let [said, complaint] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    let report = fs::read_to_string(report);
    let report = report.unwrap_or_else(|error| panic!("{error}: {said}{complaint}"));
    read(&report)
}

/// Reads a report of JUnit's.
fn read(report: &str) -> Results {
    let mut results = Results::new();
    let cases = report.split("<testcase ").skip(1);
    for case in cases {
        let case = case.split("</testcase>").next().unwrap_or_default();
        let attribute = |name: &str| {
            let (_, rest) = case.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap_or_default()
        };
        let name = format!("{}: {}", attribute("package"), attribute("classname"));
        if !case.contains("<skipped>") {
            let has_passed = !case.contains("<failure>") && !case.contains("<error>");
            results.insert(name, has_passed);
        }
    }
    results
}

fn faults(ours: &Results, envoys: &Results) -> Vec<String> {
    let mut faults = Vec::new();
    let passes = |results: &Results, name: &str| results.get(name).copied().unwrap_or(false);
    for name in ours
        .keys()
        .chain(envoys.keys().filter(|name| !ours.contains_key(*name)))
    {
        let listed = NEITHER.iter().any(|(listed, _)| listed == name);
        match (passes(ours, name), passes(envoys, name)) {
            (false, true) => faults.push(format!("Envoy passes, ours does not: {name}")),
            (false, false) if !listed => faults.push(format!("neither passes: {name}")),
            (true, _) if listed => faults.push(format!("ours passes by now: {name}")),
            _ => {}
        }
    }
    let unknown = NEITHER.iter().filter(|(name, _)| !ours.contains_key(*name));
    faults.extend(unknown.map(|(name, _)| format!("there is no case {name}")));
    faults
}
