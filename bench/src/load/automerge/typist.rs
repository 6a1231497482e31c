//! Somebody who types, and says to the server exactly what a stock client would say, without a document: he knows which changes
//! he has, what the server has said last, and what he has sent.
//!
//! What is said when follows `generate_sync_message` and `receive_sync_message` of the crate `automerge` (`src/sync.rs`) in all
//! that a client can come to that reads in order what one server sends. The test beside types against the real thing.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use automerge::ActorId;
use automerge::legacy::OpId;
use bytes::Bytes;
use protocol::automerge::{Bloom, Flags, Have, SyncMessage};

use super::ledger::{Draft, Ledger};

/// One who types.
pub(super) struct Typist {
    number: usize,
    actor: ActorId,
    typed: u64,
    /// The letter that he typed last.
    after: OpId,
    /// Which changes he has, by number.
    known: Vec<bool>,
    heads: Vec<u32>,
    /// Changes that he has and that are not known to be shared with the server.
    apart: Vec<u32>,
    /// His own of these that he has not sent.
    unsent: Vec<u32>,
    shared: Vec<u32>,
    last_sent: Option<Vec<u32>>,
    theirs: Option<Theirs>,
    in_flight: bool,
    is_here: bool,
    /// Changes that came before what they build on, because a filter seemed to have that.
    waiting: BTreeSet<u32>,
}

/// What the server has said last.
struct Theirs {
    heads: Vec<u32>,
    need: Vec<u32>,
    have: Vec<(Vec<u32>, Bloom)>,
}

/// What a message came to.
#[derive(Default)]
pub(super) struct News {
    /// Changes that the typist did not have.
    pub(super) arrived: Vec<u32>,
    /// Changes of his own that the server has said to have.
    pub(super) acknowledged: Vec<u32>,
}

impl Typist {
    /// One who has nothing yet, and will type behind a letter.
    pub(super) fn new(number: usize, actor: ActorId, after: OpId) -> Self {
        Self {
            number,
            actor,
            typed: 0,
            after,
            known: Vec::new(),
            heads: Vec::new(),
            apart: Vec::new(),
            unsent: Vec::new(),
            shared: Vec::new(),
            last_sent: None,
            theirs: None,
            in_flight: false,
            is_here: false,
            waiting: BTreeSet::new(),
        }
    }

    /// Whether he has the document.
    pub(super) fn is_here(&self) -> bool {
        self.is_here
    }

    pub(super) fn heads(&self) -> &[u32] {
        &self.heads
    }

    /// Types a letter; its change.
    pub(super) fn type_one(&mut self, ledger: &mut Ledger, now_us: u32) -> u32 {
        self.typed += 1;
        let number = ledger.write(&Draft {
            author: self.number,
            actor: &self.actor,
            seq: self.typed,
            after: &self.after,
            deps: &self.heads,
            now_us,
        });
        self.after = OpId(ledger.entry(number).op, self.actor.clone());
        self.note(number);
        self.heads = vec![number];
        self.apart.push(number);
        self.unsent.push(number);
        number
    }

    /// He is on a new connection: what the server has said is forgotten but for what it is known to have, as a stock client
    /// does.
    pub(super) fn come_back(&mut self, ledger: &Ledger) {
        self.last_sent = None;
        self.theirs = None;
        self.in_flight = false;
        let own = |number: &&u32| ledger.entry(**number).author == self.number;
        self.unsent = self.apart.iter().filter(own).copied().collect();
    }

    /// What there is to say to the server, if there is something.
    pub(super) fn say(&mut self, ledger: &Ledger) -> Option<SyncMessage> {
        let (mut need, mut send) = (Vec::new(), Vec::new());
        if let Some(theirs) = &self.theirs {
            need = self.lacking(&theirs.heads, ledger);
            if let Some((last_sync, _)) = theirs.have.first()
                && !last_sync.iter().all(|shared| self.has(*shared))
            {
                return Some(self.message(ledger, &need, &[], Have::default()));
            }
            send = self.to_send(theirs, ledger);
        }
        let is_told = self.last_sent.as_ref() == Some(&self.heads);
        let is_even = self.theirs.as_ref().map(|theirs| &theirs.heads) == Some(&self.heads);
        if is_told && ((is_even && send.is_empty()) || self.in_flight) {
            return None;
        }
        self.last_sent = Some(self.heads.clone());
        self.unsent.retain(|number| !send.contains(number));
        self.in_flight = true;
        let hashes = ledger.hashes(&self.apart);
        let have = Have {
            last_sync: ledger.hashes(&self.shared),
            bloom: Bloom::of(hashes.iter()),
        };
        Some(self.message(ledger, &need, &send, have))
    }

