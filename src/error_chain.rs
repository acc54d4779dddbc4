//! Errors in one line for people.

use std::{error::Error, iter::successors};

/// The error and its causes, without those that the text before them repeats.
/// Of an API server's answer the message stands for the whole.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    // Behind an API server's answer there is only that answer once more.
    let chain: Vec<_> = successors(Some(error), |&error| match answer(error) {
        Some(_) => None,
        None => error.source(),
    })
    .collect();
    let answer = chain.iter().find_map(|error| answer(*error));
    let mut text = String::new();
    for error in chain {
        let mut cause = error.to_string();
        if let Some((whole, message)) = &answer {
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

/// What kube makes of a Status, and its message.
fn answer(error: &(dyn Error + 'static)) -> Option<(String, String)> {
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
    fn says_what_the_api_server_says() {
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
    fn says_nothing_twice() {
        let inner = std::io::Error::other("the disk is full");
        let outer = anyhow::Error::from(inner).context("cannot write: the disk is full");
        assert_eq!(
            error_chain(outer.as_ref()),
            "cannot write: the disk is full"
        );
    }
}
