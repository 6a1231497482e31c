//! Tickets: good once, for a while, and not without number.

use std::time::Duration;

use bytes::Bytes;
use engine::Author;

use crate::store::Store;
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

/// Of many who show it at the same moment, one is let in.
pub async fn a_ticket_is_good_once(store: &dyn Store) {
    keep(store, ticket(1, "ada")).await;
    assert_eq!(store.use_ticket(TicketHash([9; 32])).await, Ok(None));
    let shown = || store.use_ticket(TicketHash([1; 32]));
    let (one, two, three) = tokio::join!(shown(), shown(), shown());
    let let_in: Vec<_> = [one, two, three]
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    assert_eq!(let_in, [Bytes::from_static(b"pass of ada")]);
    assert_eq!(shown().await, Ok(None));
}

/// One that has ended lets nobody in, and takes no place.
pub async fn a_ticket_ends(store: &dyn Store) {
    let ended = NewTicket {
        lasts: Duration::ZERO,
        ..ticket(1, "ada")
    };
    keep(store, ended.clone()).await;
    assert_eq!(store.use_ticket(ended.hash).await, Ok(None));
    keep(store, ended).await;
    let lone = TicketBounds {
        of_user: 1,
        of_all: 1,
    };
    let kept = store.keep_ticket(ticket(2, "ada"), lone).await;
    assert_eq!(kept, Ok(TicketKept::Good));
}

/// One user's are not another's, those of nobody in particular are one user's, and used ones make room.
pub async fn tickets_are_bounded_for_each_user_and_for_all(store: &dyn Store) {
    let bounds = TicketBounds {
        of_user: 2,
        of_all: 5,
    };
    let nobody = |number| NewTicket {
        user: None,
        ..ticket(number, "")
    };
    let wanted = [
        (ticket(1, "ada"), TicketKept::Good),
        (ticket(2, "ada"), TicketKept::Good),
        (ticket(3, "ada"), TicketKept::TooManyOfUser),
        (nobody(4), TicketKept::Good),
        (nobody(5), TicketKept::Good),
        (nobody(6), TicketKept::TooManyOfUser),
        (ticket(7, ""), TicketKept::Good),
        (ticket(8, "bob"), TicketKept::TooMany),
    ];
    for (ticket, kept) in wanted {
        assert_eq!(store.keep_ticket(ticket, bounds).await, Ok(kept));
    }
    for refused in [3, 6, 8] {
        let hash = TicketHash([refused; 32]);
        assert_eq!(store.use_ticket(hash).await, Ok(None));
    }
    assert!(
        store
            .use_ticket(TicketHash([1; 32]))
            .await
            .unwrap()
            .is_some()
    );
    let kept = store.keep_ticket(ticket(9, "ada"), bounds).await;
    assert_eq!(kept, Ok(TicketKept::Good));
}

/// Whatever bytes the pass is made of, and whatever its user is called.
pub async fn a_ticket_is_kept_as_it_came(store: &dyn Store) {
    let passes = [
        Bytes::new(),
        Bytes::from_static(&[0, 255, b'\'', 0]),
        Bytes::from(vec![b'x'; 100_000]),
    ];
    for (number, pass) in (0..).zip(passes) {
        let ticket = NewTicket {
            pass: pass.clone(),
            ..ticket(number, "nul \0 and 'quotes'")
        };
        let hash = ticket.hash;
        keep(store, ticket).await;
        assert_eq!(store.use_ticket(hash).await, Ok(Some(pass)));
    }
}

async fn keep(store: &dyn Store, ticket: NewTicket) {
    let plenty = TicketBounds {
        of_user: 100,
        of_all: 100,
    };
    let kept = store.keep_ticket(ticket, plenty).await;
    assert_eq!(kept, Ok(TicketKept::Good));
}

fn ticket(number: u8, user: &str) -> NewTicket {
    NewTicket {
        hash: TicketHash([number; 32]),
        user: Some(Author::new(user)),
        pass: Bytes::from(format!("pass of {user}")),
        lasts: Duration::from_secs(600),
    }
}
