//! Yjs content, over the yrs crate.
//!
//! The yrs document is a cache of the raw log, and is set up to add nothing of its own: offsets count UTF-16 units as in
//! JavaScript, the client id is fixed because the server never writes through it, and formatting marks are not cleaned
//! up. It is only ever shown what follows without a hole ([`cut`]), in as few items as it can be ([`join`]); the rest waits as raw bytes ([`waiting`]). Facts about
//! updates and state vectors are those of Yjs 13 (`yjs/src/utils/encoding.js`, `StructStore.js`); where yrs and yjs
//! differ is written in `docs/decisions/0002-yrs-and-yjs.md`.

mod cut;
mod join;
mod merge;
mod nesting;
mod structs;
mod subdocuments;
mod view;
mod waiting;
mod writers;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde_json::Value;
use yrs::encoding::read::{Cursor, Read};
use yrs::updates::decoder::{Decode, DecoderV1};
use yrs::updates::encoder::Encode;
use yrs::{
    ClientID, Doc, ID, IdSet, OffsetKind, Options, ReadTxn, StateVector, Transact, Update,
    WriteTxn, diff_updates_v1,
};

use super::{Begins, Brings, ContentError, GoingOn, Integrated, Writer, alone};
use crate::change::UpdateList;
use crate::sabotage::{self, Trap};
pub(super) use merge::Merging;
use nesting::{Here, Nesting, Refusal};
use structs::Id;
use waiting::Waiting;

/// A Yjs document.
pub struct YjsContent {
    doc: Doc,
    /// The state vector of `doc`, which has no holes: for each client the clock after its last integrated item.
    clocks: BTreeMap<u64, u32>,
    waiting: Waiting,
    /// Whether there ever was a subdocument in `doc`.
    has_subdocuments: bool,
    nesting: Nesting,
    nesting_max: u16,
    /// The estimated memory of what `doc` holds.
    doc_bytes: usize,
    /// What had waited and is being tried again just now.
    trying: Option<Bytes>,
}

impl YjsContent {
    /// An empty document.
    pub fn new() -> Self {
        let mut options = Options::with_guid_and_client_id("quire".into(), SERVER_CLIENT);
        options.offset_kind = OffsetKind::Utf16;
        options.cleanup_formatting = false;
        Self {
            doc: Doc::with_options(options),
            clocks: BTreeMap::new(),
            waiting: Waiting::default(),
            has_subdocuments: false,
            nesting: Nesting::default(),
            nesting_max: STORED_NESTING_MAX,
            doc_bytes: 0,
            trying: None,
        }
    }

    /// Takes an update (first encoding) in.
    ///
    /// # Errors
    /// The bytes are not an update, contradict the document, or too much would wait for missing parts.
    pub fn integrate(&mut self, payload: &[u8]) -> Result<Integrated, ContentError> {
        let update = decode_update(payload)?;
        let inserted = update.insertions(true);
        let fresh = self.fresh_part(payload, &inserted);
        let mut begins = Begins::default();
        let taken = self.take_in(payload, update, &inserted, &mut begins)?;
        if taken.let_go && !taken.news {
            return Err(ContentError::TooMuchMissing);
        }
        let more = !begins.0.is_empty() && self.retry_waiting(&mut begins)?;
        Ok(Integrated {
            news: taken.news || more,
            missing: taken.waits && !self.waiting().is_empty(),
            let_go: taken.let_go,
            fresh,
            begins,
        })
    }

    /// What an update would bring, without taking it in.
    ///
    /// # Errors
    /// The bytes are not an update.
    pub fn brings(&self, payload: &[u8]) -> Result<Brings, ContentError> {
        let update = decode_update(payload)?;
        let inserted = update.insertions(true);
        let additions = inserted.iter().any(|(client, ranges)| {
            let clock = self.clock(client.get());
            ranges.iter().any(|range| range.end > clock)
        });
        let deleted = update.delete_set();
        let deletions = !deleted.is_empty() && {
            let known = self.doc.transact().snapshot().delete_set;
            !deleted.diff(&known).is_empty()
        };
        Ok(Brings {
            additions,
            deletions,
            weight: estimate(payload)?,
        })
    }

    /// What an update brings of the clients that `is_foreign` names, told from its bytes alone.
    pub fn going_on(&self, payload: &[u8], is_foreign: &dyn Fn(Writer) -> bool) -> Option<GoingOn> {
        writers::going_on(payload, |client| self.clock(client), is_foreign)
    }

    /// The estimated memory that the document takes up, in bytes.
    pub fn weight(&self) -> usize {
        self.doc_bytes + self.waiting.bytes() + self.nesting.bytes()
    }

