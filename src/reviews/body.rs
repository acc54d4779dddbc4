//! Reading a request's body within limits.

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use pillion_serve::{Budget, Full, Limits, Share};

/// A body that was read, and its share of each budget.
#[derive(Debug)]
pub(crate) struct Collected<'a, const N: usize> {
    pub(crate) bytes: Bytes,
    _shares: [Share<'a>; N],
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The body is longer than the limit.
    TooLong(TooLong),
    /// The body did not arrive within the timeout.
    TooSlow,
    /// A budget is used up by other bodies.
    Overload,
    /// The caller aborted the request.
    Broken(axum::Error),
}

/// A body that is longer than the limit, as far as it was read.
#[derive(Debug)]
pub(crate) struct TooLong {
    read: [Bytes; 2],
    rest: Body,
    /// When the time for the body is over.
    until: Instant,
}

impl TooLong {
    /// How many bytes are read in all, and thrown away, to come to the end of the body: a caller that is
    /// still writing may not read an answer.
    const MOST: usize = 16 << 20;

    /// Its first bytes: as many, or fewer if no more come within the time for the body. Nothing else of
    /// it stays in memory.
    pub(crate) async fn begin(self, most: usize) -> Vec<u8> {
        let Self {
            read: pieces,
            mut rest,
            until,
        } = self;
        let mut begin = Vec::new();
        let mut read = 0;
        let mut take = |data: &[u8]| {
            let more = data.len().min(most - begin.len());
            begin.extend_from_slice(&data[..more]);
            read += data.len();
            read <= Self::MOST
        };
        for piece in pieces {
            take(&piece);
        }
        let reads = async {
            while let Some(Ok(frame)) = rest.frame().await {
                if frame.into_data().is_ok_and(|data| !take(&data)) {
                    break;
                }
            }
        };
        // If the rest does not come in time, what has come is enough.
        let _ = timeout_at(until, reads).await;
        begin
    }
}

impl From<Full> for Unread {
    fn from(_: Full) -> Self {
        Self::Overload
    }
}

/// Reads a body within the limits, charging its bytes to each budget.
pub(crate) async fn collect<'a, const N: usize>(
    body: Body,
    budgets: [&'a Budget; N],
    limits: &Limits,
) -> Result<Collected<'a, N>, Unread> {
    let until = Instant::now() + limits.body;
    if body.size_hint().lower() > u64::try_from(limits.body_bytes).unwrap_or(u64::MAX) {
        let read = [Bytes::new(), Bytes::new()];
        let rest = body;
        return Err(Unread::TooLong(TooLong { read, rest, until }));
    }
    match timeout_at(until, read(body, budgets, limits.body_bytes, until)).await {
        Ok(read) => read,
        Err(_) => Err(Unread::TooSlow),
    }
}

async fn read<'a, const N: usize>(
    mut body: Body,
    budgets: [&'a Budget; N],
    most: usize,
    until: Instant,
) -> Result<Collected<'a, N>, Unread> {
    let mut shares = budgets.map(Budget::share);
    let mut first = Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        // Ignore trailers.
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else {
            continue;
        };
        let read = first.len() + rest.len();
        if data.len() > most - read {
            let before = if rest.is_empty() { first } else { rest.into() };
            let (read, rest) = ([before, data], body);
            return Err(Unread::TooLong(TooLong { read, rest, until }));
        }
        for share in &mut shares {
            share.grow(read + data.len())?;
        }
        if read == 0 {
            // Usually there is only one frame, which is used without copying.
            first = data;
            continue;
        }
        if rest.is_empty() {
            make_room(&mut rest, first.len() + data.len(), &body);
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        make_room(&mut rest, data.len(), &body);
        rest.extend_from_slice(&data);
    }
    let bytes = if rest.is_empty() { first } else { rest.into() };
    Ok(Collected {
        bytes,
        _shares: shares,
    })
}

