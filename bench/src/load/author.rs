//! Who types: one character at a random place of the text as it was when all began, and of what the author typed since.
//!
//! The updates are those that yjs makes in such a document (a test compares them with those of yrs), but they are written
//! down directly, so that a hundred thousand a second cost the generator nothing. Each letter follows from its client and
//! clock; whoever receives it can tell whether it was altered.

use std::collections::HashMap;

use super::chance::Chance;
use super::wire::{put_var_bytes, put_var_uint};

/// Types into one document under one client id.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    client: u64,
    /// The length of the text that was there before.
    start: u32,
    /// By place in that text: the own character right of it.
    first: HashMap<u32, u32>,
    /// By own character: its right neighbour.
    next: Vec<Option<Unit>>,
    chance: Chance,
}

/// A character of the document, as its author knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Start(u32),
    Own(u32),
}

impl Author {
    /// Has typed nothing yet into a document that starts with so many characters of [`start`].
    pub(crate) fn new(client: u64, start: u32, seed: u64) -> Self {
        Self {
            client,
            start,
            first: HashMap::new(),
            next: Vec::new(),
            chance: Chance::new(seed ^ client.rotate_left(32)),
        }
    }

    /// How much it typed.
    pub(crate) fn typed(&self) -> u32 {
        self.next.len() as u32
    }

    /// Types a character, and appends the update.
    pub(crate) fn type_one(&mut self, out: &mut Vec<u8>) {
        put_var_uint(out, 1);
        put_var_uint(out, 1);
        put_var_uint(out, self.client);
        put_var_uint(out, u64::from(self.typed()));
        self.put_character(out);
        put_var_uint(out, 0);
    }

    /// Everything that an author of these parameters types, as one update.
    pub(crate) fn all(mut self, typed: u32) -> Vec<u8> {
        let mut out = Vec::new();
        put_var_uint(&mut out, 1);
        put_var_uint(&mut out, u64::from(typed));
        put_var_uint(&mut out, self.client);
        put_var_uint(&mut out, 0);
        for _ in 0..typed {
            self.put_character(&mut out);
        }
        put_var_uint(&mut out, 0);
        out
    }

    fn put_character(&mut self, out: &mut Vec<u8>) {
        let clock = self.typed();
        let (left, right) = self.choose(clock);
        out.push(TEXT | left.map_or(0, |_| HAS_LEFT) | right.map_or(0, |_| HAS_RIGHT));
        for neighbour in [left, right].into_iter().flatten() {
            let (client, clock) = match neighbour {
                Unit::Start(clock) => (START_CLIENT, clock),
                Unit::Own(clock) => (self.client, clock),
            };
            put_var_uint(out, client);
            put_var_uint(out, u64::from(clock));
        }
        if left.is_none() && right.is_none() {
            put_root(out);
        }
        put_var_bytes(out, &[letter(self.client, clock)]);
    }

    /// Chooses a place among all, and returns its neighbours; the new character becomes one.
    fn choose(&mut self, clock: u32) -> (Option<Unit>, Option<Unit>) {
        let place = self.chance.below(self.start + clock + 1);
        let (left, right) = match place.checked_sub(self.start + 1) {
            None => {
                let unit = (place < self.start).then_some(Unit::Start(place));
                let own = self.first.insert(place, clock).map(Unit::Own);
                (place.checked_sub(1).map(Unit::Start), own.or(unit))
            }
            Some(own) => {
                let after = &mut self.next[own as usize];
                (Some(Unit::Own(own)), after.replace(Unit::Own(clock)))
            }
        };
        self.next.push(right);
        (left, right)
    }
}

/// The update that a document starts with: one text of so many characters.
pub(crate) fn start(characters: u32) -> Vec<u8> {
    let text: Vec<_> = (0..characters)
        .map(|clock| letter(START_CLIENT, clock))
        .collect();
    let mut out = Vec::with_capacity(text.len() + 32);
    put_var_uint(&mut out, 1);
    put_var_uint(&mut out, 1);
    put_var_uint(&mut out, START_CLIENT);
    put_var_uint(&mut out, 0);
    out.push(TEXT);
    put_root(&mut out);
    put_var_bytes(&mut out, &text);
    put_var_uint(&mut out, 0);
    out
}

/// What a client types at a clock.
#[inline]
pub(crate) fn letter(client: u64, clock: u32) -> u8 {
    let mixed = (client as u32 ^ clock).wrapping_mul(0x9e37_79b9);
    b'a' + ((u64::from(mixed) * 26) >> 32) as u8
}

