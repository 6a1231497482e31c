//! Automerge content, over the automerge crate.
//!
//! The truth is a graph of raw changes ([`graph`]), which is all that sync needs; the library's document is made of them
//! only when somebody wants to see what they come to ([`picture`]). Changes are validated one by one as they come
//! ([`arrival`]) and taken in as soon as all is here that they build on; the rest waits ([`orphans`]). So taking a change
//! in, and saying what a peer lacks, costs microseconds, however large the document is.
//!
//! A payload is any number of change chunks, one behind the other, each as its author wrote it. What is *had* is heads:
//! their hashes, in order, one behind the other. A state is an [`UpdateList`] of the heads, the dots that the changes came
//! with ([`dots`]), a saved document with all changes that follow from nothing missing, and the chunks that wait.

mod arrival;
mod dots;
mod graph;
mod orphans;
mod picture;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::OnceLock;

use automerge::{Automerge, ChangeHash};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::{Begins, Brings, ContentError, Integrated, alone};
use crate::change::UpdateList;
use crate::clock::VectorClock;
use crate::dot::Dot;
use arrival::{Arrival, Raw, arrivals};
use dots::Dots;
use graph::{Graph, check_first_op, decode_heads, encode_heads, mark};
use orphans::{Lack, Orphans};
use picture::{Picture, are_same, load};

/// An Automerge document.
#[derive(Default)]
pub struct AutomergeContent {
    graph: Graph,
    dots: Dots,
    orphans: Orphans,
    picture: Picture,
    /// What is held of payloads besides the changes that were new in them, in bytes.
    idle_bytes: usize,
    /// The payload with the change that made the library fail.
    culprit: OnceLock<Bytes>,
}

/// A change as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutomergeChange {
    /// Its name.
    pub hash: [u8; 32],
    /// The names of the changes that it builds on.
    pub deps: Vec<[u8; 32]>,
    /// Who made it, as it says.
    pub actor: Box<[u8]>,
    /// The how manieth of that actor it is, from one.
    pub seq: u64,
    /// Its chunk.
    pub chunk: Bytes,
}

/// What is to become of the changes of one payload that are not here.
#[derive(Default)]
struct Plan {
    /// Those that can be taken in, in order.
    ready: Vec<Arrival>,
    /// Those that lack something.
    early: Vec<Arrival>,
}

impl AutomergeContent {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// The changes of a payload, in the order in which they stand in it.
    ///
    /// # Errors
    /// The bytes are not changes.
    pub fn changes_of(payload: &Bytes) -> Result<Vec<AutomergeChange>, ContentError> {
        let arrivals = arrivals(payload)?.into_iter();
        let changes = arrivals.map(|change| AutomergeChange {
            hash: change.hash.0,
            deps: change.deps.iter().map(|dep| dep.0).collect(),
            actor: change.actor.to_bytes().into(),
            seq: change.seq,
            chunk: change.raw.to_bytes(),
        });
        Ok(changes.collect())
    }

    /// The changes of a saved document, as a payload. Whoever hands it in has bounded what it comes to.
    ///
    /// # Errors
    /// The bytes are not a saved document.
    pub fn changes_of_saved(saved: &Bytes) -> Result<Bytes, ContentError> {
        let doc = alone(|| load(saved)).map_err(|error| match error {
            ContentError::Panicked(why) => ContentError::Undecodable(why),
            error => error,
        })?;
        let changes = doc.get_changes(&[]);
        let length = changes.iter().map(|change| change.raw_bytes().len()).sum();
        let mut all = BytesMut::with_capacity(length);
        changes
            .iter()
            .for_each(|change| all.extend_from_slice(change.raw_bytes()));
        Ok(all.freeze())
    }

