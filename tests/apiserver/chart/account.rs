//! The chart's service account, by its own token.

use std::{fs, path::PathBuf};

use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use pillion_envtest::ControlPlane;
use serde_json::{Value, json};

/// A kubeconfig of the account.
pub async fn kubeconfig(plane: &ControlPlane, namespace: &str, account: &str) -> PathBuf {
    let accounts: Api<ServiceAccount> = Api::namespaced(plane.client().await.unwrap(), namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec::default()),
        ..TokenRequest::default()
    };
    let token = accounts
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .unwrap();
    let text = fs::read_to_string(plane.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"] = json!({"token": token.status.unwrap().token});
    let path = plane
        .folder()
        .join(format!("{namespace}-{account}.kubeconfig"));
    fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// A client that is the account.
pub async fn client(plane: &ControlPlane, namespace: &str, account: &str) -> Client {
    let path = kubeconfig(plane, namespace, account).await;
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}
