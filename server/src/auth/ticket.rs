//! Tickets: what stands for a token in an address, where it may be seen. A ticket is good once and for a minute, at whichever
//! node that shares the store it is shown.
//!
//! The store has its hash and what it is good for; using it up takes it out there, so that of two who show it one is let in.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storage::{NewTicket, Store, StoreError, TicketBounds, TicketHash, TicketKept};
use thiserror::Error;
use tracing::{error, warn};

use super::{Pass, Refusal, written};

/// Why no ticket is issued.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    /// One user has many that are not used.
    #[error(
        "{} tickets of this user are not used yet; use them, or wait until they expire",
        BOUNDS.of_user
    )]
    TooManyOfUser,
    /// All users together have.
    #[error("{} tickets are not used yet; try again in a minute", BOUNDS.of_all)]
    TooMany,
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Issues a ticket for a pass.
pub(super) async fn issue(store: &dyn Store, pass: &Pass) -> Result<String, TicketError> {
    let mut bytes = [0; TICKET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TicketError::NoRandomness)?;
    let ticket = URL_SAFE_NO_PAD.encode(bytes);
    let new = NewTicket {
        hash: hash(&ticket),
        user: pass.author(),
        pass: written::write(pass),
        lasts: TICKET_LIFE,
    };
    match store.keep_ticket(new, BOUNDS).await? {
        TicketKept::Good => Ok(ticket),
        TicketKept::TooManyOfUser => Err(TicketError::TooManyOfUser),
        TicketKept::TooMany => Err(TicketError::TooMany),
    }
}

/// The pass of a ticket, which is used up by this.
///
/// # Errors
/// It is none, or the store does not answer. Where that is after the ticket was used up, the client has to ask for another.
pub(super) async fn redeem(store: &dyn Store, ticket: &str) -> Result<Pass, Refusal> {
    // What is none by its looks is nothing to ask the store about.
    if ticket.len() != TICKET_CHARS {
        return Err(Refusal::BadTicket);
    }
    let used = store.use_ticket(hash(ticket)).await.map_err(|failure| {
        warn!("the store does not say what a ticket is good for: {failure}");
        Refusal::Unavailable
    })?;
    let pass = used.ok_or(Refusal::BadTicket)?;
    written::read(&pass).map_err(|failure| {
        error!("a ticket of another version of this program can not be read: {failure}");
        Refusal::BadTicket
    })
}

fn hash(ticket: &str) -> TicketHash {
    let hash = digest::digest(&SHA256, ticket.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    TicketHash(bytes)
}

/// How long a ticket may wait to be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);

/// Too many to be guessed, whoever tries for how long.
const TICKET_BYTES: usize = 24;
/// The same in base64.
const TICKET_CHARS: usize = TICKET_BYTES * 4 / 3;

/// So that nobody can use up those of all others; a ticket takes some kilobytes at most.
const BOUNDS: TicketBounds = TicketBounds {
    of_user: 200,
    of_all: 10_000,
};

#[cfg(test)]
mod tests {
    use engine::{Author, Grant};
    use storage::MemoryStore;

    use super::*;

    fn pass(user: &str) -> Pass {
        Pass::of(Grant {
            principal: Some(Author::new(user)),
            ..Grant::anonymous()
        })
    }

    #[tokio::test]
    async fn a_ticket_is_good_once() {
        let store = MemoryStore::new();
        let ticket = issue(&store, &pass("ada")).await.unwrap();
        assert_eq!(ticket.len(), TICKET_CHARS);
        let other = "x".repeat(TICKET_CHARS);
        for none in ["", "other", &other, &ticket[1..]] {
            assert_eq!(redeem(&store, none).await, Err(Refusal::BadTicket));
        }
        assert_eq!(redeem(&store, &ticket).await, Ok(pass("ada")));
        assert_eq!(redeem(&store, &ticket).await, Err(Refusal::BadTicket));
    }

    #[tokio::test]
    async fn one_user_does_not_use_up_the_tickets_of_all() {
        let store = MemoryStore::new();
        for _ in 0..BOUNDS.of_user {
            issue(&store, &pass("ada")).await.unwrap();
        }
        let more = issue(&store, &pass("ada")).await.unwrap_err();
        assert_eq!(more, TicketError::TooManyOfUser);
        assert!(more.to_string().starts_with("200 tickets of this user"));
        assert!(issue(&store, &pass("bob")).await.is_ok());
    }

    #[tokio::test]
    async fn a_store_that_does_not_answer_says_nothing_about_a_ticket() {
        let store = MemoryStore::new();
        let ticket = issue(&store, &pass("ada")).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(redeem(&store, &ticket).await, Err(Refusal::Unavailable));
        let none = issue(&store, &pass("ada")).await;
        assert!(matches!(none, Err(TicketError::Store(_))));
    }

    #[tokio::test]
    async fn a_ticket_that_can_not_be_read_lets_nobody_in() {
        let store = MemoryStore::new();
        let ticket = "t".repeat(TICKET_CHARS);
        let strange = NewTicket {
            hash: hash(&ticket),
            user: None,
            pass: "{\"rules\": [], \"only_on\": \"mondays\"}".into(),
            lasts: TICKET_LIFE,
        };
        store.keep_ticket(strange, BOUNDS).await.unwrap();
        assert_eq!(redeem(&store, &ticket).await, Err(Refusal::BadTicket));
    }
}
