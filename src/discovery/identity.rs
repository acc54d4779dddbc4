//! Who a proxy is: the pod that its service-account token is bound to, as the API server says.

mod answer;
mod bearer;
mod cache;
mod token;
mod turns;

use std::{net::IpAddr, sync::Arc, time::Duration};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::{Api, Client, api::PostParams};
use pillion_serve::Caller;
use tokio::time::timeout;

pub use self::token::lasts as token_lasts;
pub(super) use self::{
    answer::{Identity, Refusal},
    bearer::bearer,
};
use self::{
    cache::{Cache, Fingerprint},
    turns::Turns,
};
use super::metrics::{Metrics, TokenResult};
use crate::{cluster::with_timeout, error_chain, model::Key};

/// The audience of the tokens that proxies present, also to Istio's CA.
const AUDIENCE: &str = "istio-ca";
/// The longest token that is looked at, in bytes. Kubernetes' have about 1 kB.
const LONGEST: usize = 16 * 1024;
/// How long a review may take, with the wait for its turn.
const LONGEST_REVIEW: Duration = Duration::from_secs(5);
/// The extra fields in which the API server says which pod a token is bound to.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
/// The start of a service account's user name.
const ACCOUNT: &str = "system:serviceaccount:";

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Authenticator {
    reviews: Api<TokenReview>,
    cache: Cache,
    turns: Turns,
    metrics: Arc<Metrics>,
}

impl Authenticator {
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self {
            reviews: Api::all(client),
            cache: Cache::default(),
            turns: Turns::default(),
            metrics,
        }
    }

    /// Returns whose token it is, which comes from this address.
    ///
    /// # Errors
    ///
    /// Returns why it is refused.
    pub async fn identify(&self, token: &str, address: IpAddr) -> Result<Identity, Refusal> {
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|b| b.is_ascii_graphic())
        {
            self.metrics.token(TokenResult::Refused);
            return Err(Refusal::NoToken);
        }
        let lasts = token::lasts(token);
        let fingerprint = Fingerprint::of(token);
        if let Some(known) = self.cache.get(&fingerprint) {
            self.metrics.token(TokenResult::Cached);
            return known.map(|identity| Identity { lasts, ..identity });
        }
        let review = self
            .turns
            .take(Caller::of(address), self.review(token, lasts));
        let reviewed = match timeout(LONGEST_REVIEW, review).await {
            Ok(Some(reviewed)) => reviewed,
            Ok(None) | Err(_) => Err(Refusal::Unavailable),
        };
        self.metrics.token(match &reviewed {
            Ok(_) => TokenResult::Accepted,
            Err(Refusal::Unavailable) => TokenResult::Unavailable,
            Err(_) => TokenResult::Refused,
        });
        if reviewed != Err(Refusal::Unavailable) {
            self.cache.put(fingerprint, reviewed.clone(), lasts);
        }
        reviewed
    }

    async fn review(&self, token: &str, lasts: Duration) -> Result<Identity, Refusal> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: token.to_owned(),
            },
            ..TokenReview::default()
        };
        let parameters = PostParams::default();
        let review = with_timeout(self.reviews.create(&parameters, &review)).await;
        let status = match review {
            Ok(review) => review.status.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "cannot have a token reviewed; the proxy tries again"
                );
                return Err(Refusal::Unavailable);
            }
        };
        let for_us = status.audiences.iter().flatten().any(|one| one == AUDIENCE);
        if status.authenticated != Some(true) || !for_us {
            let why = status
                .error
                .unwrap_or_else(|| format!("it is not for the audience {AUDIENCE}"));
            return Err(Refusal::Rejected(why));
        }
        pod_of(&status.user.unwrap_or_default(), lasts).ok_or(Refusal::NoPod)
    }
}

/// The pod that a user's token is bound to.
fn pod_of(user: &UserInfo, lasts: Duration) -> Option<Identity> {
    let account = user.username.as_deref()?.strip_prefix(ACCOUNT)?;
    let (namespace, account) = account.split_once(':')?;
    let extra = |name| user.extra.as_ref()?.get(name)?.first();
    Some(Identity {
        pod: Key::new(namespace, extra(POD_NAME)?.as_str()),
        uid: Some(extra(POD_UID)?.as_str().into()),
        account: account.into(),
        lasts,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(user: serde_json::Value) -> Option<(Key, String)> {
        let user = serde_json::from_value(user).unwrap();
        let identity = pod_of(&user, Duration::ZERO)?;
        Some((identity.pod, identity.account.to_string()))
    }

    #[test]
    fn a_bound_token_names_its_pod_and_account() {
        let extra = json!({POD_NAME: ["web-1"], POD_UID: ["u"]});
        let user = json!({"username": "system:serviceaccount:shop:web", "extra": extra});
        let web = (Key::new("shop", "web-1"), "web".to_owned());
        assert_eq!(pod(user), Some(web));
    }

    #[test]
    fn a_token_of_nobody_s_pod_is_none() {
        let extra = json!({POD_NAME: ["web-1"], POD_UID: ["u"]});
        for user in [
            json!({"username": "system:serviceaccount:shop:web"}),
            json!({"username": "admin", "extra": extra}),
            json!({"extra": extra}),
            json!({"username": "system:serviceaccount:shop:web", "extra": {POD_NAME: ["web-1"]}}),
            json!({"username": "system:serviceaccount:shop:web", "extra": {POD_NAME: []}}),
        ] {
            assert_eq!(pod(user.clone()), None, "{user}");
        }
    }
}