/// Names the parent of an item that has no neighbours: the root text.
pub(super) fn put_root(out: &mut Vec<u8>) {
    put_var_uint(out, 1);
    put_var_bytes(out, ROOT.as_bytes());
}

/// The name of the text in which all type.
pub(crate) const ROOT: &str = "text";

/// Who wrote what documents start with.
pub(crate) const START_CLIENT: u64 = FIRST_CLIENT - 1;

/// The client id of the first author; the others follow. As long as the random ones of yjs when it is written.
pub(crate) const FIRST_CLIENT: u64 = 1 << 31;

pub(super) const TEXT: u8 = 4;
pub(super) const HAS_LEFT: u8 = 0x80;
pub(super) const HAS_RIGHT: u8 = 0x40;

#[cfg(test)]
mod tests {
    use yrs::updates::decoder::Decode;
    use yrs::{ClientID, Doc, GetString, OffsetKind, Text, Transact, Update, WriteTxn};

    use super::*;

    /// Makes the same choices through yrs.
    struct Model {
        doc: Doc,
        chance: Chance,
        /// Who stands where: places after a character of the start, and after own ones by clock.
        order: Vec<Unit>,
        typed: u32,
    }

    impl Model {
        fn new(author: &Author) -> anyhow::Result<Self> {
            let mut options =
                yrs::Options::with_guid_and_client_id("model".into(), ClientID::new(author.client));
            options.offset_kind = OffsetKind::Utf16;
            let doc = Doc::with_options(options);
            if author.start > 0 {
                let update = Update::decode_v1(&start(author.start))?;
                doc.transact_mut().apply_update(update)?;
            }
            Ok(Self {
                doc,
                chance: author.chance.clone(),
                order: (0..author.start).map(Unit::Start).collect(),
                typed: 0,
            })
        }

        fn type_one(&mut self, author: &Author) -> Vec<u8> {
            let choice = self.chance.below(author.start + self.typed + 1);
            let left = match choice.checked_sub(author.start + 1) {
                None => choice.checked_sub(1).map(Unit::Start),
                Some(own) => Some(Unit::Own(own)),
            };
            let place = left.map_or(0, |left| {
                1 + self
                    .order
                    .iter()
                    .position(|unit| *unit == left)
                    .unwrap_or(usize::MAX - 1)
            });
            self.order.insert(place, Unit::Own(self.typed));
            let mut txn = self.doc.transact_mut();
            let text = txn.get_or_insert_text(ROOT);
            let letter = char::from(letter(author.client, self.typed)).to_string();
            text.insert(&mut txn, place as u32, &letter);
            txn.commit();
            self.typed += 1;
            txn.encode_update_v1()
        }
    }

    #[test]
    fn the_updates_are_those_of_a_real_client() -> anyhow::Result<()> {
        for (start, seed) in [(0, 1), (1, 2), (5, 3), (1_000, 4)] {
            let mut author = Author::new(FIRST_CLIENT + 3, start, seed);
            let mut model = Model::new(&author)?;
            for clock in 0..200 {
                let expected = model.type_one(&author);
                let mut update = Vec::new();
                author.type_one(&mut update);
                assert_eq!(
                    update, expected,
                    "edit {clock} in {start} characters, seed {seed}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn all_at_once_is_the_same_as_one_by_one() -> anyhow::Result<()> {
        let mut author = Author::new(FIRST_CLIENT, 10, 5);
        let (one_by_one, at_once) = (Doc::new(), Doc::new());
        for doc in [&one_by_one, &at_once] {
            doc.transact_mut()
                .apply_update(Update::decode_v1(&start(10))?)?;
        }
        let all = author.clone().all(50);
        for _ in 0..50 {
            let mut update = Vec::new();
            author.type_one(&mut update);
            one_by_one
                .transact_mut()
                .apply_update(Update::decode_v1(&update)?)?;
        }
        at_once
            .transact_mut()
            .apply_update(Update::decode_v1(&all)?)?;
        let text = |doc: &Doc| {
            let mut txn = doc.transact_mut();
            txn.get_or_insert_text(ROOT).get_string(&txn)
        };
        assert_eq!(text(&at_once), text(&one_by_one));
        assert_eq!(text(&at_once).len(), 60);
        Ok(())
    }
}
