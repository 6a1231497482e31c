//! Who is in which room.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// All rooms by their path; `M` is what a member can be handed frames by.
pub(super) struct Rooms<M>(Rc<RefCell<HashMap<String, Room<M>>>>);

/// The members of one room.
type Room<M> = Rc<RefCell<Vec<Member<M>>>>;

struct Member<M> {
    id: u64,
    handle: M,
}

/// A place in a room, left when it is dropped.
pub(super) struct Seat<M> {
    id: u64,
    path: String,
    room: Room<M>,
    rooms: Rooms<M>,
}

impl<M> Rooms<M> {
    /// Takes a seat in the room of a path.
    pub(super) fn join(&self, path: &str, handle: M) -> Seat<M> {
        let room = Rc::clone(self.0.borrow_mut().entry(path.to_owned()).or_default());
        let id = room.borrow().last().map_or(0, |last| last.id + 1);
        room.borrow_mut().push(Member { id, handle });
        Seat {
            id,
            path: path.to_owned(),
            room,
            rooms: self.clone(),
        }
    }
}

impl<M> Seat<M> {
    /// Does something for everyone in the room.
    pub(super) fn everyone(&self, mut act: impl FnMut(&M)) {
        for member in self.room.borrow().iter() {
            act(&member.handle);
        }
    }
}

impl<M> Drop for Seat<M> {
    fn drop(&mut self) {
        let mut members = self.room.borrow_mut();
        members.retain(|member| member.id != self.id);
        if members.is_empty() {
            self.rooms.0.borrow_mut().remove(&self.path);
        }
    }
}

impl<M> Clone for Rooms<M> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<M> Default for Rooms<M> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_in_no_room() {
        let rooms = Rooms::default();
        let (first, second) = (rooms.join("/a", 1), rooms.join("/a", 2));
        let alone = rooms.join("/b", 3);
        let heard = |seat: &Seat<i32>| {
            let mut heard = Vec::new();
            seat.everyone(|member| heard.push(*member));
            heard
        };
        assert_eq!((heard(&first), heard(&alone)), (vec![1, 2], vec![3]));
        drop(second);
        assert_eq!(heard(&first), vec![1]);
        drop((first, alone));
        assert!(rooms.0.borrow().is_empty());
    }
}