    /// What the server lacks and was not sent: what is in none of its filters, what builds on that, and what it asks for.
    fn to_send(&self, theirs: &Theirs, ledger: &Ledger) -> Vec<u32> {
        let mut send: Vec<u32> = Vec::new();
        for number in self.unsent.iter().filter(|_| !theirs.have.is_empty()) {
            let entry = ledger.entry(*number);
            let mut filters = theirs.have.iter().map(|(_, bloom)| bloom);
            let follows = entry.deps.iter().any(|dep| send.contains(dep));
            if follows || !filters.any(|bloom| bloom.contains(&entry.hash)) {
                send.push(*number);
            }
        }
        for number in &theirs.need {
            let is_sent =
                ledger.entry(*number).author == self.number && !self.unsent.contains(number);
            if self.has(*number) && !is_sent && !send.contains(number) {
                send.push(*number);
            }
        }
        send.sort_unstable();
        send
    }

    fn message(&self, ledger: &Ledger, need: &[u32], send: &[u32], have: Have) -> SyncMessage {
        let chunks = send
            .iter()
            .map(|number| ledger.entry(*number).chunk.clone());
        SyncMessage {
            heads: ledger.hashes(&self.heads),
            need: ledger.hashes(need),
            have: vec![have],
            changes: chunks.collect(),
            flags: Some(Flags(Flags::KNOWS_SYNC_RESET)),
            ..SyncMessage::default()
        }
    }

    /// Takes in what the server says.
    ///
    /// # Errors
    /// It speaks of what nobody has written.
    pub(super) fn hear(&mut self, message: SyncMessage, ledger: &Ledger) -> Result<News> {
        let heads = ledger.numbers(&message.heads)?;
        self.in_flight = false;
        let before = self.heads.clone();
        let mut news = News::default();
        for number in self.brought(&message.changes, &heads, ledger) {
            self.take(number, ledger, &mut news.arrived);
        }
        if !self.is_here {
            // What comes with the document was typed before he was there.
            self.is_here = !news.arrived.is_empty();
            news.arrived.clear();
        }
        if message.changes.is_empty() && heads == before {
            self.last_sent = Some(heads.clone());
        }
        self.share(&before, &heads);
        news.acknowledged = self.settle(ledger);
        let have = message.have.into_iter();
        let have = have.map(|have| Ok((ledger.numbers(&have.last_sync)?, have.bloom)));
        self.theirs = Some(Theirs {
            need: ledger.numbers(&message.need)?,
            have: have.collect::<Result<_>>()?,
            heads,
        });
        Ok(news)
    }

    /// The changes of a message that the typist does not have. Where there is something in it that nobody here has written, it
    /// is the whole document, of which these are the heads.
    fn brought(&self, chunks: &[Bytes], heads: &[u32], ledger: &Ledger) -> Vec<u32> {
        let numbers = chunks.iter().map(|chunk| ledger.of_chunk(chunk));
        let numbers = numbers.collect::<Option<Vec<_>>>();
        let is_new = |number: &u32| !self.has(*number);
        match numbers {
            Some(numbers) => numbers.into_iter().filter(is_new).collect(),
            None => {
                let mut left = heads.to_vec();
                let mut lacking = BTreeSet::new();
                while let Some(number) = left.pop() {
                    if is_new(&number) && lacking.insert(number) {
                        left.extend_from_slice(&ledger.entry(number).deps);
                    }
                }
                lacking.into_iter().collect()
            }
        }
    }

    /// Takes a change in, and those that have waited for it; or it waits.
    fn take(&mut self, number: u32, ledger: &Ledger, taken: &mut Vec<u32>) {
        let deps = &ledger.entry(number).deps;
        if self.has(number) {
            return;
        }
        if !deps.iter().all(|dep| self.has(*dep)) {
            self.waiting.insert(number);
            return;
        }
        self.note(number);
        self.apart.push(number);
        self.heads.retain(|head| !deps.contains(head));
        self.heads.push(number);
        self.heads.sort_unstable();
        taken.push(number);
        self.waiting.remove(&number);
        for waiting in self.waiting.clone() {
            self.take(waiting, ledger, taken);
        }
    }

    /// What is lacking of what these build on.
    fn lacking(&self, heads: &[u32], ledger: &Ledger) -> Vec<u32> {
        let mut left = heads.to_vec();
        let mut lacking = BTreeSet::new();
        while let Some(number) = left.pop() {
            match self.waiting.contains(&number) {
                true => left.extend_from_slice(&ledger.entry(number).deps),
                false if !self.has(number) => drop(lacking.insert(number)),
                false => {}
            }
        }
        lacking.into_iter().collect()
    }

    /// What is shared after the server has said that it has these heads.
    fn share(&mut self, before: &[u32], theirs: &[u32]) {
        if theirs.iter().all(|head| self.has(*head)) {
            self.shared = theirs.to_vec();
            return;
        }
        let is_new = |head: &&u32| !before.contains(head);
        let still = self.shared.iter().filter(|head| self.heads.contains(head));
        let theirs = theirs.iter().filter(|head| self.has(**head));
        let new = self.heads.iter().filter(is_new);
        let mut shared: Vec<_> = new.chain(still).chain(theirs).copied().collect();
        shared.sort_unstable();
        shared.dedup();
        self.shared = shared;
    }

