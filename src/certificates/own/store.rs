//! Writing the Secret.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, api::PostParams};

use crate::cluster::with_timeout;

/// The Secret at the API server.
pub(super) struct Store {
    api: Api<Secret>,
    name: String,
}

impl Store {
    pub fn new(api: Api<Secret>, name: String) -> Self {
        Self { api, name }
    }

    /// Creates the Secret, or returns that of another replica which was faster.
    pub async fn create(&self, data: BTreeMap<String, ByteString>) -> kube::Result<Option<Secret>> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            data: Some(data),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        };
        let parameters = PostParams::default();
        let created = self.api.create(&parameters, &secret);
        match with_timeout(created).await {
            Ok(secret) => {
                tracing::info!(secret = self.name, "created the certificates' Secret");
                Ok(Some(secret))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                with_timeout(self.api.get_opt(&self.name)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces the Secret's contents. Returns `None` if the Secret has changed since it was
    /// read, according to its resource version.
    pub async fn replace(
        &self,
        secret: &Secret,
        data: BTreeMap<String, ByteString>,
    ) -> kube::Result<Option<Secret>> {
        let mut secret = secret.clone();
        secret.data = Some(data);
        let parameters = PostParams::default();
        let replaced = self.api.replace(&self.name, &parameters, &secret);
        match with_timeout(replaced).await {
            Ok(secret) => Ok(Some(secret)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
