//! grpc-go: the client and the server of gRPC's own interoperability tests.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::{
    namespace::can_run,
    pair::Pair,
    pod::{Pod, Server},
};

/// A binary that `hack/go/build grpc` has built.
fn binary(name: &str) -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/.cache/bin");
    let folder = env::var_os("PILLION_TOOLS").unwrap_or_else(|| default.into());
    Path::new(&folder).join(format!("grpc-interop-{name}"))
}

fn is_built() -> bool {
    let how = "hack/go/build grpc";
    let programs = [binary("client"), binary("server")];
    can_run(&programs.each_ref().map(|it| (it.to_str().unwrap(), how)))
}

fn start(pod: &Pod) -> Server<'_> {
    let script = format!("{} --port 50051", binary("server").display());
    pod.serve("grpc", &script, &[50051])
}

fn client(arguments: &str) -> String {
    let client = binary("client").display().to_string();
    format!(
        "timeout 30 {client} --server_host 10.9.0.2 --server_port 50051 --test_case {arguments}"
    )
}

/// Has the client do what a test case says, and check the answers.
fn case(pods: &Pair, arguments: &str) {
    pods.client.sh(&client(arguments));
}

/// The same, where it has to fail. Returns what it says.
fn fails(pods: &Pair, arguments: &str) -> String {
    pods.client.sh(&format!("! {}", client(arguments)))
}

#[test]
fn calls_and_streams_of_all_kinds_succeed() {
    if !is_built() {
        return;
    }
    let pods = pods!();
    let _server = start(&pods.server);
    for name in [
        "empty_unary",
        "large_unary",
        "client_streaming",
        "server_streaming",
        "ping_pong",
        "empty_stream",
    ] {
        case(&pods, name);
    }
    // Two calls.
    case(&pods, "custom_metadata");
    pods.carried_by("grpc_response_status", &[("0", 8)]);
    pods.carried(&[("200", 8)]);
}

#[test]
fn errors_keep_their_codes_and_messages() {
    if !is_built() {
        return;
    }
    let pods = pods!();
    let _server = start(&pods.server);
    // A call and a stream, with code 2 each.
    case(&pods, "status_code_and_message");
    // Its message is not ASCII.
    case(&pods, "special_status_message");
    case(&pods, "unimplemented_method");
    case(&pods, "unimplemented_service");
    pods.carried_by("grpc_response_status", &[("12", 2), ("2", 3)]);
    pods.carried(&[("200", 5)]);
}

#[test]
fn a_client_may_cancel_its_call_or_have_a_deadline() {
    if !is_built() {
        return;
    }
    let pods = pods!();
    let _server = start(&pods.server);
    case(&pods, "cancel_after_first_response");
    // These may be over before the call has left the client.
    case(&pods, "cancel_after_begin");
    case(&pods, "timeout_on_sleeping_server");
    // And the sidecars go on.
    case(&pods, "empty_unary");
}

/// The server is stopped, so that it takes the call and does not answer.
#[test]
fn a_deadline_ends_a_call_all_the_way() {
    if !is_built() {
        return;
    }
    let pods = pods!();
    let server = start(&pods.server);
    case(&pods, "empty_unary");
    server.signal("STOP");
    let half_a_second = r#"{"methodConfig": [{"name": [{}], "timeout": "0.5s"}]}"#;
    let script = format!("empty_unary --service_config_json '{half_a_second}'");
    let said = fails(&pods, &script);
    assert!(said.contains("DeadlineExceeded"), "{said}");
    pods.carried_by("response_flags", &[("-", 1), ("DC", 1)]);
    server.signal("CONT");
    case(&pods, "empty_unary");
    pods.carried_by("response_flags", &[("-", 2), ("DC", 1)]);
}

#[test]
fn a_thousand_calls_share_connections() {
    if !is_built() {
        return;
    }
    let pods = pods!();
    let _server = start(&pods.server);
    case(
        &pods,
        "rpc_soak --soak_iterations 1000 --soak_num_threads 10 --soak_request_size 1000 --soak_response_size 1000 --soak_overall_timeout_seconds 30 \
         --soak_per_iteration_max_acceptable_latency_ms 30000",
    );
    pods.carried_by("grpc_response_status", &[("0", 1000)]);
}
