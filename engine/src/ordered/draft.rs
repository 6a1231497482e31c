//! Drafts: operations for the end of a document's order, without having the document open.
//!
//! For appends to several documents at once, which no single machine can make. What is drafted has places behind all that was
//! stored when the past was read; the store says whether those are still free, and if not the draft is begun anew.

use crate::change::{Change, ChangeKind};
use crate::dot::{Dot, ReplicaId};
use crate::names::{Author, ConnectionId, DocumentKey};
use crate::ot::Work;
use crate::time::{HlcClock, Now};

use super::log::{Carried, Log};
use super::past::{Broken, OrderedPast};
use super::placing::{Deed, Misplaced, Next, Placed, Submitted};
use super::record::OperationName;
use super::state::State;

/// The end of a document's order, and what is drafted behind it.
#[derive(Debug)]
pub struct Draft {
    document: DocumentKey,
    replica: ReplicaId,
    log: Log,
    hlc: HlcClock,
    changes: Vec<Change>,
}

/// Who drafts.
#[derive(Clone, Debug)]
pub struct Drafter {
    /// The authenticated principal, or none for an anonymous one.
    pub author: Option<Author>,
    /// Through which connection.
    pub connection: ConnectionId,
}

impl Draft {
    /// A draft behind all that is stored, which the past has to reach up to. Its changes are of the lane of a replica.
    ///
    /// # Errors
    /// The past does not fit together.
    pub fn new(
        document: DocumentKey,
        replica: ReplicaId,
        past: &OrderedPast,
    ) -> Result<Self, Broken> {
        let mut hlc = HlcClock::default();
        past.changes
            .iter()
            .for_each(|change| hlc.observe(change.hlc));
        Ok(Self {
            document,
            replica,
            log: Log::after(past.snapshot.clone(), &past.changes)?,
            hlc,
            changes: Vec::new(),
        })
    }

    /// The first version from which on everything is at hand.
    pub fn oldest(&self) -> u64 {
        self.log.oldest()
    }

    /// Puts older operations before those that are at hand, which they have to reach up to.
    ///
    /// # Errors
    /// They do not, or cannot be read.
    pub fn prepend(&mut self, changes: &[Change]) -> Result<(), Broken> {
        self.log.prepend(changes)
    }

    /// Of whose lane its changes are.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// The document after all that is drafted.
    pub fn state(&self) -> &State {
        self.log.head()
    }

    /// Gives an operation the next place, and says on which version it is: perhaps on one that it has already.
    ///
    /// # Errors
    /// It has no place.
    pub fn submit(
        &mut self,
        by: &Drafter,
        name: OperationName,
        made_on: Option<u64>,
        deed: Deed,
        now: Now,
    ) -> Result<u64, Misplaced> {
        let submitted = Submitted {
            author: by.author.clone(),
            made_on,
            name,
            deed,
            skips_noop: false,
        };
        match self.log.place(&submitted, &mut Work::default())? {
            Placed::Already(version) => Ok(version),
            Placed::Next(next) => {
                let version = next.record.version;
                let dot = self.log.next_dot(self.replica);
                let change = Change {
                    hlc: self.hlc.tick(now),
                    ..self.log.change_of(&next, dot, &self.document, by)
                };
                let carried = Carried::by(&change);
                self.log.push(*next, dot, by.author.clone(), carried);
                self.changes.push(change);
                Ok(version)
            }
        }
    }

    /// What was drafted, in its order.
    pub fn into_changes(self) -> Vec<Change> {
        self.changes
    }
}

impl Log {
    /// The next of a replica's lane.
    pub(super) fn next_dot(&self, replica: ReplicaId) -> Dot {
        Dot::new(replica, self.head().clock.get(replica) + 1)
    }

    /// The change that carries an operation, but for its time.
    pub(super) fn change_of(
        &self,
        next: &Next,
        dot: Dot,
        document: &DocumentKey,
        by: &Drafter,
    ) -> Change {
        let made_on = next.record.made_on.unwrap_or(next.record.version);
        Change {
            document: document.clone(),
            dot,
            context: self.clock_at(made_on).unwrap_or_default(),
            hlc: Default::default(),
            author: by.author.clone(),
            connection: by.connection,
            kind: ChangeKind::Operation,
            payload: next.record.to_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::OtType;

    fn name(number: u64) -> OperationName {
        OperationName {
            source: "me".into(),
            number,
        }
    }

    fn draft(past: &OrderedPast) -> Draft {
        let document = DocumentKey::new("w", "d").unwrap();
        Draft::new(document, ReplicaId(7), past).unwrap()
    }

    fn submit(
        draft: &mut Draft,
        number: u64,
        on: Option<u64>,
        deed: Deed,
    ) -> Result<u64, Misplaced> {
        let by = Drafter {
            author: None,
            connection: ConnectionId(1),
        };
        draft.submit(&by, name(number), on, deed, Now::default())
    }

    fn create() -> Deed {
        Deed::Create {
            ot_type: OtType::Text,
            data: Some(r#""ab""#.into()),
        }
    }

    #[test]
    fn what_is_drafted_follows_what_is_stored_and_itself() {
        let mut first = draft(&OrderedPast::default());
        assert_eq!(submit(&mut first, 1, None, create()), Ok(0));
        assert_eq!(
            submit(&mut first, 2, Some(1), Deed::Edit(r#"["x"]"#.into())),
            Ok(1)
        );
        let past = OrderedPast {
            changes: first.into_changes(),
            ..OrderedPast::default()
        };
        let mut second = draft(&past);
        assert_eq!(
            submit(&mut second, 3, Some(1), Deed::Edit(r#"[2,"y"]"#.into())),
            Ok(2)
        );
        assert_eq!(second.state().text(None), "xaby");
        let changes = second.into_changes();
        assert_eq!(changes[0].dot, Dot::new(ReplicaId(7), 3));
        assert_eq!(
            changes[0].context,
            [Dot::new(ReplicaId(7), 1)].into_iter().collect()
        );
    }

    #[test]
    fn what_is_known_by_its_name_is_not_drafted_again() {
        let mut first = draft(&OrderedPast::default());
        submit(&mut first, 1, None, create()).unwrap();
        let past = OrderedPast {
            changes: first.into_changes(),
            ..OrderedPast::default()
        };
        let mut second = draft(&past);
        assert_eq!(submit(&mut second, 1, None, create()), Ok(0));
        let other = submit(&mut second, 1, Some(1), Deed::Delete);
        assert_eq!(other, Err(Misplaced::NameTaken));
        assert!(second.into_changes().is_empty());
    }
}
