//! One component as it has to be made after another was.
//!
//! The rules are those of the original, branch by branch, as clients decide by them. First it is seen where both paths
//! meet; then what the other component did there says what becomes of this one.

use super::append::append;
use super::pairwise::{self, Pairwise};
use super::{Component, Edit, Edits, OtError, Step, Work};
use crate::ot::Side;

impl Edits {
    /// These edits, to be made after those.
    pub(in crate::ot) fn transform(
        &self,
        other: &Self,
        side: Side,
        work: &mut Work,
    ) -> Result<Self, OtError> {
        pairwise::transform(&self.0, &other.0, side, work).map(Self)
    }
}

/// Where a component is made, seen from another one that reaches less deep or as deep.
#[derive(Clone, Copy)]
enum Meeting {
    /// It is elsewhere.
    Apart,
    /// The other one is about the whole document.
    Root,
    /// Both are within the same list, object or value; this step says where there.
    Step(usize),
}

/// What becomes of a component.
pub(super) enum Fate {
    Stays,
    Vanishes,
    /// It goes into an object where the other one found a list: somebody replaced it and did not say so. The original
    /// counts names up and down as if they were indexes.
    Contradicts,
    /// It is made after another one.
    Follows(Box<Component>),
}

impl Pairwise for Component {
    fn transform(
        mut self,
        other: &Self,
        side: Side,
        after: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        work.step()?;
        work.carry(self.path.weight())?;
        self.keep_up(other, work)?;
        let meeting = meeting(other, &self);
        if matches!(meeting, Meeting::Apart) {
            return append(after, self, work);
        }
        if self.is_of_a_type() && other.is_of_a_type() {
            return self.within(other, side, after, work);
        }
        match self.meet(other, meeting, side, work) {
            Fate::Stays => append(after, self, work),
            Fate::Vanishes => Ok(()),
            Fate::Contradicts => Err(OtError::refused(format!(
                "at {} has a name where a concurrent edit has a list index",
                self.path
            ))),
            Fate::Follows(first) => {
                append(after, *first, work)?;
                append(after, self, work)
            }
        }
    }

    fn append(self, list: &mut Vec<Self>, work: &mut Work) -> Result<(), OtError> {
        append(list, self, work)
    }
}

impl Component {
    /// What this deletes has changed: it has to carry the change, to be undone rightly.
    fn keep_up(&mut self, other: &Self, work: &mut Work) -> Result<(), OtError> {
        if other.reach() <= self.reach() || !is_same(meeting(self, other), self, other) {
            return Ok(());
        }
        let (Edit::Item(change) | Edit::Member(change)) = &mut self.edit else {
            return Ok(());
        };
        let Some(deleted) = &mut change.deleted else {
            return Ok(());
        };
        let path = other.path.after(self.path.len());
        let below = Self::new(path, other.edit.clone());
        below
            .apply(deleted, work)
            .map_err(|error| error.within("a concurrent edit of what is deleted"))
    }

    /// Whether this is an operation of another type; text counts as one.
    fn is_of_a_type(&self) -> bool {
        matches!(self.edit, Edit::Text(_) | Edit::Embedded(_))
    }

    /// Both edit text, or something of a type of its own.
    fn within(
        mut self,
        other: &Self,
        side: Side,
        after: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        match (&mut self.edit, &other.edit) {
            (Edit::Text(own), Edit::Text(other)) => {
                let mut splices = Vec::new();
                own.clone().transform(other, side, &mut splices, work)?;
                if let [_] = *splices
                    && let Some(splice) = splices.pop()
                {
                    // As it mostly is, and no path is copied.
                    *own = splice;
                    return append(after, self, work);
                }
                for splice in splices {
                    let part = Self::new(self.path.clone(), Edit::Text(splice));
                    append(after, part, work)?;
                }
                Ok(())
            }
            (Edit::Embedded(own), Edit::Embedded(other)) if own.is_like(other) => {
                *own = own.transform(other, side, work)?;
                match own.is_dropped() {
                    true => Ok(()),
                    false => append(after, self, work),
                }
            }
            _ => append(after, self, work),
        }
    }

    /// What becomes of this, and where it has to be made now.
    fn meet(&mut self, other: &Self, meeting: Meeting, side: Side, work: &Work) -> Fate {
        match (&other.edit, meeting) {
            (Edit::Add(_) | Edit::Text(_) | Edit::Embedded(_), _) => Fate::Stays,
            (Edit::Item(_) | Edit::Move(_), Meeting::Root) => Fate::Stays,
            (Edit::Item(_) | Edit::Move(_), Meeting::Step(at))
                if matches!(self.step(at), Some(Step::Key(_))) =>
            {
                Fate::Contradicts
            }
            (Edit::Item(change), Meeting::Step(at)) => match (&change.deleted, &change.inserted) {
                (Some(_), Some(inserted)) => self.after_replaced_item(other, at, side, inserted),
                (None, _) => self.after_inserted_item(other, at, side, work),
                (Some(_), None) => self.after_deleted_item(other, at),
            },
            (Edit::Move(to), Meeting::Step(at)) => {
                self.after_moved_item(other, at, *to, side, work)
            }
            (Edit::Member(change), _) => {
                let is_same_member = is_same(meeting, self, other);
                self.after_member(other, change, is_same_member, side)
            }
            (_, Meeting::Apart) => Fate::Stays,
        }
    }
}

/// Where `deep` is made, seen from `other`.
fn meeting(other: &Component, deep: &Component) -> Meeting {
    let (Some(shared), Some(room)) = (other.reach().checked_sub(1), deep.reach().checked_sub(1))
    else {
        return match other.reach() {
            0 => Meeting::Root,
            _ => Meeting::Apart,
        };
    };
    let begins_alike = deep.path.starts_with(&other.path.steps()[..shared]);
    match shared <= room && begins_alike {
        true => Meeting::Step(shared),
        false => Meeting::Apart,
    }
}

/// Whether both take the same step where they meet.
fn is_same(meeting: Meeting, one: &Component, other: &Component) -> bool {
    match meeting {
        Meeting::Apart => false,
        Meeting::Root => true,
        Meeting::Step(at) => one.step(at) == other.step(at),
    }
}
