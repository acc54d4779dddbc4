//! The fuzz target for what an Envoy asks its agent for.

use std::{collections::BTreeSet, sync::LazyLock};

use pillion_cost::{Bound, Linear};
use pillion_envoy_api::{
    envoy::{
        extensions::transport_sockets::tls::v3::{Secret, secret::Type},
        service::discovery::v3::{
            DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
        },
    },
    google::rpc::Status,
    type_url,
};
use pillion_proxy::test_util::{AnsweredSecrets, SecretsPlay, SecretsStep};
use prost::{Message, bytes::Bytes};
use time::{Duration, OffsetDateTime};

use crate::{
    cursor::Cursor,
    units::{MIB, MILLISECOND},
};

/// What is sent, what names of it are kept, and answers of a few KiB.
pub(crate) const BOUND: Bound = Bound {
    peak: Linear::new(MIB, 48),
    total: Linear::new(4 * MIB, 256),
    time: Linear::new(20 * MILLISECOND, 2000),
};

/// What a step costs, in bytes of input: it may be answered by both secrets.
const STEP: usize = 1024;
/// The longest stream.
const STEPS: usize = 64;
/// The longest answer.
const LONGEST: usize = 16 * 1024;

const NAMES: [&str; 8] = [
    "default",
    "ROOTCA",
    "*",
    "",
    "other",
    "default ",
    "rootca",
    "file-root:/etc/ssl",
];
const TYPES: [&str; 8] = [
    type_url::SECRET,
    type_url::SECRET,
    type_url::SECRET,
    type_url::SECRET,
    type_url::SECRET,
    type_url::CLUSTER,
    "",
    "type.googleapis.com/x",
];

static PLAY: LazyLock<SecretsPlay> = LazyLock::new(|| {
    let now = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    let play = SecretsPlay::new(now).expect("certificates");
    // The first request that is read needs the descriptions of all messages, and later ones have them.
    let request = framed(&DiscoveryRequest::default());
    let _ = play.ask(false, &[SecretsStep::Send(request)]);
    play
});

/// Sends requests in one of both variants of the protocol while the certificate is renewed: the first byte
/// says which variant it is, and whether the rest are bytes or instructions for messages.
///
/// # Panics
///
/// Panics if a check fails.
pub fn secrets(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let flags = cursor.byte();
    let is_delta = flags & 1 != 0;
    if flags & 2 != 0 {
        let size = usize::from(cursor.byte()) + 1;
        let rest = cursor.rest();
        let pieces = rest.chunks(size.max(rest.len() / STEPS + 1));
        let steps: Vec<_> = pieces
            .map(|piece| SecretsStep::Send(Bytes::copy_from_slice(piece)))
            .collect();
        let answered = ask(is_delta, &steps);
        check(is_delta, &steps, &named(rest).collect(), &answered);
    } else {
        let (steps, asked) = script(&mut cursor, is_delta);
        let answered = ask(is_delta, &steps);
        check(is_delta, &steps, &asked, &answered);
    }
}

/// The steps, and the names that are asked for.
fn script(cursor: &mut Cursor<'_>, is_delta: bool) -> (Vec<SecretsStep>, BTreeSet<String>) {
    let (mut steps, mut asked) = (Vec::new(), BTreeSet::new());
    let mut garbage = Vec::new();
    for _ in 0..=cursor.below(STEPS) {
        let step = match cursor.below(8) {
            0 => SecretsStep::Renew,
            1 | 2 => SecretsStep::Read,
            3 => {
                // Not a message, or a part of one.
                let bytes = cursor.until(0xff);
                garbage.extend_from_slice(bytes);
                SecretsStep::Send(Bytes::copy_from_slice(bytes))
            }
            _ => {
                let (names, gone) = (names(cursor), cursor.below(4));
                let url = cursor.pick(&TYPES).to_owned();
                let nonce = match cursor.below(12) {
                    0 => String::new(),
                    11 => "x".repeat(1 << cursor.below(14)),
                    number => number.to_string(),
                };
                let error = (cursor.below(4) == 1).then(|| Status {
                    message: "refused ".repeat(cursor.below(256)),
                    ..Status::default()
                });
                asked.extend(names.iter().cloned());
                SecretsStep::Send(match is_delta {
                    true => framed(&DeltaDiscoveryRequest {
                        type_url: url,
                        resource_names_unsubscribe: names.iter().take(gone).cloned().collect(),
                        initial_resource_versions: names
                            .iter()
                            .skip(gone)
                            .map(|name| (name.clone(), nonce.clone()))
                            .collect(),
                        resource_names_subscribe: names,
                        response_nonce: nonce,
                        error_detail: error,
                        ..DeltaDiscoveryRequest::default()
                    }),
                    false => framed(&DiscoveryRequest {
                        type_url: url,
                        resource_names: names,
                        version_info: nonce.clone(),
                        response_nonce: nonce,
                        error_detail: error,
                        ..DiscoveryRequest::default()
                    }),
                })
            }
        };
        steps.push(step);
    }
    asked.extend(named(&garbage));
    (steps, asked)
}

