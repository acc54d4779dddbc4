//! What has come of a request.

use pillion_proxy::test_util::Fate;

use super::asked::Asked;
use crate::{messages::Message, talk::responses};

/// What the client has got.
#[derive(Debug)]
pub(super) struct Outcome {
    pub interim: Vec<Message>,
    pub response: Option<Message>,
    pub fate: Fate,
}

impl Outcome {
    /// Reads what the client has received.
    pub fn read(asked: Asked, bytes: &[u8], fate: Fate) -> Self {
        let all = responses(bytes, &[asked.method.to_owned()]);
        let all = all.unwrap_or_else(|why| panic!("to the client: {why}"));
        let (interim, last): (Vec<_>, Vec<_>) = all.into_iter().partition(Message::is_interim);
        assert!(last.len() <= 1, "{} responses to one request", last.len());
        Self {
            interim,
            response: last.into_iter().next(),
            fate,
        }
    }
}