/// Reserves memory for more bytes of a body, and for those that its Content-Length
/// announces: at most as many as have arrived, or 64 KiB, so that a caller does not get
/// memory for bytes that it does not send.
fn make_room(read: &mut Vec<u8>, more: usize, body: &Body) {
    if read.capacity() - read.len() < more {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let expected = announced.min(read.len().max(64 * 1024));
        // Grow by at least a quarter if nothing is announced, because growing may copy.
        read.reserve_exact(more + expected.max(read.len() / 4));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{StreamExt as _, stream};
    use tokio::time::sleep;

    use super::*;

    const UNIT: usize = 1024;

    fn limits(body_bytes: usize) -> Limits {
        Limits {
            body_bytes,
            ..Limits::default()
        }
    }

    fn chunks(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok::<_, std::io::Error>(*chunk))
            .collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn reads_a_body_of_one_piece() {
        let budget = Budget::new(UNIT);
        let read = collect(Body::from("abc"), [&budget], &limits(3))
            .await
            .unwrap();
        assert_eq!(read.bytes, "abc");
    }

    #[tokio::test]
    async fn joins_a_body_of_many_pieces() {
        let budget = Budget::new(UNIT);
        let body = chunks(&["ab", "", "c", "def"]);
        let read = collect(body, [&budget], &limits(6)).await.unwrap();
        assert_eq!(read.bytes, "abcdef");
    }

    #[tokio::test]
    async fn reads_an_empty_body() {
        let budget = Budget::new(UNIT);
        let read = collect(Body::empty(), [&budget], &limits(6)).await.unwrap();
        assert!(read.bytes.is_empty());
    }

    #[tokio::test]
    async fn rejects_a_body_that_says_it_is_too_long() {
        let budget = Budget::new(UNIT);
        let read = collect(Body::from("abcd"), [&budget], &limits(3)).await;
        assert!(matches!(read, Err(Unread::TooLong(_))));
    }

    #[tokio::test]
    async fn rejects_a_body_that_turns_out_too_long() {
        let budget = Budget::new(UNIT);
        let read = collect(chunks(&["ab", "c", "d"]), [&budget], &limits(3)).await;
        assert!(matches!(read, Err(Unread::TooLong(_))));
    }

    /// The begin of a body that is longer than three bytes.
    async fn begin(body: Body, most: usize) -> Vec<u8> {
        let budget = Budget::new(UNIT);
        match collect(body, [&budget], &limits(3)).await {
            Err(Unread::TooLong(long)) => long.begin(most).await,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_begin_of_a_body_that_is_too_long() {
        assert_eq!(begin(Body::from("abcd"), 2).await, b"ab");
        assert_eq!(begin(Body::from("abcd"), 9).await, b"abcd");
        assert_eq!(begin(chunks(&["abcd", "ef"]), 2).await, b"ab");
        // It turns out too long when some of it was read.
        assert_eq!(begin(chunks(&["a", "b", "cd", "ef"]), 5).await, b"abcde");
        // The rest does not come.
        let slow = stream::iter(["abcd"].map(Ok::<_, std::io::Error>));
        let slow = Body::from_stream(slow.chain(stream::pending()));
        assert_eq!(begin(slow, 9).await, b"abcd");
    }

    /// The caller may not wait for longer, and gets no answer then.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_too_long_has_the_time_of_one_body() {
        let start = Instant::now();
        let late = stream::once(async {
            sleep(Duration::from_secs(4)).await;
            Ok::<_, std::io::Error>("abcd")
        });
        let body = Body::from_stream(late.chain(stream::pending()));
        assert_eq!(begin(body, 9).await, b"abcd");
        assert_eq!(start.elapsed(), limits(3).body);
    }

    #[tokio::test(start_paused = true)]
    async fn rejects_a_body_that_does_not_come() {
        let budget = Budget::new(UNIT);
        let body = Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
        let read = collect(body, [&budget], &limits(3)).await;
        assert!(matches!(read, Err(Unread::TooSlow)));
    }

    #[tokio::test]
    async fn rejects_bodies_beyond_the_budget_until_others_are_gone() {
        let budget = Budget::new(2 * UNIT);
        let limits = limits(10 * UNIT);
        let big = || Body::from(vec![b'x'; UNIT + 1]);
        let held = collect(big(), [&budget], &limits).await.unwrap();
        assert!(matches!(
            collect(big(), [&budget], &limits).await,
            Err(Unread::Overload)
        ));
        drop(held);
        assert!(collect(big(), [&budget], &limits).await.is_ok());
    }

    #[tokio::test]
    async fn takes_a_share_of_each_budget() {
        let (small, large) = (Budget::new(UNIT), Budget::new(10 * UNIT));
        let big = Body::from(vec![b'x'; UNIT + 1]);
        let read = collect(big, [&large, &small], &limits(10 * UNIT)).await;
        assert!(matches!(read, Err(Unread::Overload)));
        assert!(large.share().grow(10 * UNIT).is_ok());
    }

    #[tokio::test]
    async fn gives_back_the_share_of_a_body_that_broke_off() {
        let budget = Budget::new(UNIT);
        let broken = || {
            let pieces = [Ok("abc"), Err(std::io::Error::other("gone"))];
            Body::from_stream(stream::iter(pieces))
        };
        let limits = Limits {
            body: Duration::from_secs(1),
            ..limits(UNIT)
        };
        assert!(matches!(
            collect(broken(), [&budget], &limits).await,
            Err(Unread::Broken(_))
        ));
        assert!(
            collect(Body::from(vec![b'x'; UNIT]), [&budget], &limits)
                .await
                .is_ok()
        );
    }
}
