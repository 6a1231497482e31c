//! The content of a document: one engine for each kind, behind one closed enum.
//!
//! Content takes payloads in ([`Content::integrate`]), says what it has and what a peer lacks, and can be encoded whole
//! and restored. What a payload, a "have" or a state looks like is the engine's own business; nobody else looks inside.
//! Every call into an engine's library is guarded ([`guard`]): content that failed is broken, answers nothing but that
//! from then on, and has to be rebuilt.

mod automerge;
mod guard;
mod yjs;

use std::fmt;

use bytes::Bytes;
use serde_json::Value;
use smallvec::SmallVec;
use thiserror::Error;

use crate::clock::VectorClock;
use crate::dot::Dot;
use crate::names::Kind;
use crate::sabotage::{self, Sprung, Trap};
pub use automerge::{AutomergeChange, AutomergeContent};
use guard::Guarded;
pub(crate) use guard::alone;
pub use yjs::YjsContent;

/// What a document is made of.
#[derive(Debug)]
pub struct Content(Engine);

/// Closed and hot, hence an enum.
enum Engine {
    Yjs(Guarded<YjsContent>),
    Automerge(Guarded<AutomergeContent>),
}

/// Why content could not take or give something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentError {
    /// There is no engine for this kind of document here.
    #[error("documents of kind {0} are not served")]
    KindNotServed(Kind),
    /// The bytes are not of the engine's format; the content is unchanged.
    #[error("bytes do not decode: {0}")]
    Undecodable(String),
    /// The payload builds on something that is missing, and too much of that kind waits already.
    #[error("too much waits for missing parts")]
    TooMuchMissing,
    /// The bytes decode, but the document cannot take them; the content is unchanged.
    #[error("update does not fit the document: {0}")]
    Refused(String),
    /// The payload nests shared types deeper than they may be; the content is unchanged.
    #[error("shared types are nested too deep")]
    TooDeep,
    /// The bytes decoded but contradict the document. The content is broken.
    #[error("update contradicts the document: {0}")]
    Contradiction(String),
    /// The engine's library panicked, now or before. The content is broken.
    #[error("content library failed: {0}")]
    Panicked(String),
}

impl ContentError {
    /// Whether the content is broken by this, and has to be rebuilt.
    pub fn breaks(&self) -> bool {
        matches!(self, Self::Contradiction(_) | Self::Panicked(_))
    }
}

impl From<Sprung> for ContentError {
    fn from(_: Sprung) -> Self {
        Self::Contradiction("a trap has sprung".to_owned())
    }
}

/// What integrating a payload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrated {
    /// Whether the content (or what waits to become content) is different now.
    pub news: bool,
    /// Whether something that this payload builds on is missing and has to be asked for.
    pub missing: bool,
    /// Whether part of the payload should wait for what is missing, but too much waits already. That part was let go, and
    /// its author has to send it again.
    pub let_go: bool,
    /// What of the payload was not here before, if that is not all of it.
    pub fresh: Option<Bytes>,
    /// Where the news begins.
    pub begins: Begins,
}

/// Where a piece of news begins, so that [`Content::have`] can leave it out while it is not yet stored. The same news begins
/// at the same places in all content that has it: at a clock of a client, or with the beginning of a change's hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begins(pub(crate) SmallVec<[(u64, u32); 1]>);

/// The number under which a client counts what it writes. It chose that itself, and shows its presence under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Writer(pub u64);

/// That an edit goes on where a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoingOn {
    /// One of the writers.
    pub writer: Writer,
    /// Whether it uses up numbers for nothing that could be read: for what was deleted or collected already, or left out.
    pub is_hollow: bool,
}

/// What an update would bring that is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brings {
    /// Whether anything is added.
    pub additions: bool,
    /// Whether anything is deleted.
    pub deletions: bool,
    /// The estimated memory that the whole update comes to, in bytes.
    pub weight: usize,
}

