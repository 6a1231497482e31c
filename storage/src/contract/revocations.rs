//! Revocations: kept, listed, repeated, lifted, and forgotten when nothing is left that they are about.

use engine::Author;

use super::*;
use crate::revocation::{Revocation, RevocationEntry, Revoked};
use crate::store::Store;

/// Every field comes back, in the order in which they were made.
pub async fn revocations_are_listed_as_they_were_made(store: &dyn Store) {
    let full = Revocation {
        until_ms: Some(9_000),
        author: Some(Author::new("ada")),
        reason: "left the team".to_owned(),
        ..revocation(Revoked::User(Author::new("bob")), 1_000)
    };
    let document = revocation(Revoked::Document(document("notes/b")), 1_001);
    let token = revocation(Revoked::Token("bob".into()), 1_002);
    let mut made = Vec::new();
    for it in [full, document, token] {
        let entry = store.revoke(it.clone()).await.unwrap();
        assert_eq!(entry.revocation, it);
        made.push(entry);
    }
    assert!(made.is_sorted_by(|one, other| one.number < other.number));
    assert_eq!(store.revocations().await.unwrap(), made);
}

/// The later time holds, and what has no end keeps none.
pub async fn revoking_again_takes_nothing_back(store: &dyn Store) {
    let of = || Revoked::User(Author::new("bob"));
    let first = store.revoke(revocation(of(), 5_000)).await.unwrap();
    let again = Revocation {
        until_ms: Some(90_000),
        reason: "again".to_owned(),
        ..revocation(of(), 4_000)
    };
    let second = store.revoke(again).await.unwrap();
    assert_eq!(second.number, first.number);
    let Revocation {
        at_ms,
        until_ms,
        reason,
        ..
    } = &second.revocation;
    assert_eq!((*at_ms, *until_ms, &**reason), (5_000, None, "again"));
    assert_eq!(store.revocations().await.unwrap(), [second]);
}

/// Two ends give the later one.
pub async fn a_revocation_ends_with_the_last_that_it_is_about(store: &dyn Store) {
    let until = |until_ms, at_ms| Revocation {
        until_ms: Some(until_ms),
        ..revocation(Revoked::Token("t".into()), at_ms)
    };
    store.revoke(until(8_000, 1_000)).await.unwrap();
    let entry = store.revoke(until(7_000, 2_000)).await.unwrap();
    assert_eq!(entry.revocation.until_ms, Some(8_000));
    assert_eq!(entry.revocation.at_ms, 2_000);
}

/// Revoking something forgets what has ended by then, and nothing else.
pub async fn what_has_ended_is_forgotten_with_the_next_revocation(store: &dyn Store) {
    let ends = |id: &str, until_ms| Revocation {
        until_ms,
        ..revocation(Revoked::Token(id.into()), 1_000)
    };
    for it in [
        ends("a", Some(2_000)),
        ends("b", Some(2_001)),
        ends("c", None),
    ] {
        store.revoke(it).await.unwrap();
    }
    let later = revocation(Revoked::Token("d".into()), 2_000);
    store.revoke(later).await.unwrap();
    let left = store.revocations().await.unwrap();
    let ids: Vec<_> = left.iter().map(id).collect();
    assert_eq!(ids, ["b", "c", "d"]);
}

/// Lifting takes one entry, once, and its number is not given again.
pub async fn a_lifted_revocation_is_gone(store: &dyn Store) {
    let entry = |id: &str| revocation(Revoked::Token(id.into()), 1_000);
    let lifted = store.revoke(entry("a")).await.unwrap();
    for wanted in [true, false] {
        let gone = store.lift_revocation(lifted.number).await;
        assert_eq!(gone, Ok(wanted));
    }
    assert!(store.revocations().await.unwrap().is_empty());
    let next = store.revoke(entry("a")).await.unwrap();
    assert!(next.number > lifted.number);
}

fn revocation(revoked: Revoked, at_ms: u64) -> Revocation {
    Revocation {
        revoked,
        at_ms,
        until_ms: None,
        author: None,
        reason: String::new(),
    }
}

fn id(entry: &RevocationEntry) -> &str {
    match &entry.revocation.revoked {
        Revoked::Token(id) => id,
        other => panic!("{other:?} is no token"),
    }
}