    /// Takes the changes of a payload in; all of them, or none if one of them does not fit.
    ///
    /// # Errors
    /// The bytes are not changes, one of them contradicts what its actor has made before, or too much would wait for
    /// missing parts.
    pub fn integrate(&mut self, payload: &[u8]) -> Result<Integrated, ContentError> {
        let payload = Bytes::copy_from_slice(payload);
        let arrivals = arrivals(&payload)?;
        let came = arrivals.len();
        let fresh = self.fresh_of(arrivals);
        let part = (fresh.len() < came).then(|| joined(fresh.iter().map(|change| &change.raw)));
        let idle = part.as_ref().filter(|part| !part.is_empty());
        let idle = idle.map_or(0, |part| payload.len() - part.len());
        let Plan { ready, early } = self.plan(fresh)?;
        let mut begins = Begins::default();
        begins
            .0
            .extend(ready.iter().map(|change| mark(&change.hash)));
        let taken = ready.into_iter().map(|change| self.take_in(change));
        let taken = taken.collect::<Result<Vec<_>, _>>()?;
        self.release(taken.into_iter().flatten().collect());
        let (missing, let_go) = self.let_wait(early, &mut begins);
        if let_go && begins.0.is_empty() {
            return Err(ContentError::TooMuchMissing);
        }
        self.idle_bytes += idle;
        Ok(Integrated {
            news: !begins.0.is_empty(),
            missing,
            let_go,
            fresh: part,
            begins,
        })
    }

    /// What a payload would bring, without taking it in.
    ///
    /// # Errors
    /// The bytes are not changes.
    pub fn brings(&self, payload: &[u8]) -> Result<Brings, ContentError> {
        let arrivals = arrivals(&Bytes::copy_from_slice(payload))?;
        let weight = arrivals.iter().map(graph::weight);
        Ok(Brings {
            weight: weight.fold(0, usize::saturating_add),
            additions: arrivals.iter().any(|change| !self.is_here(&change.hash)),
            deletions: false,
        })
    }

    /// The estimated memory that the document takes up once it is made, in bytes.
    pub fn weight(&self) -> usize {
        self.graph.weight() + self.orphans.bytes() + self.idle_bytes
    }

    /// Goes on from a state, as [`Self::state`] has just given it, which takes up less than the changes that it was made of.
    ///
    /// # Errors
    /// The bytes are not a state.
    pub(super) fn reweigh(&mut self, state: &Bytes) -> Result<(), ContentError> {
        let State { saved, .. } = State::read(state)?;
        if !saved.is_empty() {
            self.picture.begin_with(saved, self.graph.len(), None);
            self.graph.forget_raw();
            self.idle_bytes = 0;
        }
        Ok(())
    }

    /// Keeps the saved document of a state, as [`Self::state`] has just given it, until it is known whether it can be trusted.
    pub(super) fn keep(&mut self, state: &Bytes) {
        if let Ok(State { saved, .. }) = State::read(state)
            && !saved.is_empty()
        {
            self.picture.offer(saved, self.graph.len());
        }
    }

    /// What was kept so can be trusted, or not.
    pub(super) fn settle_kept(&mut self, is_trusted: bool) {
        self.picture.settle_offer(is_trusted);
    }

    /// Takes in what [`Self::state`] gave.
    ///
    /// # Errors
    /// As [`Self::integrate`]; or the saved document has not the heads that it should have.
    pub fn restore(&mut self, state: &Bytes) -> Result<(), ContentError> {
        let State {
            heads,
            dots,
            saved,
            orphans,
        } = State::read(state)?;
        if !saved.is_empty() {
            let doc = load(&saved)?;
            if !are_same(doc.get_heads(), heads.iter()) {
                let why = "the saved document has other heads".to_owned();
                return Err(ContentError::Undecodable(why));
            }
            self.take_in_saved(saved, doc, &dots)?;
        } else if self.graph.len() == 0 {
            self.dots = Dots::read(&dots, 0)?;
        }
        let mut orphans = orphans.iter();
        orphans.try_for_each(|orphan| self.integrate(orphan).map(drop))
    }

    /// The heads, in order.
    pub fn have(&self) -> Bytes {
        encode_heads(self.graph.heads())
    }

    /// The heads, if there are any and nothing waits that they do not tell of.
    pub(super) fn gist(&self) -> Option<Bytes> {
        let says_all = self.graph.len() > 0 && self.waiting().is_empty();
        says_all.then(|| self.have())
    }