    /// Forgets that what is shared now was apart; gives his own of that.
    fn settle(&mut self, ledger: &Ledger) -> Vec<u32> {
        let mut is_shared = self.shared.clone();
        let mut own = Vec::new();
        // Whatever builds on a change has a higher number.
        self.apart.sort_unstable();
        let mut kept = Vec::with_capacity(self.apart.len());
        for number in self.apart.drain(..).rev() {
            let entry = ledger.entry(number);
            if !is_shared.contains(&number) {
                kept.push(number);
                continue;
            }
            is_shared.extend_from_slice(&entry.deps);
            if entry.author == self.number {
                own.push(number);
            }
        }
        kept.reverse();
        self.apart = kept;
        self.unsent.retain(|number| !own.contains(number));
        own
    }

    fn note(&mut self, number: u32) {
        let at = number as usize;
        if self.known.len() <= at {
            self.known.resize(at + 1, false);
        }
        self.known[at] = true;
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.known.get(number as usize).is_some_and(|known| *known)
    }
}

/// The letter of a text that was typed by one actor, first things first: the text itself is his first operation.
pub(super) fn letter(number: u32, actor: ActorId) -> OpId {
    OpId(u64::from(number) + 2, actor)
}

/// Reads what the server says.
///
/// # Errors
/// It is no sync message.
pub(super) fn read(data: &Bytes) -> Result<SyncMessage> {
    SyncMessage::read(data).context("a sync message")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use automerge::sync::{Message, State, SyncDoc};
    use protocol::automerge::ChangeHash;

    use super::super::history::{History, actor, heads, text};
    use super::*;
    use crate::load::chance::Chance;

    /// A server with a real document, and two typists, whose messages come when it pleases.
    struct World {
        history: History,
        ledger: Ledger,
        typists: Vec<Typist>,
        states: Vec<State>,
        to_server: Vec<VecDeque<SyncMessage>>,
        to_typist: Vec<VecDeque<Bytes>>,
        arrived: usize,
        acknowledged: usize,
    }

    impl World {
        fn new() -> Result<Self> {
            let mut history = History::new(10, 1)?;
            history.write(5)?;
            let head = ChangeHash(history.heads()[0].0);
            let typist = |number| {
                let own = actor(number as u16 + 1);
                Typist::new(number, own, letter(number as u32 * 20, actor(0)))
            };
            Ok(Self {
                history,
                ledger: Ledger::new(head, 51, actor(0)),
                typists: (0..2).map(typist).collect(),
                states: vec![State::new(), State::new()],
                to_server: vec![VecDeque::new(); 2],
                to_typist: vec![VecDeque::new(); 2],
                arrived: 0,
                acknowledged: 0,
            })
        }

        fn say(&mut self, who: usize) {
            self.to_server[who].extend(self.typists[who].say(&self.ledger));
        }

        fn serve(&mut self) {
            for (state, queue) in self.states.iter_mut().zip(&mut self.to_typist) {
                let said = self.history.doc.generate_sync_message(state);
                queue.extend(said.map(|message| Bytes::from(message.encode())));
            }
        }

        /// One message arrives, if one is on its way.
        fn step(&mut self, who: usize, is_up: bool) -> Result<bool> {
            if is_up && let Some(message) = self.to_server[who].pop_front() {
                let message = Message::decode(&message.write())?;
                let state = &mut self.states[who];
                self.history.doc.receive_sync_message(state, message)?;
                self.serve();
                return Ok(true);
            }
            if !is_up && let Some(data) = self.to_typist[who].pop_front() {
                let news = self.typists[who].hear(read(&data)?, &self.ledger)?;
                self.arrived += news.arrived.len();
                self.acknowledged += news.acknowledged.len();
                self.say(who);
                return Ok(true);
            }
            Ok(false)
        }

        fn settle(&mut self) -> Result<()> {
            let mut is_busy = true;
            while is_busy {
                is_busy = false;
                for (who, is_up) in [(0, true), (1, true), (0, false), (1, false)] {
                    is_busy |= self.step(who, is_up)?;
                }
            }
            Ok(())
        }
    }

    #[test]
    fn typists_and_the_library_come_to_the_same_and_fall_silent() -> Result<()> {
        for seed in 0..10 {
            let mut world = World::new()?;
            let mut chance = Chance::new(seed);
            (0..2).for_each(|who| world.say(who));
            world.settle()?;
            assert!(world.typists.iter().all(Typist::is_here), "seed {seed}");
            for _ in 0..200 {
                let who = chance.below(2) as usize;
                match chance.below(4) {
                    0 => {
                        world.typists[who].type_one(&mut world.ledger, 0);
                        world.say(who);
                    }
                    what => drop(world.step(who, what == 1)?),
                }
            }
            world.settle()?;
            let typed = world.ledger.len() as usize - 1;
            assert_eq!(
                (world.arrived, world.acknowledged),
                (typed, typed),
                "seed {seed}"
            );
            let expected: Vec<_> = heads(&world.history.doc)
                .iter()
                .map(|head| ChangeHash(head.0))
                .collect();
            for typist in &world.typists {
                let mut heads = world.ledger.hashes(typist.heads());
                heads.sort_unstable();
                assert_eq!(heads, expected, "seed {seed}");
            }
            assert_eq!(text(&world.history.doc)?.len(), 50 + typed);
        }
        Ok(())
    }
}
