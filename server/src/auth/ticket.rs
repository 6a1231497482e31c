//! Tickets: what stands for a token in an address, where it may be seen. A ticket is good once and for a minute.
//!
//! They are kept in memory only: a restart, like the minute, ends them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Author;
use thiserror::Error;

use super::Pass;

/// The tickets that have not been used.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<Box<str>, Issued>>);

#[derive(Debug)]
struct Issued {
    pass: Arc<Pass>,
    ends: Instant,
}

/// Why no ticket is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    /// One user has many that are not used.
    #[error(
        "{USER_TICKETS_MAX} tickets of this user are not used yet; use them, or wait until they expire"
    )]
    TooManyOfUser,
    /// All users together have.
    #[error("{TICKETS_MAX} tickets are not used yet; try again in a minute")]
    TooMany,
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
}

impl Tickets {
    /// Issues a ticket for a pass.
    pub(super) fn issue(&self, pass: Arc<Pass>, now: Instant) -> Result<String, TicketError> {
        let mut tickets = self.lock();
        tickets.retain(|_, issued| issued.ends > now);
        if tickets.len() >= TICKETS_MAX {
            return Err(TicketError::TooMany);
        }
        let is_of = |author: &Option<Author>| {
            let of_user = tickets.values().filter(|it| it.pass.author() == *author);
            of_user.count()
        };
        if is_of(&pass.author()) >= USER_TICKETS_MAX {
            return Err(TicketError::TooManyOfUser);
        }
        let mut bytes = [0; TICKET_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TicketError::NoRandomness)?;
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        let ends = now + TICKET_LIFE;
        tickets.insert(ticket.as_str().into(), Issued { pass, ends });
        Ok(ticket)
    }

    /// The pass of a ticket, which is used up by this.
    pub(super) fn redeem(&self, ticket: &str, now: Instant) -> Option<Arc<Pass>> {
        let issued = self.lock().remove(ticket)?;
        (issued.ends > now).then_some(issued.pass)
    }

    /// Nothing that can panic happens under the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Issued>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a ticket may wait to be used.
pub const TICKET_LIFE: Duration = Duration::from_secs(60);

/// Too many to be guessed, whoever tries for how long.
const TICKET_BYTES: usize = 24;

/// A ticket takes less than a kilobyte.
const TICKETS_MAX: usize = 10_000;

/// So that nobody can use up those of all others.
const USER_TICKETS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use engine::Grant;

    use super::*;

    fn pass(user: &str) -> Arc<Pass> {
        let grant = Grant {
            principal: Some(Author::new(user)),
            ..Grant::anonymous()
        };
        Arc::new(Pass::of(grant))
    }

    #[test]
    fn a_ticket_is_good_once() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ticket = tickets.issue(pass("ada"), now).unwrap();
        assert_eq!(ticket.len(), 32);
        assert_eq!(tickets.redeem("other", now), None);
        assert_eq!(tickets.redeem(&ticket, now), Some(pass("ada")));
        assert_eq!(tickets.redeem(&ticket, now), None);
    }

    #[test]
    fn a_ticket_is_good_for_a_minute() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let issue = || tickets.issue(pass("ada"), now).unwrap();
        let [one, other] = [issue(), issue()];
        let late = now + TICKET_LIFE - Duration::from_millis(1);
        assert!(tickets.redeem(&one, late).is_some());
        assert!(tickets.redeem(&other, now + TICKET_LIFE).is_none());
    }

    #[test]
    fn tickets_are_bounded_for_each_user_and_for_all() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        for _ in 0..USER_TICKETS_MAX {
            tickets.issue(pass("ada"), now).unwrap();
        }
        let more = tickets.issue(pass("ada"), now);
        assert_eq!(more, Err(TicketError::TooManyOfUser));
        let others = pass("others");
        for number in USER_TICKETS_MAX..TICKETS_MAX {
            let issued = Issued {
                pass: others.clone(),
                ends: now + TICKET_LIFE,
            };
            tickets.lock().insert(number.to_string().into(), issued);
        }
        let more = tickets.issue(pass("bob"), now);
        assert_eq!(more, Err(TicketError::TooMany));
        let later = now + TICKET_LIFE;
        assert!(tickets.issue(pass("bob"), later).is_ok());
        assert_eq!(tickets.lock().len(), 1, "those that have expired are gone");
    }
}
