//! Calls of the API server.

use std::time::Duration;

use tokio::time::timeout;

const ANSWER: Duration = Duration::from_secs(10);

/// Awaits an answer, but not for ever: a connection that was cut without a word
/// would hold up everything behind the call.
pub(super) async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    timeout(ANSWER, call)
        .await
        .unwrap_or_else(|elapsed| Err(kube::Error::Service(Box::new(elapsed))))
}

/// Whether the API server denied the call.
pub(super) fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_fails() {
        let never = std::future::pending::<kube::Result<()>>();
        assert!(bounded(never).await.is_err());
    }
}
