//! Formatting an error and its causes on one line.

use std::{error::Error, iter::successors};

/// Formats an error and its causes, separated by `: `, without causes that the text
/// already contains. An error from the API server is reduced to its Status' message.
///
/// ```
/// use pillion::error_chain;
///
/// let error = anyhow::anyhow!("no such file").context("cannot read mesh.yaml");
/// assert_eq!(error_chain(error.as_ref()), "cannot read mesh.yaml: no such file");
/// ```
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    // The source of an API server's error only repeats it.
    let chain: Vec<_> = successors(Some(error), |&error| match api_error(error) {
        Some(_) => None,
        None => error.source(),
    })
    .collect();
    let api_error = chain.iter().find_map(|error| api_error(*error));
    let mut text = String::new();
    for error in chain {
        let mut cause = error.to_string();
        if let Some((whole, message)) = &api_error {
            cause = cause.replace(whole, message);
        }
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// The text that kube formats for an API server's Status, and the Status' message.
fn api_error(error: &(dyn Error + 'static)) -> Option<(String, String)> {
    match error.downcast_ref::<kube::Error>()? {
        error @ kube::Error::Api(status) if !status.message.is_empty() => {
            Some((error.to_string(), status.message.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use kube::core::Status;

    use super::*;

    #[test]
    fn has_the_message_of_the_api_server() {
        let status = Status::failure("pods is forbidden", "Forbidden").with_code(403);
        let error = Err::<(), _>(kube::Error::Api(Box::new(status)))
            .context("cannot list the pods")
            .unwrap_err();
        assert_eq!(
            error_chain(error.as_ref()),
            "cannot list the pods: pods is forbidden"
        );
    }

    #[test]
    fn omits_a_cause_that_the_text_contains() {
        let inner = std::io::Error::other("the disk is full");
        let outer = anyhow::Error::from(inner).context("cannot write: the disk is full");
        assert_eq!(
            error_chain(outer.as_ref()),
            "cannot write: the disk is full"
        );
    }
}
