//! Turns: so many may be at something at once, and the others wait in the order in which they came. After a restart
//! everybody comes back in the same second; taken one after the other they are all served, and who came first is first.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::metrics;

/// Something that so many may be at.
#[derive(Debug)]
pub struct Turns {
    /// The name of its limit.
    limit: &'static str,
    room: Arc<Semaphore>,
}

/// One's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What those who come wait for.
#[derive(Debug)]
pub struct Admission {
    /// To be let in: from the request for a socket until there is one.
    pub handshakes: Turns,
    /// To have a document's past read from the store.
    pub openings: Turns,
}

impl Turns {
    /// Turns for so many at once, by the name of the limit.
    pub fn new(limit: &'static str, at_once_max: usize) -> Self {
        let room = Arc::new(Semaphore::new(at_once_max.min(Semaphore::MAX_PERMITS)));
        Self { limit, room }
    }

    /// Waits for one's turn.
    pub async fn take(&self) -> Turn {
        // Whoever gives up a turn gives it to who waits first, so nobody overtakes here.
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                let _waiting = metrics::waiting(self.limit);
                // Nobody closes it.
                self.room.clone().acquire_owned().await.ok()
            }
        };
        Turn { _permit: permit }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_storm_is_served_in_the_order_in_which_it_came() {
        let turns = Arc::new(Turns::new("handshakes", 3));
        let (served, at_once) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicUsize::new(0)),
        );
        let mut storm = JoinSet::new();
        for number in 0..5_000 {
            let (turns, served, at_once) = (turns.clone(), served.clone(), at_once.clone());
            storm.spawn(async move {
                let turn = turns.take().await;
                served.lock().unwrap().push(number);
                let before = at_once.fetch_add(1, Ordering::Relaxed);
                assert!(before < 3, "{before} others have their turn");
                for _ in 0..number % 3 {
                    tokio::task::yield_now().await;
                }
                at_once.fetch_sub(1, Ordering::Relaxed);
                drop(turn);
            });
        }
        while let Some(ended) = storm.join_next().await {
            ended.unwrap();
        }
        let served = served.lock().unwrap();
        assert!(
            served.iter().copied().eq(0..5_000),
            "in order, and all of them"
        );
    }

    #[tokio::test]
    async fn who_stops_waiting_is_passed_over() {
        let turns = Arc::new(Turns::new("handshakes", 1));
        let first = turns.take().await;
        let waits = |turns: Arc<Turns>| tokio::spawn(async move { turns.take().await });
        let (second, third) = (waits(turns.clone()), waits(turns.clone()));
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.is_err());
        drop(first);
        third.await.unwrap();
    }
}