    /// The heads of all but the given pieces of news and what follows from them.
    pub(super) fn have_without<'a>(&self, unsaved: impl Iterator<Item = &'a Begins>) -> Bytes {
        let mut unsaved = unsaved.peekable();
        if unsaved.peek().is_none() {
            return self.have();
        }
        let withheld = self.graph.withheld(unsaved);
        encode_heads(self.graph.heads_without(&withheld).iter())
    }

    /// The changes that a peer with these heads lacks, of all that is not waiting.
    ///
    /// # Errors
    /// The bytes are not heads, or the library failed.
    pub fn missing_from(&self, have: &[u8]) -> Result<Bytes, ContentError> {
        self.missing_without(have, std::iter::empty())
    }

    /// The same without the given pieces of news. What follows from them is told, for else nobody would tell it later.
    pub(super) fn missing_without<'a>(
        &self,
        have: &[u8],
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Result<Bytes, ContentError> {
        let mut places = self.graph.lacked_with(&decode_heads(have)?);
        let unsaved = self.graph.places_of(unsaved);
        places.retain(|place| !unsaved.contains(place));
        self.raw_of(&places)
    }

    /// What follows from the given pieces of news and is none of them: the heads without them do not tell of it.
    ///
    /// # Errors
    /// The library failed.
    pub(super) fn following<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins> + Clone,
    ) -> Result<Bytes, ContentError> {
        let withheld = self.graph.withheld(unsaved.clone());
        let unsaved = self.graph.places_of(unsaved);
        let places = withheld.places().filter(|place| !unsaved.contains(place));
        self.raw_of(&places.collect::<Vec<_>>())
    }

    /// All that is not waiting, without the given pieces of news: the saved document that is kept, and behind it the chunks
    /// that came since. None if there is no such document, or if it holds some of that news.
    pub(super) fn saved_without<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Option<Bytes> {
        let (saved, holds) = self.picture.saved()?;
        let unsaved = self.graph.places_of(unsaved);
        if unsaved
            .first()
            .is_some_and(|first| (*first as usize) < holds)
        {
            return None;
        }
        let since = (holds..self.graph.len()).map(|place| place as u32);
        let since = since.filter(|place| !unsaved.contains(place));
        let since: Vec<_> = since
            .map(|place| self.graph.raw(place))
            .collect::<Option<_>>()?;
        let since = joined(since.into_iter());
        Some([&saved[..], &since].concat().into())
    }

    /// All of a document that has these heads, as its state and the payloads that came since keep it. None if the state has no
    /// document, or if something waits in it.
    pub(super) fn saved_in(state: &Bytes, since: &[Bytes]) -> Option<Bytes> {
        let State { saved, orphans, .. } = State::read(state).ok()?;
        let is_all = !saved.is_empty() && orphans.is_empty();
        is_all.then(|| match since {
            [] => saved,
            since => [&[saved], since].concat().concat().into(),
        })
    }

    /// The chunks that wait for missing parts.
    pub fn waiting(&self) -> &[Bytes] {
        self.orphans.chunks()
    }

    /// The same without the given pieces of news.
    pub(super) fn waiting_without<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Vec<Bytes> {
        let unsaved: BTreeSet<_> = unsaved.flat_map(|begins| &begins.0).collect();
        let stored = self.orphans.changes();
        let stored = stored.filter(|change| !unsaved.contains(&mark(&change.hash)));
        stored.map(|change| change.raw.to_bytes()).collect()
    }

    /// All changes, without those that wait for missing parts.
    ///
    /// # Errors
    /// The library failed.
    pub fn update(&self) -> Result<Bytes, ContentError> {
        self.missing_from(&[])
    }

    /// The whole document with what waits for missing parts, for [`Self::restore`].
    ///
    /// # Errors
    /// The library failed.
    pub fn state(&self) -> Result<Bytes, ContentError> {
        let (dots, saved) = match self.graph.len() {
            0 => (self.dots.to_bytes(|place| place), Bytes::new()),
            _ => self.look(|doc| Ok((self.dots_of(doc), doc.save().into())))?,
        };
        let parts = [self.have(), dots, saved];
        let parts: Vec<_> = parts
            .into_iter()
            .chain(self.waiting().iter().cloned())
            .collect();
        Ok(UpdateList::join(&parts))
    }

    /// Whether a state, as [`Self::state`] gave it, is of the same heads and has the same waiting. That the document in it
    /// has these heads is proved when it is restored.
    pub fn matches(&self, state: &Bytes) -> bool {
        State::read(state).is_ok_and(|state| {
            state.heads.iter().eq(self.graph.heads()) && state.orphans == self.waiting()
        })
    }

    /// The text of one field, or of all that hold text, in the order of their names, a line break between them.
    ///
    /// # Errors
    /// The library failed.
    pub fn text(&self, field: Option<&str>) -> Result<String, ContentError> {
        self.look(|doc| view::text(doc, field))
    }

    /// One field as JSON, or an object of all fields.
    ///
    /// # Errors
    /// The library failed.
    pub fn json(&self, field: Option<&str>) -> Result<Value, ContentError> {
        self.look(|doc| view::json(doc, field))
    }

    /// Lets the library's document go, until somebody wants to see it again.
    pub(super) fn let_go(&self) {
        self.picture.let_go();
    }

    /// Whether there is such a document.
    pub(super) fn is_drawn(&self) -> bool {
        self.picture.is_drawn()
    }

    /// The payload with the change that made the library fail, once one was found.
    pub(super) fn culprit(&self) -> Option<&Bytes> {
        self.culprit.get()
    }

    /// Takes note of the dot and the context of a change that has brought some news.
    pub(super) fn came_with(&mut self, dot: Dot, context: &VectorClock, news: &Begins) {
        for mark in &news.0 {
            match self.graph.place(mark) {
                Some(place) => self.dots.note(dot, place),
                None => self.dots.note_waiting(dot, context, *mark),
            }
        }
    }

    /// The clock of all that is known of what some news builds on. The news has no dots yet.
    pub(super) fn context_of<'a>(&self, news: impl Iterator<Item = &'a Begins>) -> VectorClock {
        let mut context = VectorClock::default();
        let mut places = Vec::new();
        for begin in news.flat_map(|news| &news.0) {
            let Some(orphan) = self.orphans.get(begin) else {
                places.extend(self.graph.place(begin));
                continue;
            };
            for dep in orphan.deps.iter().map(mark) {
                match self.graph.place(&dep) {
                    Some(place) => places.push(place),
                    None => context.join(&self.dots.clock_of_waiting(dep)),
                }
            }
        }
        if !places.is_empty() {
            let lacked = self.graph.lacked_behind(places);
            context.join(&self.dots.clock_without(&lacked));
        }
        context
    }

    /// The dots of the changes in the order in which a document has them.
    fn dots_of(&self, doc: &Automerge) -> Bytes {
        let mut positions = vec![0; self.graph.len()];
        for (position, change) in (0..).zip(doc.get_changes_meta(&[])) {
            if let Some(place) = self.graph.place(&mark(&change.hash)) {
                positions[place as usize] = position;
            }
        }
        self.dots.to_bytes(|place| positions[place as usize])
    }

    fn is_here(&self, hash: &ChangeHash) -> bool {
        self.graph.has(hash) || self.orphans.has(hash)
    }

    /// Those that are not here, each once.
    fn fresh_of(&self, arrivals: Vec<Arrival>) -> Vec<Arrival> {
        let mut met = BTreeSet::new();
        let fresh = arrivals.into_iter();
        fresh
            .filter(|change| !self.is_here(&change.hash) && met.insert(change.hash))
            .collect()
    }

    /// Puts changes in order, those of which each has what it builds on before it.
    fn plan(&self, fresh: Vec<Arrival>) -> Result<Plan, ContentError> {
        let mut actors = self.graph.actors().of(&fresh);
        let mut plan = Plan::default();
        let mut planned: BTreeMap<ChangeHash, u64> = BTreeMap::new();
        let mut early: BTreeMap<Lack, Vec<Arrival>> = BTreeMap::new();
        for change in fresh {
            let mut next = vec![change];
            while let Some(mut change) = next.pop() {
                let is_there = |dep: &ChangeHash| self.graph.has(dep) || planned.contains_key(dep);
                if let Some(lacks) = Lack::of(&mut change, is_there, |id| actors.has(id)) {
                    early.entry(lacks).or_default().push(change);
                    continue;
                }
                let before = change.deps.iter().filter_map(|dep| planned.get(dep));
                let last_op = before.copied().max().unwrap_or_default();
                check_first_op(&change, last_op.max(self.graph.last_op_of(&change.deps)))?;
                actors.count_in(&change)?;
                planned.insert(change.hash, change.last_op);
                for came in Lack::ended_by(&change) {
                    next.extend(early.remove(&came).into_iter().flatten());
                }
                plan.ready.push(change);
            }
        }
        plan.early = early.into_values().flatten().collect();
        match plan.early.iter().find(|change| actors.is_taken(change)) {
            Some(change) => Err(graph::is_another(change)),
            None => Ok(plan),
        }
    }

    /// Takes a change in, and tells for what of it others may have waited.
    fn take_in(&mut self, change: Arrival) -> Result<[Lack; 2], ContentError> {
        let (came, mark) = (Lack::ended_by(&change), mark(&change.hash));
        let taken = self.graph.insert(change);
        self.dots.waits_no_more(mark, || self.graph.place(&mark));
        taken.map(|()| came)
    }

    /// Takes in what had waited for these. One that turns out not to fit waits no more: whoever brings what it waited for
    /// is not to blame.
    fn release(&mut self, mut came: Vec<Lack>) {
        let mut released = Vec::new();
        while let Some(lacked) = came.pop() {
            for mut orphan in self.orphans.take(&lacked) {
                if let Some(lacks) = self.lacked_by(&mut orphan) {
                    self.orphans.wait(orphan, lacks);
                    continue;
                }
                released.push(orphan.raw.to_bytes());
                came.extend(self.take_in(orphan).into_iter().flatten());
            }
        }
        self.orphans.let_go(released);
    }

    /// Keeps what lacks something; says whether any of it waits, and whether any of it may not.
    fn let_wait(&mut self, early: Vec<Arrival>, begins: &mut Begins) -> (bool, bool) {
        let (mut missing, mut let_go) = (false, false);
        for mut change in early {
            let begin = mark(&change.hash);
            let Some(lacks) = self.lacked_by(&mut change) else {
                // What it lacked had waited until just now.
                if let Ok(came) = self.take_in(change) {
                    begins.0.push(begin);
                    self.release(came.into());
                }
                continue;
            };
            if self.orphans.insert(change, lacks) {
                begins.0.push(begin);
                missing = true;
            } else {
                let_go = true;
            }
        }
        (missing, let_go)
    }

    fn lacked_by(&self, change: &mut Arrival) -> Option<Lack> {
        let actors = self.graph.actors();
        Lack::of(change, |dep| self.graph.has(dep), |id| actors.has(id))
    }

    /// Takes in all changes of a saved document.
    fn take_in_saved(
        &mut self,
        saved: Bytes,
        doc: Automerge,
        dots: &Bytes,
    ) -> Result<(), ContentError> {
        if self.graph.len() > 0 {
            let mut changes = doc.get_changes(&[]).into_iter();
            return changes.try_for_each(|change| self.integrate(change.raw_bytes()).map(drop));
        }
        let mut graph = Graph::default();
        let changes = doc.get_changes_meta(&[]);
        changes.iter().for_each(|change| graph.insert_saved(change));
        self.dots = Dots::read(dots, graph.len())?;
        self.graph = graph;
        self.picture.begin_with(saved, self.graph.len(), Some(doc));
        Ok(())
    }

    /// The chunks of some changes, in order.
    fn raw_of(&self, places: &[u32]) -> Result<Bytes, ContentError> {
        if places.iter().all(|place| self.graph.raw(*place).is_some()) {
            let raws = places.iter().filter_map(|place| self.graph.raw(*place));
            return Ok(joined(raws));
        }
        let hashes: BTreeMap<_, _> = places
            .iter()
            .map(|place| (self.graph.hash(*place), *place))
            .collect();
        self.look(|doc| {
            let changes = doc.get_changes(&[]).into_iter();
            let meant = changes.filter(|change| hashes.contains_key(&change.hash()));
            let saved: BTreeMap<_, _> = meant
                .map(|change| (hashes[&change.hash()], change))
                .collect();
            if saved.len() < hashes.len() {
                let why = "a change is not in the document".to_owned();
                return Err(ContentError::Contradiction(why));
            }
            let mut all = BytesMut::new();
            for (place, change) in &saved {
                let raw = self.graph.raw(*place).map(Raw::bytes);
                all.extend_from_slice(raw.unwrap_or_else(|| change.raw_bytes()));
            }
            Ok(all.freeze())
        })
    }

    /// Looks at the document that all changes come to. If that fails, the change is noted that is to blame.
    fn look<R>(
        &self,
        look: impl Fn(&Automerge) -> Result<R, ContentError>,
    ) -> Result<R, ContentError> {
        self.picture.show(&self.graph, look).map_err(|failure| {
            let culprit = failure.culprit.and_then(|place| self.graph.raw(place));
            if let Some(raw) = culprit {
                // Only the first is looked for: content that failed is not used again.
                let _ = self.culprit.set(raw.payload.clone());
            }
            match failure.error {
                error if error.breaks() => error,
                error => ContentError::Contradiction(error.to_string()),
            }
        })
    }
}

