//! The built binary on manifests, without a cluster.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

/// Runs `pillion` with arguments and standard input, away from any cluster.
fn pillion(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read its input closes it early.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn inject(input: &str) -> String {
    stdout(&pillion(&["kube-inject", "--defaults", "-f", "-"], input))
}

/// The documents of a manifest that `kube-inject` wrote.
fn documents(text: &str) -> Vec<Value> {
    text.split("---\n")
        .filter(|document| !document.trim().is_empty())
        .map(|document| pillion_inject::yaml::parse(document).unwrap())
        .collect()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item["name"].as_str())
        .collect()
}

/// A scratch file of this test.
fn scratch(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: web:1
";

#[test]
fn a_command_of_istioctl_fails_and_says_what_to_do_instead() {
    for arguments in [&["version"][..], &["secret", "web"]] {
        let output = pillion(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = stderr(&output);
        assert!(error.contains("  tip: "), "{error}");
        assert!(!error.contains("similar"), "{error}");
    }
}

#[test]
fn shows_a_trace_that_a_store_has_answered() {
    let spans = json!([
        {"traceId": "7", "id": "a", "kind": "CLIENT", "name": "web:80/*", "timestamp": 1000, "duration": 2500,
         "localEndpoint": {"serviceName": "gateway"}, "tags": {"http.status_code": "200"}},
        {"traceId": "7", "id": "b", "parentId": "a", "timestamp": 2000, "duration": 1000,
         "localEndpoint": {"serviceName": "web"}},
    ]);
    let shown = stdout(&pillion(&["trace", "show", "-f", "-"], &spans.to_string()));
    assert!(
        shown.starts_with("Trace 7: 2 spans, 2 services, 2.500 ms\n"),
        "{shown}"
    );
    assert!(shown.contains("\n└─ web "), "{shown}");
    for (input, expected) in [("[]", "has no trace"), ("<html>", "not the JSON")] {
        let output = pillion(&["trace", "show", "-f", "-"], input);
        assert_eq!(output.status.code(), Some(1), "{input}");
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

#[test]
fn a_trace_is_asked_for_by_an_id_or_by_a_service() {
    for (arguments, expected) in [
        (&["web.shop"][..], "hexadecimal digits"),
        (&["-n", "shop"][..], "--service"),
        (&["7", "--service", "web.shop"][..], "cannot be used with"),
    ] {
        let output = pillion(&[&["trace", "show"][..], arguments].concat(), "");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn injects_every_kind_that_makes_pods() {
    let spec = "{containers: [{name: app, image: app}]}";
    for (kind, api_version, pod) in [
        ("Deployment", "apps/v1", "/spec/template/spec"),
        ("DaemonSet", "apps/v1", "/spec/template/spec"),
        ("ReplicaSet", "apps/v1", "/spec/template/spec"),
        ("StatefulSet", "apps/v1", "/spec/template/spec"),
        ("Job", "batch/v1", "/spec/template/spec"),
        ("ReplicationController", "v1", "/spec/template/spec"),
        (
            "CronJob",
            "batch/v1",
            "/spec/jobTemplate/spec/template/spec",
        ),
        ("Pod", "v1", "/spec"),
    ] {
        let body = match kind {
            "Pod" => format!("spec: {spec}"),
            "CronJob" => format!("spec: {{jobTemplate: {{spec: {{template: {{spec: {spec}}}}}}}}}"),
            _ => format!("spec: {{template: {{spec: {spec}}}}}"),
        };
        let manifest =
            format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n{body}\n");
        let injected = &documents(&inject(&manifest))[0];
        let pod = injected.pointer(pod).unwrap();
        assert_eq!(
            names(&pod["initContainers"]),
            ["istio-init", "istio-proxy"],
            "{kind}"
        );
        assert_eq!(names(&pod["containers"]), ["app"], "{kind}");
    }
}

#[test]
fn a_cron_jobs_labels_land_on_its_pods() {
    let manifest = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a}]}}}}}\n";
    let injected = &documents(&inject(manifest))[0];
    let template = &injected["spec"]["jobTemplate"]["spec"]["template"];
    assert_eq!(
        template["metadata"]["labels"]["service.istio.io/canonical-name"],
        "tidy"
    );
    assert_eq!(injected["spec"]["jobTemplate"]["metadata"], Value::Null);
}

