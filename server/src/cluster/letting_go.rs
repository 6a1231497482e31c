//! Letting clients go while the server goes on: one after the other over a while, so that they do not all come to the other
//! nodes at once.
//!
//! Each is told to come back, as at a stop. Whoever comes back to this very node is served: a node that drains is only asked
//! for by those who do not know better.

use std::time::Duration;

use engine::{CloseReason, ConnectionId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use crate::hub::Hub;
use crate::mail::{Mail, Way};

/// Closes all connections that are in a document now, spread over a while; less if they are wanted again meanwhile. Returns
/// how many were closed.
pub(crate) async fn let_go(hub: &Hub, over: Duration, is_wanted: impl Fn() -> bool) -> usize {
    let started = Instant::now();
    let mut waiting = ways(hub, started + COLLECTING_MAX).await;
    let all = waiting.len();
    loop {
        let due = due(all, started.elapsed(), over);
        while all - waiting.len() < due
            && let Some((connection, way)) = waiting.pop()
        {
            way.close(connection, CloseReason::Stopping);
        }
        if waiting.is_empty() || !is_wanted() {
            return all - waiting.len();
        }
        sleep(TICK).await;
    }
}

/// How many of all are to be closed by now.
fn due(all: usize, elapsed: Duration, over: Duration) -> usize {
    if elapsed >= over {
        return all;
    }
    let share = elapsed.as_secs_f64() / over.as_secs_f64();
    // Rounded up, so that a lone client does not wait to the end.
    (all as f64 * share).ceil() as usize
}

/// The ways to all who are in a document, those of one document apart from each other. A session that is too busy to say
/// is left out.
async fn ways(hub: &Hub, until: Instant) -> Vec<(ConnectionId, Way)> {
    let mut asked = Vec::new();
    for (_, mailbox) in hub.open() {
        let (sender, answer) = oneshot::channel();
        if mailbox.try_send(Mail::WaysAsked(sender)).is_ok() {
            asked.push(answer);
        }
    }
    let mut rooms = Vec::new();
    for answer in asked {
        if let Ok(Ok(room)) = timeout_at(until, answer).await {
            rooms.push(room);
        }
    }
    interleave(rooms)
}

/// All items, in an order in which those of each list are as far from each other as can be.
fn interleave<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let placed = lists.into_iter().flat_map(|list| {
        let length = list.len();
        let place = move |index: usize| (2 * index + 1) as f64 / (2 * length) as f64;
        list.into_iter()
            .enumerate()
            .map(move |(index, item)| (place(index), item))
    });
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    placed.into_iter().map(|(_, item)| item).collect()
}

/// How long sessions may take to say who is there.
const COLLECTING_MAX: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_evenly_and_all_by_the_end() {
        let over = Duration::from_secs(5);
        let due_after = |ms| due(1_000, Duration::from_millis(ms), over);
        assert_eq!(
            [0, 1, 2_500, 4_999, 5_000, 9_000].map(due_after),
            [0, 1, 500, 1_000, 1_000, 1_000]
        );
        assert_eq!(due(7, Duration::ZERO, Duration::ZERO), 7);
        assert_eq!(due(0, Duration::from_secs(1), over), 0);
    }

    #[test]
    fn a_large_room_goes_among_the_small_ones() {
        let order = interleave(vec![vec!['a'; 4], vec!['b'; 2], vec!['c']]);
        assert_eq!(order, ['a', 'b', 'a', 'c', 'a', 'b', 'a']);
        assert!(interleave::<u8>(Vec::new()).is_empty());
    }
}
