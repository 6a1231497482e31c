//! A page as automerge-repo's is: it synchronises with the library's own protocol, whenever it has connected, has changed its
//! document, or has heard something.

use std::sync::OnceLock;

use automerge::marks::{ExpandMark, Mark};
use automerge::sync::{self, SyncDoc};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{
    ActorId, Automerge, AutomergeError, Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue,
    TextEncoding,
};
use bytes::Bytes;
use protocol::automerge::{ChangeHash, DocumentId, Message, Said, decode};

use super::checks::{Check, Found, Violation};
use super::client::Page;
use super::edits::span;
use super::form::Form;
use super::pieces::Pieces;
use super::plan::Edit;
use crate::automerge::{id, offer, said_by};

/// A page with an Automerge document. It has a text, a map, a list and a counter, since somebody first edited it: all clients
/// begin with the same change.
#[derive(Debug)]
pub(super) struct AutomergePage {
    name: String,
    document: DocumentId,
    doc: Automerge,
    /// What is known of the server: over one connection, and of that what both had, for the next one.
    state: sync::State,
    is_connected: bool,
}

impl AutomergePage {
    pub(super) fn new(number: u64, document: usize) -> Self {
        Self {
            name: format!("page-{number}"),
            document: self::document(document),
            doc: written_by(&number.to_be_bytes()),
            state: sync::State::new(),
            is_connected: false,
        }
    }

    /// What the protocol has it say now, if anything.
    fn news(&mut self) -> Vec<Bytes> {
        let message = match self.is_connected {
            true => self.doc.generate_sync_message(&mut self.state),
            false => None,
        };
        let said = message.map(|message| self.said(message.encode().into()));
        said.into_iter().collect()
    }

    /// Who has nothing asks for the document.
    fn said(&self, data: Bytes) -> Bytes {
        let said = match self.doc.get_heads().is_empty() {
            true => Said::Request(data),
            false => Said::Sync(data),
        };
        said_by(&self.name, &self.document, said)
    }

    /// Sends some changes past the protocol, which takes no note of it.
    fn send(&self, changes: &[Change]) -> Vec<Bytes> {
        let chunks = changes
            .iter()
            .map(|change| Bytes::copy_from_slice(change.raw_bytes()));
        let mut message = offer(chunks.collect());
        let heads = self.doc.get_heads().into_iter();
        message.heads = heads.map(|head| ChangeHash(head.0)).collect();
        vec![self.said(message.write())]
    }

    /// Makes one change, if there is anything to change.
    fn write(&mut self, edit: &Edit) {
        if self.doc.get_heads().is_empty() {
            let founded = self.doc.apply_changes([founding().clone()]);
            founded.expect("the first change builds on nothing");
        }
        let mut txn = self.doc.transaction();
        change(&mut txn, edit).expect("what is edited is there");
        txn.commit_with(without_time());
    }

    fn changes(&self) -> Vec<Change> {
        self.doc.get_changes(&[])
    }
}

impl Page for AutomergePage {
    fn connected(&mut self) -> Vec<Bytes> {
        self.is_connected = true;
        let kept = sync::State::decode(&self.state.encode());
        self.state = kept.expect("it was just written");
        self.news()
    }

    fn disconnected(&mut self) {
        self.is_connected = false;
    }

    fn edit(&mut self, edit: &Edit) -> Vec<Bytes> {
        match edit {
            Edit::Repeat => return self.send(&self.changes()),
            Edit::Withhold { text } => {
                let text = text.clone();
                let typing = Edit::Type { at: 0, text };
                self.write(&typing);
                self.write(&typing);
                let last = self.doc.get_last_local_change();
                return self.send(&last.into_iter().collect::<Vec<_>>());
            }
            _ => self.write(edit),
        }
        self.news()
    }

    fn take(&mut self, frame: &[u8], _: u64) -> Found<Vec<Bytes>> {
        let message = decode(&Bytes::copy_from_slice(frame));
        let message = message.map_err(|fault| Check::Alarms.failed(fault.to_string()))?;
        let Message::Document {
            said: Said::Sync(data),
            ..
        } = message
        else {
            return Ok(Vec::new());
        };
        let message = sync::Message::decode(&data);
        let message = message.map_err(|error| Check::Alarms.failed(error.to_string()))?;
        let taken = self.doc.receive_sync_message(&mut self.state, message);
        taken.map_err(|error| disagrees(&error))?;
        Ok(self.news())
    }

    fn everything(&self) -> Bytes {
        let changes = self.changes();
        let chunks = changes.iter().map(Change::raw_bytes);
        chunks.collect::<Vec<_>>().concat().into()
    }

    fn take_everything(&mut self, everything: Bytes) -> Found<Vec<Bytes>> {
        let taken = self.doc.load_incremental(&everything);
        taken.map_err(|error| disagrees(&error))?;
        Ok(self.news())
    }

