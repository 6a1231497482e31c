//! A Yjs client's own document: what is typed into it comes out as updates, as from a browser.

use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    Any, ClientID, Doc, GetString, IdSet, Map, MapPrelim, OffsetKind, Options, ReadTxn,
    StateVector, Text, Transact, TransactionMut, Update, WriteTxn,
};

/// A client's document. It has one text, `text`, and one map, `map`.
pub(crate) struct Editor {
    doc: Doc,
}

impl Editor {
    pub(crate) fn new(client: u64) -> Self {
        let mut options = Options::with_guid_and_client_id("editor".into(), ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        options.cleanup_formatting = false;
        Self {
            doc: Doc::with_options(options),
        }
    }

    pub(crate) fn client(&self) -> u64 {
        self.doc.client_id().get()
    }

    /// Makes an edit and returns its update.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
        let mut txn = self.doc.transact_mut();
        edit(&mut txn);
        txn.commit();
        txn.encode_update_v1().into()
    }

    /// Types text before the UTF-16 unit `at`, or at the end.
    pub(crate) fn type_at(&self, at: u32, text: &str) -> Bytes {
        let at = self.boundary(at);
        self.edit(|txn| {
            let root = txn.get_or_insert_text("text");
            root.insert(txn, at, text);
        })
    }

    /// Types text at the end.
    pub(crate) fn append(&self, text: &str) -> Bytes {
        self.type_at(u32::MAX, text)
    }

    /// Erases some UTF-16 units, as far as there are so many.
    pub(crate) fn erase(&self, at: u32, length: u32) -> Bytes {
        let (at, end) = (self.boundary(at), self.boundary(at.saturating_add(length)));
        self.edit(|txn| {
            let root = txn.get_or_insert_text("text");
            root.remove_range(txn, at, end - at);
        })
    }

    /// Marks some UTF-16 units bold.
    pub(crate) fn embolden(&self, at: u32, length: u32) -> Bytes {
        let (at, end) = (self.boundary(at), self.boundary(at.saturating_add(length)));
        self.edit(|txn| {
            let root = txn.get_or_insert_text("text");
            let bold = [("bold".into(), Any::Bool(true))].into();
            root.format(txn, at, end - at, bold);
        })
    }

    /// The last place up to `at` where an editor would put its cursor: never within a surrogate pair.
    fn boundary(&self, at: u32) -> u32 {
        let mut boundary = 0;
        for character in self.text().chars() {
            let next = boundary + character.len_utf16() as u32;
            if next > at {
                break;
            }
            boundary = next;
        }
        boundary
    }

    /// Sets a key of the map to a map of its own, which is collected as garbage when the key is set again.
    pub(crate) fn nest(&self, key: &str, value: &str) -> Bytes {
        self.edit(|txn| {
            let root = txn.get_or_insert_map("map");
            let nested = root.insert(txn, key, MapPrelim::default());
            nested.insert(txn, "value", value);
            nested.insert(txn, "again", value);
        })
    }

    /// Removes a key of the map.
    pub(crate) fn unset(&self, key: &str) -> Bytes {
        self.edit(|txn| {
            let root = txn.get_or_insert_map("map");
            root.remove(txn, key);
        })
    }

    pub(crate) fn apply(&self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("only updates are sent to clients");
        self.doc
            .transact_mut()
            .apply_update(update)
            .expect("only good updates are sent to clients");
    }

    /// The state vector, encoded.
    pub(crate) fn have(&self) -> Bytes {
        self.doc.transact().state_vector().encode_v1().into()
    }

    /// All that a peer with this state vector lacks.
    pub(crate) fn missing_from(&self, have: &[u8]) -> Bytes {
        let have = StateVector::decode_v1(have).expect("only state vectors are asked with");
        self.doc.transact().encode_state_as_update_v1(&have).into()
    }

    /// Everything, as one update.
    pub(crate) fn everything(&self) -> Bytes {
        self.missing_from(&[0])
    }

    pub(crate) fn text(&self) -> String {
        let mut txn = self.doc.transact_mut();
        txn.get_or_insert_text("text").get_string(&txn)
    }

    /// Whether updates wait for others that never came.
    pub(crate) fn waits(&self) -> bool {
        self.doc.transact().has_missing_updates()
    }
}

/// What an update inserts; nothing if it is no update.
pub(crate) fn edits(update: &[u8]) -> IdSet {
    Update::decode_v1(update)
        .unwrap_or_default()
        .insertions(true)
}