impl fmt::Debug for AutomergeContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutomergeContent")
            .field("changes", &self.graph.len())
            .field("waiting", &self.waiting().len())
            .finish()
    }
}

/// A state, taken apart.
struct State {
    heads: Vec<ChangeHash>,
    dots: Bytes,
    /// A saved document, or nothing if there are no changes.
    saved: Bytes,
    orphans: Vec<Bytes>,
}

impl State {
    fn read(state: &Bytes) -> Result<Self, ContentError> {
        let bad = |why: &dyn fmt::Display| ContentError::Undecodable(why.to_string());
        let parts = UpdateList::split(state).map_err(|error| bad(&error))?;
        let [heads, dots, saved, orphans @ ..] = &parts[..] else {
            return Err(bad(&"a state has heads, dots and a document"));
        };
        Ok(Self {
            heads: decode_heads(heads)?,
            dots: dots.clone(),
            saved: saved.clone(),
            orphans: orphans.to_vec(),
        })
    }
}

/// Whether all of these heads are among what a peer says that it has.
pub(super) fn is_all_had(heads: &[u8], have: &[u8]) -> bool {
    let (Ok(heads), Ok(have)) = (decode_heads(heads), decode_heads(have)) else {
        return false;
    };
    // There may be thousands on both sides.
    let have: HashSet<_> = have.iter().collect();
    heads.iter().all(|head| have.contains(head))
}