    fn tick(&mut self, _: u64) -> Vec<Bytes> {
        Vec::new()
    }

    fn waits(&self) -> bool {
        !self.doc.get_missing_deps(&[]).is_empty()
    }

    fn is_told_the_same(&self) -> Option<bool> {
        let mut told = self.state.their_heads.clone()?;
        told.sort_unstable();
        let mut heads = self.doc.get_heads();
        heads.sort_unstable();
        Some(told == heads)
    }

    fn own_edits(&self) -> Pieces {
        let changes = self.changes().into_iter();
        let own = changes.filter(|change| change.actor_id() == self.doc.get_actor());
        own.map(|change| ChangeHash(change.hash().0)).collect()
    }

    fn form(&self) -> Found<Form> {
        Form::of_automerge(&self.doc)
    }

    fn others(&self) -> Option<Vec<u64>> {
        None
    }
}

fn disagrees(error: &AutomergeError) -> Violation {
    Check::Agreement.failed(error.to_string())
}

/// The address of a document.
pub(super) fn document(number: usize) -> DocumentId {
    id(number as u8)
}

/// An empty document whose changes carry this actor. Places are counted in UTF-16 units, as in JavaScript.
pub(super) fn written_by(actor: &[u8]) -> Automerge {
    Automerge::new_with_encoding(TextEncoding::Utf16CodeUnit).with_actor(ActorId::from(actor))
}

/// Changes are the same each time.
pub(super) fn without_time() -> CommitOptions {
    CommitOptions::default().with_time(0)
}

/// The change that every document begins with, whoever edits it first.
fn founding() -> &'static Change {
    static FOUNDING: OnceLock<Change> = OnceLock::new();
    FOUNDING.get_or_init(|| {
        let mut doc = written_by(&[0]);
        let mut txn = doc.transaction();
        let objects = [
            (TEXT, ObjType::Text),
            (MAP, ObjType::Map),
            (LIST, ObjType::List),
        ];
        for (name, kind) in objects {
            let made = txn.put_object(ROOT, name, kind);
            made.expect("there is a root");
        }
        let counted = txn.put(ROOT, COUNT, ScalarValue::counter(0));
        counted.expect("there is a root");
        txn.commit_with(without_time());
        doc.get_last_local_change().expect("it was just made")
    })
}

fn change(txn: &mut Transaction<'_>, edit: &Edit) -> Result<(), AutomergeError> {
    let object = |txn: &Transaction<'_>, name: &str| match txn.get(ROOT, name) {
        Ok(Some((_, id))) => id,
        _ => ROOT,
    };
    let (text, map, list) = (object(txn, TEXT), object(txn, MAP), object(txn, LIST));
    let items = txn.length(&list);
    match edit {
        Edit::Type { .. } | Edit::Erase { .. } | Edit::Format { .. } => {
            change_text(txn, &text, edit)
        }
        Edit::Set { key, value } => txn.put(&map, key.as_str(), i64::from(*value)),
        Edit::Unset { key } => txn.delete(&map, key.as_str()),
        Edit::Nest { key } | Edit::Embed { key } => {
            let nested = txn.put_object(&map, key.as_str(), ObjType::Map)?;
            txn.put(&nested, "value", "one")
        }
        Edit::Insert { at, value } => {
            let at = items.min(*at as usize);
            txn.insert(&list, at, i64::from(*value))
        }
        Edit::Remove { at, length } => {
            let from = items.min(*at as usize);
            let length = (items - from).min(*length as usize);
            txn.splice(&list, from, length as isize, Vec::<ScalarValue>::new())
        }
        Edit::Grow { at } => txn.increment(ROOT, COUNT, i64::from(*at)),
        Edit::Withhold { .. } | Edit::Repeat => Ok(()),
    }
}

fn change_text(txn: &mut Transaction<'_>, id: &ObjId, edit: &Edit) -> Result<(), AutomergeError> {
    let text = txn.text(id)?;
    let place = |at: u32, length: u32| {
        let (from, to) = span(&text, at, length);
        (from as usize, to as usize)
    };
    match edit {
        Edit::Type { at, text } => txn.splice_text(id, place(*at, 0).0, 0, text),
        Edit::Erase { at, length } => {
            let (from, to) = place(*at, *length);
            txn.splice_text(id, from, (to - from) as isize, "")
        }
        Edit::Format { at, length, bold } => {
            let (from, to) = place(*at, *length);
            if from == to {
                return Ok(());
            }
            let mark = Mark::new("bold".to_owned(), *bold, from, to);
            txn.mark(id, mark, ExpandMark::After)
        }
        _ => Ok(()),
    }
}

const TEXT: &str = "text";
const MAP: &str = "map";
const LIST: &str = "list";
const COUNT: &str = "count";
