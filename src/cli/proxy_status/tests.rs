use clap::Parser;
use kube::core::Status;
use serde_json::json;

use super::*;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    args: Args,
}

/// Why no replica has answered, where port-forwards fail with this status and no pod is ready.
async fn unanswered(code: u16) -> String {
    let answer = |_: axum::http::Request<kube::client::Body>| async {
        let list = json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": [{
            "metadata": {"name": "pillion-discovery"},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
        }]});
        let body = kube::client::Body::from(list.to_string().into_bytes());
        axum::http::Response::builder().body(body)
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let status = Status::failure("no", "").with_code(code);
    let error = anyhow::Error::from(kube::Error::Api(Box::new(status)));
    let args = Command::parse_from(["proxy-status"]).args;
    let error = error.context("cannot forward a port");
    format!("{:#}", args.unanswered(&client, error).await)
}

#[tokio::test]
async fn a_user_who_may_not_forward_ports_is_told_that_alone() {
    let other = unanswered(500).await;
    assert!(other.contains("has 0 of 1 ready pods"), "{other}");
    let forbidden = unanswered(403).await;
    assert!(
        forbidden.starts_with("cannot forward a port"),
        "{forbidden}"
    );
    assert!(!forbidden.contains("ready pods"), "{forbidden}");
}