    /// Estimates the memory anew from a state, as [`Self::state`] gave it: what was joined or deleted meanwhile is no longer
    /// counted by the pieces that it came in.
    ///
    /// # Errors
    /// The bytes are not a state.
    pub(super) fn reweigh(&mut self, state: &Bytes) -> Result<(), ContentError> {
        let parts = UpdateList::split(state);
        let parts = parts.map_err(|error| ContentError::Undecodable(error.to_string()))?;
        self.doc_bytes = parts.first().map_or(Ok(0), |whole| estimate(whole))?;
        Ok(())
    }

    /// Bounds how deep shared types may be nested by what comes from now on.
    pub(super) fn set_nesting_max(&mut self, nesting_max: u16) {
        self.nesting_max = nesting_max;
    }

    /// Takes in what [`Self::state`] gave.
    ///
    /// # Errors
    /// As [`Self::integrate`].
    pub fn restore(&mut self, state: &Bytes) -> Result<(), ContentError> {
        let updates = UpdateList::split(state)
            .map_err(|error| ContentError::Undecodable(error.to_string()))?;
        updates
            .iter()
            .try_for_each(|update| self.integrate(update).map(drop))
    }

    /// The encoded state vector.
    pub fn have(&self) -> Bytes {
        self.have_without(std::iter::empty())
    }