/// Payloads of several authors, to be put one behind the other.
#[derive(Debug)]
pub(crate) struct Merging<'a>(Vec<(u32, &'a Bytes)>);

impl<'a> Merging<'a> {
    pub(super) fn of(payloads: Vec<(u32, &'a Bytes)>) -> Self {
        Self(payloads)
    }

    /// All payloads as one; a lone one as it came.
    pub(super) fn all(&self) -> Vec<Bytes> {
        one_of(self.0.iter().map(|(_, payload)| *payload))
    }

    /// The same without those of one author.
    pub(super) fn without(&self, author: u32) -> Vec<Bytes> {
        let others = self.0.iter().filter(|(by, _)| *by != author);
        one_of(others.map(|(_, payload)| *payload))
    }
}

fn one_of<'a>(payloads: impl Iterator<Item = &'a Bytes> + Clone) -> Vec<Bytes> {
    let mut few = payloads.clone();
    match (few.next(), few.next()) {
        (None, _) => Vec::new(),
        (Some(lone), None) => vec![lone.clone()],
        _ => vec![payloads.flatten().copied().collect()],
    }
}

fn joined<'a>(raws: impl Iterator<Item = &'a Raw> + Clone) -> Bytes {
    let length = raws.clone().map(|raw| raw.bytes().len()).sum();
    let mut all = BytesMut::with_capacity(length);
    raws.for_each(|raw| all.extend_from_slice(raw.bytes()));
    all.freeze()
}

/// A payload of no changes, and the heads of who has none.
pub(super) const NOTHING: &[u8] = &[];
