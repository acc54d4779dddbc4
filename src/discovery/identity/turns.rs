//! Whose token is reviewed next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use pillion_serve::Caller;
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many reviews may be under way.
const ALL: usize = 16;
/// How many of them, or of those that are next, may be of one caller.
const EACH: usize = 4;
/// How many of one caller may wait for their turn.
const WAITING: usize = 64;

/// Lets reviews begin. A caller has a few places, and those that wait do so behind others of the
/// same caller, so that none waits for more than a few reviews of each other caller.
#[derive(Debug)]
pub(super) struct Turns {
    all: Semaphore,
    callers: Mutex<HashMap<Caller, Places>>,
}

/// The places of a caller, for as long as somebody has or wants one.
#[derive(Debug)]
struct Places {
    places: Arc<Semaphore>,
    users: usize,
}

/// One who has a place or waits for it.
struct User<'a> {
    turns: &'a Turns,
    caller: Caller,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: Semaphore::new(ALL),
            callers: Mutex::default(),
        }
    }
}

impl Turns {
    /// Runs something when it is the caller's turn; `None` if too many of the same caller wait.
    pub async fn take<T>(&self, caller: Caller, review: impl Future<Output = T>) -> Option<T> {
        let (places, _user) = self.join(caller)?;
        let _place = acquire(&places).await?;
        let _turn = acquire(&self.all).await?;
        Some(review.await)
    }

    fn join(&self, caller: Caller) -> Option<(Arc<Semaphore>, User<'_>)> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let places = callers.entry(caller).or_insert_with(|| Places {
            places: Arc::new(Semaphore::new(EACH)),
            users: 0,
        });
        if places.users >= EACH + WAITING {
            return None;
        }
        places.users += 1;
        let user = User {
            turns: self,
            caller,
        };
        Some((Arc::clone(&places.places), user))
    }
}

/// Semaphores here are never closed.
async fn acquire(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    semaphore.acquire().await.ok()
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        let callers = self.turns.callers.lock();
        let mut callers = callers.unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = callers.get_mut(&self.caller) {
            places.users -= 1;
            if places.users == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin, time::Duration};

    use futures::{FutureExt as _, future::join_all};
    use tokio::time::timeout;

    use super::*;

    fn caller(last: u8) -> Caller {
        Caller::of([10, 0, 0, last].into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_caller_leaves_room_for_others() {
        let turns = Turns::default();
        let flood = join_all((0..EACH + WAITING).map(|_| turns.take(caller(1), pending::<()>())));
        let mut flood = pin!(flood);
        assert!(flood.as_mut().now_or_never().is_none());
        assert_eq!(turns.take(caller(2), async { 1 }).await, Some(1));
        // The flood has no more room to wait, and is told so.
        assert_eq!(turns.take(caller(1), async { 1 }).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_who_has_given_up() {
        let turns = Turns::default();
        let waiting = turns.take(caller(1), pending::<()>());
        assert!(timeout(Duration::from_secs(1), waiting).await.is_err());
        assert!(turns.callers.lock().unwrap().is_empty());
    }
}