    /// The encoded state vector, cut back to where the given pieces of news begin.
    pub(super) fn have_without<'a>(&self, unsaved: impl Iterator<Item = &'a Begins>) -> Bytes {
        let mut clocks = self.clocks.clone();
        for (client, begin) in unsaved.flat_map(|begins| &begins.0) {
            if let Some(clock) = clocks.get_mut(client) {
                *clock = (*clock).min(*begin);
            }
        }
        let known = clocks.into_iter().filter(|(_, clock)| *clock > 0);
        let vector: StateVector = known
            .map(|(client, clock)| (ClientID::new(client), clock))
            .collect();
        // It is kept as a checkpoint, and was written into a kilobyte.
        vector.encode_v1().into_boxed_slice().into()
    }

    /// The update that a peer with this encoded state vector lacks, of all that is not waiting.
    ///
    /// # Errors
    /// The bytes are not a state vector.
    pub fn missing_from(&self, have: &[u8]) -> Result<Bytes, ContentError> {
        let vector = StateVector::decode_v1(have).map_err(|error| undecodable(&error))?;
        Ok(self.encode(&vector))
    }

    /// The updates that wait for missing parts, raw.
    pub fn waiting(&self) -> &[Bytes] {
        self.waiting.updates()
    }

    /// The whole document as one update, without what waits for missing parts.
    pub fn update(&self) -> Bytes {
        self.encode(&StateVector::default())
    }

    fn encode(&self, vector: &StateVector) -> Bytes {
        let txn = self.doc.transact();
        txn.encode_state_as_update_v1(vector).into()
    }

    /// The whole document with what waits for missing parts, for [`Self::restore`].
    pub fn state(&self) -> Bytes {
        let updates: Vec<_> = std::iter::once(self.update())
            .chain(self.waiting().iter().cloned())
            .collect();
        UpdateList::join(&updates)
    }

    /// Whether a state, as [`Self::state`] gave it, has the same items and deletions as are here, and the same waiting.
    ///
    /// Its bytes may differ. Where two authors insert at the same place, yrs cuts the item there; if the later insertion
    /// then goes elsewhere, the pieces lie side by side, and only a restored document joins them again.
    pub fn matches(&self, state: &Bytes) -> bool {
        let Ok(parts) = UpdateList::split(state) else {
            return false;
        };
        let Some((whole, waiting)) = parts.split_first() else {
            return false;
        };
        waiting == self.waiting() && holds_the_same(whole, &self.update())
    }

    /// The text of one root type, or of all that hold text, in the order of their names, a line break between them.
    pub fn text(&self, field: Option<&str>) -> String {
        view::text(&self.doc.transact(), field)
    }

    /// One root type as JSON, or an object of all root types.
    pub fn json(&self, field: Option<&str>) -> Value {
        view::json(&self.doc.transact(), field)
    }

    /// Whether every item of an update follows what is here, client by client, without a hole.
    fn is_ready(&self, inserted: &IdSet) -> bool {
        inserted.iter().all(|(client, ranges)| {
            let mut clock = self.clock(client.get());
            ranges.iter().all(|range| {
                let follows = range.start <= clock;
                clock = clock.max(range.end);
                follows
            })
        })
    }

    /// Whether any of an update is here already.
    fn is_begun(&self, inserted: &IdSet) -> bool {
        inserted.iter().any(|(client, ranges)| {
            let clock = self.clock(client.get());
            ranges.iter().any(|range| range.start < clock)
        })
    }

    /// The update without the items that are here already, if there are any in it.
    fn fresh_part(&self, payload: &[u8], inserted: &IdSet) -> Option<Bytes> {
        let have = self.is_begun(inserted).then(|| self.have())?;
        diff_updates_v1(payload, &have).ok().map(Bytes::from)
    }

    /// Integrates what it can of an update, lets the rest wait, and notes where the news begins.
    fn take_in(
        &mut self,
        payload: &[u8],
        update: Update,
        inserted: &IdSet,
        begins: &mut Begins,
    ) -> Result<Taken, ContentError> {
        let whole = self.is_ready(inserted);
        let (part, update) = if whole && !self.is_begun(inserted) {
            (Cow::Borrowed(payload), update)
        } else {
            let part = self.ready_part(payload)?;
            let update = decode_update(&part)?;
            (Cow::Owned(part), update)
        };
        sabotage::spring(Trap::Integrate, &part)?;
        let view = View::new(&self.doc, &self.clocks);
        let survey = self.nesting.survey(&part, self.nesting_max, &view);
        let survey = survey.map_err(refused)?;
        let structs = survey.structs;
        self.has_subdocuments |= survey.has_subdocuments;
        let overlooks = self.has_subdocuments || !survey.is_complete();
        let mut txn = self.doc.transact_mut();
        let applied = txn.apply_update(update);
        let unfinished = unfinished(&mut txn, payload);
        let news = !txn.insert_set().is_empty() || !txn.delete_set().is_empty();
        note_inserted(txn.insert_set(), &mut self.clocks, begins);
        if overlooks {
            subdocuments::overlook(&mut txn);
        }
        drop(txn);
        applied.map_err(|error| ContentError::Contradiction(error.to_string()))?;
        self.nesting
            .note(survey, &View::new(&self.doc, &self.clocks));
        self.doc_bytes += part.len() + structs * STRUCT_BYTES;
        let rest = if whole {
            unfinished
        } else {
            Some(Bytes::copy_from_slice(payload))
        };
        Ok(self.let_wait(rest, news))
    }

    /// The part of an update that follows what is here without a hole.
    fn ready_part(&self, payload: &[u8]) -> Result<Vec<u8>, ContentError> {
        cut::following(payload, |client| self.clock(client)).map_err(|error| undecodable(&error))
    }

    /// Keeps what could not be integrated of an update, if it may.
    fn let_wait(&mut self, rest: Option<Bytes>, news: bool) -> Taken {
        let let_go = rest
            .as_ref()
            .is_some_and(|rest| !self.waiting.may_insert(rest));
        let rest = rest.filter(|_| !let_go);
        let waits = rest.is_some();
        let new = rest.is_some_and(|rest| self.waiting.insert(rest));
        Taken {
            news: news || new,
            waits,
            let_go,
        }
    }

    /// Tries what waits again, until nothing more can be integrated.
    fn retry_waiting(&mut self, begins: &mut Begins) -> Result<bool, ContentError> {
        let mut news = false;
        let mut known = 0;
        while begins.0.len() > known {
            known = begins.0.len();
            for payload in self.waiting.take() {
                news |= self.retry(&payload, begins)?.news;
            }
        }
        Ok(news)
    }

    /// One that turns out not to fit the document waits no more: whoever brings what it waited for is not to blame.
    fn retry(&mut self, payload: &Bytes, begins: &mut Begins) -> Result<Taken, ContentError> {
        self.trying = Some(payload.clone());
        let taken = decode_update(payload).and_then(|update| {
            let inserted = update.insertions(true);
            self.take_in(payload, update, &inserted, begins)
        });
        match taken {
            Err(error) if error.breaks() => Err(error),
            taken => {
                self.trying = None;
                Ok(taken.unwrap_or_default())
            }
        }
    }

    /// What had waited and was being tried again when the content broke.
    pub(super) fn trying(&self) -> Option<&Bytes> {
        self.trying.as_ref()
    }

    fn clock(&self, client: u64) -> u32 {
        self.clocks.get(&client).copied().unwrap_or(0)
    }
}

/// What became of an update.
#[derive(Default)]
struct Taken {
    /// Whether anything is different now.
    news: bool,
    /// Whether it, or part of it, waits.
    waits: bool,
    /// Whether part of it should wait but was one too many.
    let_go: bool,
}

impl Drop for YjsContent {
    fn drop(&mut self) {
        if self.has_subdocuments {
            // Should the library fail, the memory stays taken, as it would have.
            let _ = alone(|| {
                subdocuments::release(&self.doc, &self.clocks);
                Ok(())
            });
        }
    }
}

