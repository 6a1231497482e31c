//! A Yjs client's own document, made with yrs: what is typed into it comes out as updates, as from a browser.
//!
//! It has one text, `text`, and one map, `map`, and counts places in UTF-16 units, as Yjs does.

use anyhow::Result;
use bytes::Bytes;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    ClientID, Doc, GetString, IdSet, Map, OffsetKind, Options, ReadTxn, StateVector, Text,
    Transact, TransactionMut, Update, WriteTxn,
};

/// A client's document. A clone is the same document once more.
#[derive(Clone, Debug)]
pub struct Editor {
    doc: Doc,
}

impl Editor {
    /// An empty document, whose edits carry this client number.
    pub fn new(client: u64) -> Self {
        let mut options = Options::with_guid_and_client_id("editor".into(), ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        // As yjs: marks that nobody deleted stay.
        options.cleanup_formatting = false;
        Self {
            doc: Doc::with_options(options),
        }
    }

    /// The client number.
    pub fn client(&self) -> u64 {
        self.doc.client_id().get()
    }

    /// Types text before a UTF-16 unit, or at the end if there are fewer, and returns the update.
    pub fn type_at(&self, at: u32, text: &str) -> Bytes {
        self.replace(at, 0, text)
    }

    /// Types text at the end.
    pub fn append(&self, text: &str) -> Bytes {
        self.type_at(u32::MAX, text)
    }

    /// Erases UTF-16 units and types text in their place, in one transaction.
    pub fn replace(&self, at: u32, erased: u32, typed: &str) -> Bytes {
        self.replace_all([(at, erased, typed)])
    }

    /// Replaces at several places, one after the other, in one transaction.
    pub fn replace_all<'a>(&self, patches: impl IntoIterator<Item = (u32, u32, &'a str)>) -> Bytes {
        self.edit(|txn| {
            let root = txn.get_or_insert_text(TEXT);
            for (at, erased, typed) in patches {
                let at = at.min(root.len(txn));
                if erased > 0 {
                    root.remove_range(txn, at, erased);
                }
                if !typed.is_empty() {
                    root.insert(txn, at, typed);
                }
            }
        })
    }

    /// Sets a key of the map.
    pub fn set(&self, key: &str, value: &str) -> Bytes {
        self.edit(|txn| {
            let root = txn.get_or_insert_map(MAP);
            root.insert(txn, key, value);
        })
    }

    /// Takes somebody's update.
    ///
    /// # Errors
    /// It is none.
    pub fn apply(&self, update: &[u8]) -> Result<()> {
        let update = Update::decode_v1(update)?;
        Ok(self.doc.transact_mut().apply_update(update)?)
    }

    /// Takes an update that leaves no hole and waits for nothing; false if this is none, and is to be tried again later. yrs
    /// writes wrong clocks once it has something that waits (`docs/decisions/0002-yrs-and-yjs.md`); yjs does not.
    ///
    /// # Errors
    /// It is no update.
    pub fn take_whole(&self, update: &[u8]) -> Result<bool> {
        let update = Update::decode_v1(update)?;
        let mut txn = self.doc.transact_mut();
        if !follows(&update.insertions(true), &txn.state_vector()) {
            return Ok(false);
        }
        txn.apply_update(update)?;
        Ok(txn.prune_pending().is_none())
    }

    /// The state vector, encoded.
    pub fn have(&self) -> Bytes {
        self.doc.transact().state_vector().encode_v1().into()
    }

    /// All that a peer with this state vector lacks.
    ///
    /// # Errors
    /// It is no state vector.
    pub fn missing_from(&self, have: &[u8]) -> Result<Bytes> {
        let have = StateVector::decode_v1(have)?;
        Ok(self.doc.transact().encode_state_as_update_v1(&have).into())
    }

    /// Everything, as one update.
    pub fn everything(&self) -> Bytes {
        self.doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default())
            .into()
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut txn = self.doc.transact_mut();
        txn.get_or_insert_text(TEXT).get_string(&txn)
    }

    /// The keys of the map.
    pub fn keys(&self) -> Vec<String> {
        let mut txn = self.doc.transact_mut();
        let map = txn.get_or_insert_map(MAP);
        map.keys(&txn).map(str::to_owned).collect()
    }

    /// What a key of the map is set to, if it is set to a string.
    pub fn value(&self, key: &str) -> Option<String> {
        let mut txn = self.doc.transact_mut();
        let map = txn.get_or_insert_map(MAP);
        map.get_as(&txn, key).ok()
    }

    /// Whether updates wait for others that never came.
    pub fn waits(&self) -> bool {
        self.doc.transact().has_missing_updates()
    }

    /// Reads within one transaction.
    pub fn read<T>(&self, read: impl FnOnce(&mut TransactionMut<'_>) -> T) -> T {
        read(&mut self.doc.transact_mut())
    }

    /// Edits in one transaction, and returns the update.
    pub fn edit(&self, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
        let mut txn = self.doc.transact_mut();
        edit(&mut txn);
        txn.commit();
        txn.encode_update_v1().into()
    }
}

/// Whether units follow what is here, client by client, without a hole.
fn follows(units: &IdSet, here: &StateVector) -> bool {
    units.iter().all(|(client, ranges)| {
        let mut clock = here.get(client);
        ranges.iter().all(|range| {
            let follows = range.start <= clock;
            clock = clock.max(range.end);
            follows
        })
    })
}

const TEXT: &str = "text";
const MAP: &str = "map";
