//! `x-request-id`: a random UUID, whose 14th digit Envoys tell each other by whether its request is traced.

use super::hex;

/// Why a request is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is not.
    None,
    /// As chance has it.
    Sampled,
    /// A service has asked for it (`x-envoy-force-trace`).
    Forced,
    /// A client has asked for it (`x-client-trace-id`).
    Client,
}

/// The length of a UUID.
const LENGTH: usize = 36;
/// Where the version is (RFC 9562, 4.2): an id that no proxy has marked has 4 there.
const MARK: usize = 14;

/// A number that is the same wherever the request goes, and that chance decides.
pub(super) fn number(id: &[u8]) -> Option<u64> {
    hex::number(id.get(..8)?)
}

/// What another proxy has marked it with.
pub(super) fn reason(id: &[u8]) -> Reason {
    match id {
        [_, ..] if id.len() == LENGTH => match id[MARK] {
            b'9' => Reason::Sampled,
            b'a' => Reason::Forced,
            b'b' => Reason::Client,
            _ => Reason::None,
        },
        _ => Reason::None,
    }
}

/// The id with that mark; `None` if it has it, or is no UUID.
pub(super) fn marked(id: &[u8], reason: Reason) -> Option<[u8; LENGTH]> {
    let mut id = <[u8; LENGTH]>::try_from(id).ok()?;
    let mark = match reason {
        Reason::None => b'4',
        Reason::Sampled => b'9',
        Reason::Forced => b'a',
        Reason::Client => b'b',
    };
    let had = std::mem::replace(&mut id[MARK], mark);
    (had != mark).then_some(id)
}

/// The id as that of a request that is not traced, for one that a stranger has chosen; `None` if it is
/// that already, or is no UUID.
pub(crate) fn unmarked(id: &[u8]) -> Option<[u8; LENGTH]> {
    marked(id, Reason::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8] = b"6dcfe2a5-1e1c-4d0a-9d3f-0d0f7c1f8a11";

    #[test]
    fn the_number_is_the_first_group() {
        assert_eq!(number(ID), Some(0x6dcf_e2a5));
        for id in [&b"6dcfe2a"[..], b"mine-it-is", b""] {
            assert_eq!(number(id), None);
        }
    }

    #[test]
    fn reads_the_marks_that_it_writes() {
        assert_eq!(reason(ID), Reason::None);
        for (mark, digit) in [
            (Reason::Sampled, b'9'),
            (Reason::Forced, b'a'),
            (Reason::Client, b'b'),
        ] {
            let id = marked(ID, mark).unwrap();
            assert_eq!((reason(&id), id[14]), (mark, digit));
            assert_eq!(marked(&id, mark), None);
            assert_eq!(unmarked(&id).unwrap(), ID);
        }
    }

    #[test]
    fn leaves_ids_alone_that_are_no_uuids() {
        assert_eq!(marked(b"mine", Reason::Sampled), None);
        assert_eq!(unmarked(b"mine"), None);
        assert_eq!(reason(b"mine"), Reason::None);
        assert_eq!(reason(b"01234567890123_9"), Reason::None);
    }
}
