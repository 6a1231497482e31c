//! Duties: what one process at a time does for all that share a store.

use std::time::Duration;

use crate::lease::Holder;
use crate::store::Store;

/// Whoever has it goes on with it, nobody else gets it before it ends or is given up, and other duties are others'.
pub async fn a_duty_is_held_by_one_until_it_ends(store: &dyn Store) {
    let take = async |duty: &str, incarnation, lasts| {
        let taken = store.take_duty(duty.to_owned(), holder(incarnation), lasts);
        taken.await.unwrap()
    };
    assert!(take("tell", 1, LONG).await && take("tell", 1, LONG).await);
    assert!(!take("tell", 2, LONG).await);
    assert!(!take("tell", 2, Duration::ZERO).await, "not even to end it");
    assert!(take("sweep", 2, LONG).await);
    assert!(!take("sweep", 1, LONG).await);
    assert!(take("tell", 1, Duration::ZERO).await, "it is given up");
    assert!(take("tell", 2, LONG).await);
    assert!(!take("tell", 1, LONG).await);
}

/// Of many who want it at the same moment, one gets it.
pub async fn a_duty_is_taken_by_one_of_many(store: &dyn Store) {
    let take = |incarnation| store.take_duty("tell".to_owned(), holder(incarnation), LONG);
    let (one, two, three) = tokio::join!(take(1), take(2), take(3));
    let taken = [one, two, three].into_iter().map(Result::unwrap);
    assert_eq!(taken.filter(|taken| *taken).count(), 1);
}

fn holder(incarnation: u128) -> Holder {
    Holder {
        node: "north".to_owned(),
        incarnation,
    }
}

const LONG: Duration = Duration::from_secs(600);