impl Brings {
    /// Whether all of it is here.
    pub fn is_nothing(self) -> bool {
        !self.additions && !self.deletions
    }
}

/// Payloads of several authors that were read once, so that all of them or those of all but one can be had as one.
#[derive(Debug)]
pub(crate) struct Merging<'a>(Merge<'a>);

#[derive(Debug)]
enum Merge<'a> {
    Yjs(yjs::Merging<'a>),
    Automerge(automerge::Merging<'a>),
}

impl Merging<'_> {
    /// All payloads as one, or as few as can be; a lone one as it came.
    pub(crate) fn all(&self) -> Vec<Bytes> {
        match &self.0 {
            Merge::Yjs(merging) => merging.all(),
            Merge::Automerge(merging) => merging.all(),
        }
    }

    /// The same without those of one author.
    pub(crate) fn without(&self, author: u32) -> Vec<Bytes> {
        match &self.0 {
            Merge::Yjs(merging) => merging.without(author),
            Merge::Automerge(merging) => merging.without(author),
        }
    }
}

impl Content {
    /// Empty content of a kind.
    ///
    /// # Errors
    /// There is no engine for this kind.
    pub fn new(kind: Kind) -> Result<Self, ContentError> {
        match kind {
            Kind::Yjs => Ok(Self(Engine::Yjs(Guarded::new(YjsContent::new())))),
            Kind::Automerge => {
                let content = Guarded::new(AutomergeContent::new());
                Ok(Self(Engine::Automerge(content)))
            }
            _ => Err(ContentError::KindNotServed(kind)),
        }
    }

    /// Whether the content has failed and answers nothing any more.
    pub fn is_broken(&self) -> bool {
        match &self.0 {
            Engine::Yjs(content) => content.is_broken(),
            Engine::Automerge(content) => content.is_broken(),
        }
    }

    /// Takes one payload in.
    ///
    /// # Errors
    /// All but [`ContentError::KindNotServed`].
    pub fn integrate(&mut self, payload: &[u8]) -> Result<Integrated, ContentError> {
        match &mut self.0 {
            Engine::Yjs(content) => content.change(|content| content.integrate(payload)),
            Engine::Automerge(content) => content.change(|content| content.integrate(payload)),
        }
    }

    /// Takes note of the dot and the context of a change that has brought some news, where that tells what later ones build
    /// on.
    pub(crate) fn came_with(&mut self, dot: Dot, context: &VectorClock, news: &Begins) {
        match &mut self.0 {
            Engine::Yjs(_) => {}
            Engine::Automerge(content) => content.plain_mut().came_with(dot, context, news),
        }
    }