#[test]
fn injects_the_items_of_a_list() {
    let manifest = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {}",
        DEPLOYMENT.replace('\n', "\n  ")
    );
    let injected = &documents(&inject(manifest.trim_end()))[0];
    let pod = &injected["items"][0]["spec"]["template"]["spec"];
    assert_eq!(names(&pod["initContainers"]), ["istio-init", "istio-proxy"]);
}

#[test]
fn other_documents_pass_through_byte_for_byte() {
    let other =
        "# a comment\napiVersion: example.com/v1\nkind: Thing   # odd\nmode: 0644\nlist: [ a,b ]\n";
    let got = inject(&format!("{other}---\n{DEPLOYMENT}---\n# only a comment\n"));
    assert!(got.starts_with(&format!("{other}---\n")), "{got}");
    assert!(got.ends_with("---\n# only a comment\n---\n"), "{got}");
}

#[test]
fn octal_modes_keep_their_meaning() {
    let manifest = format!(
        "{DEPLOYMENT}      volumes:\n      - {{name: v, secret: {{secretName: s, defaultMode: 0644}}}}\n"
    );
    let injected = &documents(&inject(&manifest))[0];
    let volumes = injected["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .unwrap();
    let volume = volumes.iter().find(|volume| volume["name"] == "v").unwrap();
    assert_eq!(volume["secret"]["defaultMode"], 420);
}

#[test]
fn says_on_standard_error_what_it_leaves_alone() {
    let manifest = format!("{DEPLOYMENT}      hostNetwork: true\n");
    let output = pillion(
        &["kube-inject", "--defaults", "-f", "-", "-n", "shop"],
        &manifest,
    );
    assert_eq!(stdout(&output), format!("{manifest}---\n"));
    assert!(
        stderr(&output)
            .contains("Deployment shop/web is not injected: it has host networking enabled"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn injecting_twice_is_refused_and_writes_nothing() {
    let output = scratch("twice.yaml", "untouched");
    let refused = pillion(
        &[
            "kube-inject",
            "--defaults",
            "-f",
            "-",
            "-o",
            output.to_str().unwrap(),
        ],
        &inject(DEPLOYMENT),
    );
    assert_eq!(refused.status.code(), Some(1));
    let message = stderr(&refused);
    assert!(
        message.contains("Deployment default/web is injected already"),
        "{message}"
    );
    assert!(message.contains("kube-uninject"), "{message}");
    assert_eq!(fs::read_to_string(output).unwrap(), "untouched");
}

#[test]
fn tells_and_refuses_what_goes_past_the_proxy() {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  annotations: {sidecar.istio.io/interceptionMode: NONE}\nspec:\n  containers: [{name: app, image: a}]\n";
    let arguments = ["kube-inject", "--defaults", "-f", "-"];
    let warned = pillion(&arguments, POD);
    assert!(warned.status.success(), "{}", stderr(&warned));
    let told = "warning: Pod default/x: the pod's interception mode is NONE";
    assert!(stderr(&warned).contains(told), "{}", stderr(&warned));

    let own = format!("{POD}  initContainers: [{{name: istio-init, image: mine}}]\n");
    let refused = pillion(&arguments, &own);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty());
    for part in [told, "guards.initContainerOverride=false allows it"] {
        assert!(stderr(&refused).contains(part), "{}", stderr(&refused));
    }
}

#[test]
fn uninjecting_gives_back_what_was_injected() {
    let uninjected = stdout(&pillion(&["kube-uninject", "-f", "-"], &inject(DEPLOYMENT)));
    assert_eq!(documents(&uninjected), documents(DEPLOYMENT));
}

#[test]
fn takes_the_config_maps_files() {
    let config = scratch(
        "config.yaml",
        "templates:\n  sidecar: |\n    spec:\n      containers:\n      - name: istio-proxy\n        image: '{{ proxy.image }}'\n",
    );
    let values = scratch(
        "values.json",
        &json!({"global": {"hub": "example.com", "tag": "7"}}).to_string(),
    );
    let mesh = scratch("mesh.yaml", "enablePrometheusMerge: false\n");
    let output = pillion(
        &[
            "kube-inject",
            "--injectConfigFile",
            config.to_str().unwrap(),
            "--valuesFile",
            values.to_str().unwrap(),
            "--meshConfigFile",
            mesh.to_str().unwrap(),
            "-f",
            "-",
        ],
        DEPLOYMENT,
    );
    let injected = &documents(&stdout(&output))[0];
    let template = &injected["spec"]["template"];
    assert_eq!(
        names(&template["spec"]["containers"]),
        ["web", "istio-proxy"]
    );
    assert_eq!(
        template["spec"]["containers"][1]["image"],
        "example.com/pillion-proxy:7"
    );
    assert_eq!(
        template["metadata"]["annotations"]["prometheus.io/port"],
        Value::Null
    );
}

#[test]
fn names_the_file_and_the_document_of_an_error() {
    let output = pillion(
        &["kube-inject", "--defaults", "-f", "-"],
        &format!("{DEPLOYMENT}---\na: [1\n"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: -: document 2: invalid YAML: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_a_cluster_it_says_how_to_do_without() {
    let output = pillion(&["kube-inject", "-f", "-"], DEPLOYMENT);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--defaults"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn wrong_usage_is_exit_code_two() {
    assert_eq!(pillion(&["kube-inject"], "").status.code(), Some(2));
    assert_eq!(pillion(&["check-inject"], "").status.code(), Some(2));
}

#[test]
fn warns_of_a_misspelt_field_of_the_mesh() {
    let data = json!({"mesh": "accessLogfile: /dev/stdout\nenableTracing: true"});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio-canary"}, "data": data});
    let output = stdout(&pillion(&["injector", "--check", "-"], &map.to_string()));
    assert_eq!(
        output,
        "-: warning: revision canary: mesh: accessLogfile: not a field of MeshConfig that Pillion knows; did you mean \
         accessLogFile?\n-: the configuration is valid\n"
    );
}

#[test]
fn checks_a_configuration_before_it_is_applied() {
    let map = |mesh: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio"}, "data": {"mesh": mesh}}).to_string()
    };
    let check = |text: &str| pillion(&["injector", "--check", "-"], text);
    assert!(stdout(&check(&map("enablePrometheusMerge: true"))).contains("valid"));
    let output = check(&map("enablePrometheusMerge: 3\ndefaultConfig: {x: 1}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("mesh: enablePrometheusMerge: must be true or false, not 3"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("mesh: defaultConfig.x: unknown field"),
        "{}",
        stderr(&output)
    );
    assert_eq!(check("kind: Service\n").status.code(), Some(1));
    // Each revision by itself, and nothing that is not the injector's.
    let named = |name: &str, data: serde_json::Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
            .to_string()
    };
    let files = |maps: &[String]| maps.join("\n---\n");
    let (bad, good) = (json!({"mesh": "defaultConfig: [1]"}), json!({"mesh": ""}));
    let output = check(&files(&[
        named("istio-canary", bad),
        named("istio", good.clone()),
    ]));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("revision canary: mesh: defaultConfig: must be a mapping"),
        "{}",
        stderr(&output)
    );
    let output = check(&files(&[
        named("istio", good),
        named("myapp", json!({"config": "listen = 1"})),
    ]));
    assert!(stdout(&output).contains("valid"), "{}", stderr(&output));
    let output = check(&named("istio-sidecar-injector", json!({"config": "{}"})));
    assert!(
        stderr(&output).contains("no key values"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn prints_completions() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            stdout(&pillion(&["completions", shell], "")).contains("kube-inject"),
            "{shell}"
        );
    }
}