impl Default for YjsContent {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for YjsContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YjsContent")
            .field("clients", &self.clocks.len())
            .field("waiting", &self.waiting)
            .finish()
    }
}

/// Decodes an update that fills its bytes exactly; yjs itself would ignore what follows, and so would hide damage.
fn decode_update(payload: &[u8]) -> Result<Update, ContentError> {
    let joined = join::joined(payload);
    let payload = joined.as_deref().unwrap_or(payload);
    let mut decoder = DecoderV1::new(Cursor::new(payload));
    let update = Update::decode(&mut decoder).map_err(|error| undecodable(&error))?;
    match decoder.read_u8() {
        Ok(_) => Err(ContentError::Undecodable(
            "bytes follow the update".to_owned(),
        )),
        Err(_) => Ok(update),
    }
}

/// Whether two updates have the same items and deletions. Mostly their bytes are the same, which costs far less to see.
fn holds_the_same(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let (Ok(one), Ok(other)) = (decode_update(one), decode_update(other)) else {
        return false;
    };
    one.insertions(true) == other.insertions(true) && one.delete_set() == other.delete_set()
}

/// Takes away what yrs could not integrate. Items wait as the whole raw update that they came in; deletions alone, which
/// every difference repeats in full, wait as just those that are left.
fn unfinished<T: WriteTxn>(txn: &mut T, payload: &[u8]) -> Option<Bytes> {
    let store = txn.store_mut();
    let items = store.pending_update().is_some();
    if !items && store.pending_ds().is_none() {
        return None;
    }
    let rest = txn.prune_pending()?;
    Some(if items {
        Bytes::copy_from_slice(payload)
    } else {
        rest.encode_v1().into()
    })
}

fn note_inserted(inserted: &IdSet, clocks: &mut BTreeMap<u64, u32>, begins: &mut Begins) {
    for (client, ranges) in inserted.iter() {
        let begin = ranges.iter().map(|range| range.start).min();
        let end = ranges.iter().map(|range| range.end).max();
        if let (Some(begin), Some(end)) = (begin, end) {
            let clock = clocks.entry(client.get()).or_default();
            *clock = (*clock).max(end);
            begins.0.push((client.get(), begin));
        }
    }
}

/// What the bounds of nesting need to know of the document.
struct View<'a> {
    doc: &'a Doc,
    clocks: &'a BTreeMap<u64, u32>,
    deleted: OnceCell<IdSet>,
}

impl<'a> View<'a> {
    fn new(doc: &'a Doc, clocks: &'a BTreeMap<u64, u32>) -> Self {
        Self {
            doc,
            clocks,
            deleted: OnceCell::new(),
        }
    }
}

impl Here for View<'_> {
    fn clock(&self, client: u64) -> u32 {
        self.clocks.get(&client).copied().unwrap_or(0)
    }

    /// Few updates ask for this, and all of it is looked at to answer.
    fn is_deleted(&self, id: Id) -> bool {
        let deleted = self
            .deleted
            .get_or_init(|| self.doc.transact().snapshot().delete_set);
        deleted.contains(&ID::new(ClientID::new(id.client), id.clock))
    }
}

/// The memory that an update comes to, in bytes.
fn estimate(update: &[u8]) -> Result<usize, ContentError> {
    let structs = structs::count(update).map_err(|error| undecodable(&error))?;
    Ok(update.len() + structs * STRUCT_BYTES)
}

fn refused(refusal: Refusal) -> ContentError {
    match refusal {
        Refusal::Malformed(error) => undecodable(&error),
        Refusal::TooDeep => ContentError::TooDeep,
        Refusal::NoParent(Id { client, clock }) => ContentError::Refused(format!(
            "{client}:{clock} holds an item and is no shared type"
        )),
    }
}

fn undecodable(error: &yrs::encoding::read::Error) -> ContentError {
    ContentError::Undecodable(error.to_string())
}

/// The server never writes through its own yrs documents, so all of them may share one client id.
const SERVER_CLIENT: ClientID = ClientID::new(0);
/// What yrs keeps of a struct besides its bytes, in bytes, estimated.
const STRUCT_BYTES: usize = 256;
/// How deep shared types may be nested in what was taken in once: deeper than what comes anew may be, because collected
/// types count in a log and not in a snapshot. Reading so many levels has to fit on any thread's stack.
const STORED_NESTING_MAX: u16 = 640;

/// An update of no items and no deletions.
pub(super) const NOTHING: &[u8] = &[0, 0];
/// The state vector of who has nothing.
pub(super) const HAVE_NOTHING: &[u8] = &[0];
/// No byte of an update comes to more memory than this: the shortest struct has two.
pub(super) const WEIGHT_PER_BYTE_MAX: usize = 256;