/// The secrets whose names are somewhere in these bytes.
fn named(bytes: &[u8]) -> impl Iterator<Item = String> {
    let names = ["default", "ROOTCA"].into_iter();
    let found = names.filter(|name| contains(bytes, name.as_bytes()));
    found.map(str::to_owned)
}

fn names(cursor: &mut Cursor<'_>) -> Vec<String> {
    let count = cursor.below(5);
    (0..count)
        .flat_map(|_| match cursor.below(10) {
            8 => vec![String::from_utf8_lossy(cursor.until(0)).into_owned()],
            9 => {
                let many = 1_usize << cursor.below(13);
                (0..many).map(|number| format!("n{number}")).collect()
            }
            one => vec![NAMES[one].to_owned()],
        })
        .collect()
}

fn framed(message: &impl Message) -> Bytes {
    let length = u32::try_from(message.encoded_len()).expect("not that long");
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message.encode_to_vec());
    framed.into()
}

fn sent(steps: &[SecretsStep]) -> usize {
    let bytes = steps.iter().map(|step| match step {
        SecretsStep::Send(bytes) => bytes.len(),
        _ => 0,
    });
    bytes.sum()
}

fn ask(is_delta: bool, steps: &[SecretsStep]) -> AnsweredSecrets {
    let play = &*PLAY;
    let answered = BOUND.hold("a stream", sent(steps) + STEP * steps.len(), || {
        play.ask(is_delta, steps)
    });
    answered.expect("a runtime")
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|it| it == word)
}

/// Checks what came back with eyes of our own.
fn check(
    is_delta: bool,
    steps: &[SecretsStep],
    asked: &BTreeSet<String>,
    answered: &AnsweredSecrets,
) {
    let mut rest = answered.bytes.as_slice();
    let mut count = 0;
    while let Some((head, after)) = rest.split_at_checked(5) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(length).expect("a length");
        let (message, after) = after.split_at(length);
        assert!(head[0] == 0 && length <= LONGEST + sent(steps), "{length}");
        let secrets: Vec<_> = if is_delta {
            let response = DeltaDiscoveryResponse::decode(message).expect("an answer");
            let resources = response.resources.into_iter();
            resources.filter_map(|one| one.resource).collect()
        } else {
            let response = DiscoveryResponse::decode(message).expect("an answer");
            response.resources
        };
        for any in secrets {
            assert_eq!(any.type_url, type_url::SECRET);
            let secret = Secret::decode(&*any.value).expect("a secret");
            assert!(
                asked.contains(&secret.name),
                "{} for {asked:?}",
                secret.name
            );
            let is_key = contains(&any.value, b"PRIVATE KEY");
            assert_eq!(is_key, secret.name == "default");
            let is_certificate = matches!(secret.r#type, Some(Type::TlsCertificate(_)));
            assert_eq!(is_key, is_certificate);
        }
        count += 1;
        rest = after;
    }
    assert!(rest.is_empty(), "part of an answer");
    // Each is an answer to somebody, or news. A piece of bytes may have several requests in it.
    let requests = sent(steps) / 5 + steps.len();
    assert!(count <= 2 * requests, "{count} answers to {requests}");
    if !asked.contains("default") {
        assert!(!contains(&answered.bytes, b"PRIVATE KEY"));
    }
    if let Some(status) = &answered.status {
        assert!(!contains(status.message().as_bytes(), b"PRIVATE KEY"));
        assert!(status.message().len() <= 1024, "{status:?}");
    }
}
