//! What becomes of a component after another one changed a list or an object on its way: by which it has moved, been
//! deleted or been beaten.

use super::transform::Fate;
use super::{Change, Component, Edit, Json, Path};
use crate::ot::Side;
use crate::ot::work::{OtBug, Work};

impl Component {
    /// The other one replaced an item.
    pub(super) fn after_replaced_item(
        &mut self,
        other: &Self,
        at: usize,
        side: Side,
        replacement: &Json,
    ) -> Fate {
        if self.step(at) != other.step(at) {
            return Fate::Stays;
        }
        if self.reach() != other.reach() {
            return Fate::Vanishes;
        }
        match &mut self.edit {
            Edit::Item(Change {
                deleted: deleted @ Some(_),
                inserted,
            }) => {
                if inserted.is_none() || side == Side::Right {
                    return Fate::Vanishes;
                }
                *deleted = Some(replacement.clone());
                Fate::Stays
            }
            _ => Fate::Stays,
        }
    }

    /// The other one inserted an item.
    pub(super) fn after_inserted_item(
        &mut self,
        other: &Self,
        at: usize,
        side: Side,
        work: &Work,
    ) -> Fate {
        let Some(inserted) = other.index(at) else {
            return Fate::Stays;
        };
        let in_same_list = self.reach() == other.reach();
        let inserts_there = self.inserts_item() && in_same_list;
        let gives_way = (side == Side::Right) != work.is(OtBug::InsertedLast);
        let inserted = inserted + u64::from(work.is(OtBug::OneOff));
        if let Some(index) = self.index_mut(at) {
            let is_tie = inserts_there && *index == inserted;
            let is_behind = if is_tie {
                gives_way
            } else {
                inserted <= *index
            };
            *index += u64::from(is_behind);
        }
        if let Edit::Move(to) = &mut self.edit
            && in_same_list
            && inserted <= *to
        {
            *to += 1;
        }
        Fate::Stays
    }

    /// The other one deleted an item.
    pub(super) fn after_deleted_item(&mut self, other: &Self, at: usize) -> Fate {
        let (Some(deleted), Some(index)) = (other.index(at), self.index(at)) else {
            return Fate::Stays;
        };
        let in_same_list = self.reach() == other.reach();
        if deleted == index && !in_same_list {
            return Fate::Vanishes;
        }
        if deleted < index {
            self.index_mut(at).into_iter().for_each(|index| *index -= 1);
        }
        match &mut self.edit {
            Edit::Move(_) if in_same_list && deleted == index => return Fate::Vanishes,
            Edit::Move(to) if in_same_list => {
                let is_before = deleted < *to || (deleted == *to && index < *to);
                *to -= u64::from(is_before);
            }
            Edit::Item(change) if deleted == index && change.deleted.is_some() => {
                if change.inserted.is_none() {
                    return Fate::Vanishes;
                }
                change.deleted = None;
            }
            _ => {}
        }
        Fate::Stays
    }

    /// The other one moved an item.
    pub(super) fn after_moved_item(
        &mut self,
        other: &Self,
        at: usize,
        to: u64,
        side: Side,
        work: &Work,
    ) -> Fate {
        let Some(from) = other.index(at) else {
            return Fate::Stays;
        };
        let in_same_list = self.reach() == other.reach();
        let inserts = self.inserts_item() && in_same_list;
        if let (Edit::Move(own), true) = (&mut self.edit, in_same_list) {
            return after_move(&mut self.path, own, at, (from, to), side, work);
        }
        if let Some(index) = self.index_mut(at) {
            *index = match inserts {
                true => *index - u64::from(*index > from) + u64::from(*index > to),
                false => moved(*index, from, to),
            };
        }
        Fate::Stays
    }

    /// The other one set or deleted a member, or replaced the whole document.
    pub(super) fn after_member(
        &mut self,
        other: &Self,
        change: &Change,
        is_same_member: bool,
        side: Side,
    ) -> Fate {
        let is_same_reach = self.reach() == other.reach();
        if !is_same_member {
            return Fate::Stays;
        }
        let inserts = matches!(&self.edit, Edit::Member(own) if own.inserted.is_some());
        match (&change.deleted, &change.inserted) {
            (Some(_), Some(inserted)) => match inserts && is_same_reach && side == Side::Left {
                true => self.delete_first(Some(inserted.clone())),
                false => Fate::Vanishes,
            },
            (None, Some(_)) if !inserts => Fate::Stays,
            (None, Some(inserted)) => match side {
                Side::Left => {
                    let deletion = Edit::Member(Change::delete(inserted.clone()));
                    Fate::Follows(Box::new(Self::new(self.path.clone(), deletion)))
                }
                Side::Right => Fate::Vanishes,
            },
            (_, None) => match inserts && is_same_reach {
                true => self.delete_first(None),
                false => Fate::Vanishes,
            },
        }
    }

    /// The member that this sets holds something else now, or is not there any more.
    fn delete_first(&mut self, deleted: Option<Json>) -> Fate {
        if let Edit::Member(change) = &mut self.edit {
            change.deleted = deleted;
        }
        Fate::Stays
    }

    fn inserts_item(&self) -> bool {
        matches!(&self.edit, Edit::Item(change) if change.deleted.is_none())
    }
}

/// Where an item is after another was moved, or it itself.
pub(super) fn moved(index: u64, from: u64, to: u64) -> u64 {
    if index == from {
        return to;
    }
    let closed = index - u64::from(index > from);
    let opens = index > to || (index == to && from > to);
    closed + u64::from(opens)
}

/// Both moved an item of one list: where this one is now, and where it has to go.
fn after_move(
    path: &mut Path,
    own_to: &mut u64,
    at: usize,
    (other_from, other_to): (u64, u64),
    side: Side,
    work: &Work,
) -> Fate {
    let Some(own_from) = path.index_mut(at) else {
        return Fate::Stays;
    };
    let (from, to) = (*own_from, *own_to);
    if other_from == other_to {
        return Fate::Stays;
    }
    if from == other_from {
        if side == Side::Right {
            return Fate::Vanishes;
        }
        *own_from = other_to;
        if from == to {
            *own_to = other_to;
        }
        return Fate::Stays;
    }
    let (steps_aside, target) = (from == other_to && other_from > other_to, to);
    *own_from = from - u64::from(from > other_from) + u64::from(from > other_to || steps_aside);
    let start = if steps_aside && from == to {
        target + 1
    } else {
        target
    };
    let gives_way = (side == Side::Right) != work.is(OtBug::MovedLast);
    *own_to = target_after((from, to), start, (other_from, other_to), gives_way);
    Fate::Stays
}

/// Where an item has to go after another one went from one place to another in the same list. `start` is `to`, or one more
/// where the item has stepped aside already.
fn target_after(
    (from, to): (u64, u64),
    start: u64,
    (other_from, other_to): (u64, u64),
    gives_way: bool,
) -> u64 {
    let closes = to > other_from || (to == other_from && to > from);
    let opens = match to == other_to {
        false => to > other_to,
        true => {
            let both_down = other_to > other_from && to > from;
            let both_up = other_to < other_from && to < from;
            match both_down || both_up {
                true => gives_way,
                false => to > from,
            }
        }
    };
    (start + u64::from(opens)).saturating_sub(u64::from(closes))
}