    /// The clock of all that some news builds on, where edits say so themselves. The news has no dots yet.
    pub(crate) fn context_of<'a>(
        &self,
        news: impl Iterator<Item = &'a Begins>,
    ) -> Option<VectorClock> {
        match &self.0 {
            Engine::Yjs(_) => None,
            Engine::Automerge(content) => Some(content.plain().context_of(news)),
        }
    }

    /// What a payload brings of the writers that `is_foreign` names, if anything. It costs little, and says nothing of
    /// payloads that do not decode.
    pub fn going_on(&self, payload: &[u8], is_foreign: &dyn Fn(Writer) -> bool) -> Option<GoingOn> {
        match &self.0 {
            Engine::Yjs(content) => {
                alone(|| Ok(content.plain().going_on(payload, is_foreign))).unwrap_or(None)
            }
            // Nobody goes on where another writer is: a change says what it builds on.
            Engine::Automerge(_) => None,
        }
    }

    /// What a payload would bring, without taking it in.
    ///
    /// # Errors
    /// It does not decode, or the library failed.
    pub fn brings(&self, payload: &[u8]) -> Result<Brings, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| content.brings(payload)),
            Engine::Automerge(content) => content.read(|content| content.brings(payload)),
        }
    }

    /// The estimated memory that the content takes up, in bytes.
    pub fn weight(&self) -> usize {
        match &self.0 {
            Engine::Yjs(content) => content.plain().weight(),
            Engine::Automerge(content) => content.plain().weight(),
        }
    }

    /// Estimates that memory anew from a state, as [`Self::state`] gave it.
    ///
    /// # Errors
    /// The bytes are not a state, or the library failed.
    pub(crate) fn reweigh(&mut self, state: &Bytes) -> Result<(), ContentError> {
        match &mut self.0 {
            Engine::Yjs(content) => content.change(|content| content.reweigh(state)),
            Engine::Automerge(content) => content.change(|content| content.reweigh(state)),
        }
    }

    /// Keeps a state, as [`Self::state`] has just given it, for [`Self::saved_without`], once it is known that it can be trusted.
    pub(crate) fn keep(&mut self, state: &Bytes) {
        match &mut self.0 {
            // What a client is to be told of is written anew as fast.
            Engine::Yjs(_) => {}
            Engine::Automerge(content) => content.plain_mut().keep(state),
        }
    }

    /// Says whether the state that was kept last can be trusted.
    pub(crate) fn settle_kept(&mut self, is_trusted: bool) {
        match &mut self.0 {
            Engine::Yjs(_) => {}
            Engine::Automerge(content) => content.plain_mut().settle_kept(is_trusted),
        }
    }

    /// All there is without what begins in `unsaved`, for a peer that has nothing and reads what is kept as it is. None if it is
    /// not to be had so.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn saved_without<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Result<Option<Bytes>, ContentError> {
        match &self.0 {
            Engine::Yjs(_) => Ok(None),
            Engine::Automerge(content) => content.read(|content| {
                let saved = content.saved_without(unsaved);
                saved.map(written).transpose()
            }),
        }
    }

    /// The same as it stands in a state and in the payloads that came since, before anything is made of them.
    pub(crate) fn saved_in(&self, state: &Bytes, since: &[Bytes]) -> Option<Bytes> {
        match &self.0 {
            Engine::Yjs(_) => None,
            Engine::Automerge(_) => AutomergeContent::saved_in(state, since),
        }
    }

    /// Bounds how deep shared types may be nested by what comes from now on.
    pub(crate) fn set_nesting_max(&mut self, nesting_max: u16) {
        match &mut self.0 {
            Engine::Yjs(content) => content.plain_mut().set_nesting_max(nesting_max),
            // What is nested deep costs nothing until it is looked at, and then it is bounded.
            Engine::Automerge(_) => {}
        }
    }

    /// Takes a whole state in, as [`Self::state`] gave it.
    ///
    /// # Errors
    /// As [`Self::integrate`].
    pub fn restore(&mut self, state: &Bytes) -> Result<(), ContentError> {
        match &mut self.0 {
            Engine::Yjs(content) => content.change(|content| content.restore(state)),
            Engine::Automerge(content) => content.change(|content| content.restore(state)),
        }
    }

    /// What is here, for a peer to send the rest; nothing that begins in `unsaved` is claimed.
    pub fn have<'a>(&self, unsaved: impl Iterator<Item = &'a Begins>) -> Bytes {
        match &self.0 {
            Engine::Yjs(content) => content.plain().have_without(unsaved),
            Engine::Automerge(content) => content.plain().have_without(unsaved),
        }
    }

    /// A payload that holds nothing.
    pub fn nothing(&self) -> Bytes {
        match &self.0 {
            Engine::Yjs(_) => Bytes::from_static(yjs::NOTHING),
            Engine::Automerge(_) => Bytes::from_static(automerge::NOTHING),
        }
    }

    /// What a peer that has `have` lacks.
    ///
    /// # Errors
    /// `have` does not decode, or the library failed.
    pub fn missing_from(&self, have: &[u8]) -> Result<Bytes, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| written(content.missing_from(have)?)),
            Engine::Automerge(content) => {
                content.read(|content| written(content.missing_from(have)?))
            }
        }
    }

    /// The same without what begins in `unsaved`, where edits are shown once they are stored.
    ///
    /// # Errors
    /// As [`Self::missing_from`].
    pub(crate) fn missing_without<'a>(
        &self,
        have: &[u8],
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Result<Bytes, ContentError> {
        match &self.0 {
            Engine::Yjs(_) => self.missing_from(have),
            Engine::Automerge(content) => {
                content.read(|content| written(content.missing_without(have, unsaved)?))
            }
        }
    }

    /// What follows from the given pieces of news and is none of them, if content tells of it apart from what it has.
    ///
    /// # Errors
    /// The library failed.
    pub(crate) fn following<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins> + Clone,
    ) -> Result<Bytes, ContentError> {
        match &self.0 {
            Engine::Yjs(_) => Ok(Bytes::new()),
            Engine::Automerge(content) => content.read(|content| content.following(unsaved)),
        }
    }

    /// Whether edits are shown to others only once they are stored: where a client that was told of one would take others to
    /// have it, and never send it again.
    pub(crate) fn is_shown_stored(&self) -> bool {
        match &self.0 {
            Engine::Yjs(_) => false,
            Engine::Automerge(_) => true,
        }
    }

    /// Whether what had waited begins when it is taken in, with the news that it had waited for. Else it began when it came.
    pub(crate) fn begins_what_waited(&self) -> bool {
        match &self.0 {
            Engine::Yjs(_) => true,
            Engine::Automerge(_) => false,
        }
    }

    /// What a peer has that has nothing.
    pub(crate) fn have_of_nobody(&self) -> &'static [u8] {
        match &self.0 {
            Engine::Yjs(_) => yjs::HAVE_NOTHING,
            Engine::Automerge(_) => automerge::NOTHING,
        }
    }

    /// Whether what there is, as clients are told, says all of the content: who has all that it names lacks nothing.
    pub(crate) fn has_gists(&self) -> bool {
        match &self.0 {
            // A state vector says nothing of what was deleted.
            Engine::Yjs(_) => false,
            Engine::Automerge(_) => true,
        }
    }

    /// What there is, if that says all of the content and there is any.
    pub(crate) fn gist(&self) -> Option<Bytes> {
        match &self.0 {
            Engine::Yjs(_) => None,
            Engine::Automerge(content) if content.is_broken() => None,
            Engine::Automerge(content) => content.plain().gist(),
        }
    }

    /// Whether a peer that has `have` has all that a gist names.
    pub(crate) fn is_all_had(&self, gist: &[u8], have: &[u8]) -> bool {
        match &self.0 {
            Engine::Yjs(_) => false,
            Engine::Automerge(_) => automerge::is_all_had(gist, have),
        }
    }

    /// The writer of some news, if they are counted and there is but one.
    pub(crate) fn only_writer(&self, begins: &Begins) -> Option<Writer> {
        match (&self.0, &begins.0[..]) {
            (Engine::Yjs(_), [(writer, _)]) => Some(Writer(*writer)),
            _ => None,
        }
    }

    /// Several payloads as one that does the same, or as few as can be; a lone one as it came.
    pub fn merge(&self, payloads: &[Bytes]) -> Vec<Bytes> {
        self.merging(payloads.iter().map(|payload| (0, payload)).collect())
            .all()
    }

    /// Payloads of several authors, to be merged, each with the number of its author. They were taken in before.
    pub(crate) fn merging<'a>(&self, payloads: Vec<(u32, &'a Bytes)>) -> Merging<'a> {
        match &self.0 {
            Engine::Yjs(_) => Merging(Merge::Yjs(yjs::Merging::of(payloads))),
            Engine::Automerge(_) => Merging(Merge::Automerge(automerge::Merging::of(payloads))),
        }
    }

    /// Payloads that wait for missing parts; a peer that pulls is to have them as well.
    pub fn waiting(&self) -> &[Bytes] {
        match &self.0 {
            Engine::Yjs(content) => content.plain().waiting(),
            Engine::Automerge(content) => content.plain().waiting(),
        }
    }

    /// The whole content in one payload as a client would send it, without what waits for missing parts.
    ///
    /// # Errors
    /// The library failed.
    pub fn update(&self) -> Result<Bytes, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| written(content.update())),
            Engine::Automerge(content) => content.read(|content| written(content.update()?)),
        }
    }

    /// Whether a state, as [`Self::state`] gave it, holds what is here and nothing else. Its bytes may differ: content that
    /// came in pieces may be whole once it was restored.
    ///
    /// # Errors
    /// The library failed.
    pub fn matches(&self, state: &Bytes) -> Result<bool, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| Ok(content.matches(state))),
            Engine::Automerge(content) => content.read(|content| Ok(content.matches(state))),
        }
    }

    /// The whole content with what waits for missing parts, for [`Self::restore`].
    ///
    /// # Errors
    /// The library failed.
    pub fn state(&self) -> Result<Bytes, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| written(content.state())),
            Engine::Automerge(content) => content.read(|content| written(content.state()?)),
        }
    }

    /// The content as plain text: one field, or all fields that hold text in the order of their names.
    ///
    /// # Errors
    /// The library failed.
    pub fn text(&self, field: Option<&str>) -> Result<String, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| Ok(content.text(field))),
            Engine::Automerge(content) => content.read(|content| content.text(field)),
        }
    }

    /// The content as JSON: one field, or an object of all of them.
    ///
    /// # Errors
    /// The library failed.
    pub fn json(&self, field: Option<&str>) -> Result<Value, ContentError> {
        match &self.0 {
            Engine::Yjs(content) => content.read(|content| Ok(content.json(field))),
            Engine::Automerge(content) => content.read(|content| content.json(field)),
        }
    }

    /// What waits for missing parts without what begins in `unsaved`, where edits are shown once they are stored.
    pub(crate) fn waiting_without<'a>(
        &self,
        unsaved: impl Iterator<Item = &'a Begins>,
    ) -> Vec<Bytes> {
        match &self.0 {
            Engine::Yjs(_) => self.waiting().to_vec(),
            Engine::Automerge(content) => content.plain().waiting_without(unsaved),
        }
    }

    /// How much memory a byte of a payload comes to at most, if that is bounded.
    pub(crate) fn weight_per_byte_max(&self) -> Option<usize> {
        match &self.0 {
            Engine::Yjs(_) => Some(yjs::WEIGHT_PER_BYTE_MAX),
            // Operations that are alike are written as one and their number.
            Engine::Automerge(_) => None,
        }
    }

    /// Whether something was made to be looked at, and is here still.
    pub(crate) fn is_drawn(&self) -> bool {
        match &self.0 {
            Engine::Yjs(_) => false,
            Engine::Automerge(content) => content.plain().is_drawn(),
        }
    }

    /// Lets go what was only made to be looked at; it is made again when that is asked for.
    pub(crate) fn let_go(&self) {
        match &self.0 {
            Engine::Yjs(_) => {}
            Engine::Automerge(content) => content.plain().let_go(),
        }
    }

    /// The payload that made the content break, if it is not the one that was handed in: one that had waited for missing
    /// parts, or that was taken in before anybody looked.
    pub fn culprit(&self) -> Option<&Bytes> {
        match &self.0 {
            Engine::Yjs(content) => content.plain().trying(),
            Engine::Automerge(content) => content.plain().culprit(),
        }
    }
}

fn written(bytes: Bytes) -> Result<Bytes, ContentError> {
    sabotage::spring(Trap::Read, &bytes)?;
    Ok(bytes)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yjs(content) => content.plain().fmt(f),
            Self::Automerge(content) => content.plain().fmt(f),
        }
    }
}
