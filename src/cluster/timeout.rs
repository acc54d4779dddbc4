//! A timeout for calls to the API server.

use std::time::Duration;

use tokio::time::timeout;

const RESPONSE: Duration = Duration::from_secs(10);

/// Waits for a response for a limited time. Without a timeout, a connection that was
/// silently cut would block the caller.
pub(crate) async fn with_timeout<T>(
    call: impl Future<Output = kube::Result<T>>,
) -> kube::Result<T> {
    timeout(RESPONSE, call)
        .await
        .unwrap_or_else(|elapsed| Err(kube::Error::Service(Box::new(elapsed))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_response_fails() {
        let never = std::future::pending::<kube::Result<()>>();
        assert!(with_timeout(never).await.is_err());
    }
}
