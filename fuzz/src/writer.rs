//! Writers as clients have them: what they do to their documents comes out as updates that are what they should be.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::{
    Change, ChangeKind, ConnectionId, Content, DocumentKey, Dot, Hlc, Kind, Order, ReplicaId,
    StoredChange, VectorClock,
};
use yrs::types::Attrs;
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{
    Any, Array, ArrayPrelim, ClientID, Doc, Map, MapPrelim, OffsetKind, Options, ReadTxn,
    StateVector, Text, Transact, TransactionMut, Update, WriteTxn, XmlElementPrelim, XmlFragment,
    XmlTextPrelim,
};

use crate::findings;
use crate::script::Script;

/// The ids of the writers of [`document`].
pub const CLIENTS: [u64; 3] = [1, 2, 3];

/// A writer's own document.
#[derive(Debug)]
pub struct Writer {
    doc: Doc,
}

impl Writer {
    /// A writer with an empty document.
    pub fn new(client: u64) -> Self {
        let mut options = Options::with_guid_and_client_id("writer".into(), ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        options.cleanup_formatting = false;
        Self {
            doc: Doc::with_options(options),
        }
    }

    /// Makes one edit, and gives its update.
    pub fn edit(&self, script: &mut Script<'_>) -> Bytes {
        let mut txn = self.doc.transact_mut();
        match script.below(10) {
            0..=2 => type_in(&mut txn, script),
            3 => erase(&mut txn, script),
            4 => format(&mut txn, script),
            5 => set_key(&mut txn, script),
            6 => nest(&mut txn, script),
            7 => push(&mut txn, script),
            8 => add_element(&mut txn, script),
            _ => add_bytes(&mut txn, script),
        }
        txn.commit();
        txn.encode_update_v1().into()
    }

    /// Takes in what the server sent.
    ///
    /// # Panics
    /// The server sent what is no update, or contradicts what writers made.
    pub fn hear(&self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("the server sends updates");
        let applied = self.doc.transact_mut().apply_update(update);
        applied.expect("what writers made does not contradict itself");
    }

    /// What the writer has.
    pub fn have(&self) -> Bytes {
        self.doc.transact().state_vector().encode_v1().into()
    }

    /// All that the writer has, in one update.
    pub fn everything(&self) -> Bytes {
        let txn = self.doc.transact();
        txn.encode_state_as_update_v1(&StateVector::default())
            .into()
    }
}

/// Content without anything in it.
///
/// # Panics
/// There is no engine for Yjs.
pub fn empty() -> Content {
    Content::new(Kind::Yjs).expect("documents of this kind are served")
}

/// Content with some of everything in it.
///
/// # Panics
/// Good updates are not taken in.
pub fn document() -> Content {
    static STATE: OnceLock<Bytes> = OnceLock::new();
    let state = STATE.get_or_init(|| {
        let mut content = empty();
        for update in history() {
            findings::expect(content.integrate(update));
        }
        findings::expect(content.state())
    });
    let mut content = empty();
    findings::expect(content.restore(state));
    content
}

/// The changes that [`document`] is made of.
///
/// # Panics
/// A document may not be called so.
pub fn log() -> Vec<StoredChange> {
    let key = DocumentKey::new("default", "fuzz").expect("the name is good");
    let changes = (1..).zip(history()).map(|(counter, update)| StoredChange {
        order: Order(counter),
        change: Change {
            document: key.clone(),
            dot: Dot::new(ReplicaId(1), counter),
            context: VectorClock::default(),
            hlc: Hlc::default(),
            author: None,
            connection: ConnectionId(1),
            kind: ChangeKind::YjsUpdate,
            payload: update.clone(),
        },
    });
    changes.collect()
}

/// The updates of three writers, who hear of each other now and then.
pub fn history() -> &'static [Bytes] {
    static HISTORY: OnceLock<Vec<Bytes>> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let writers = CLIENTS.map(Writer::new);
        let mut updates = Vec::new();
        for round in 0..ROUNDS {
            let writer = &writers[usize::from(round) % writers.len()];
            let update = writer.edit(&mut Script::new(&[round, round / 3, round.wrapping_mul(7)]));
            if round % 2 == 0 {
                writers.iter().for_each(|writer| writer.hear(&update));
            }
            updates.push(update);
        }
        updates
    })
}

fn type_in(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let text = txn.get_or_insert_text("text");
    let at = place(script, text.len(txn));
    let typed = script.one_of(&["a", "bc", "é", "\u{1f600}", "several words\n"]);
    text.insert(txn, at, typed);
}

fn erase(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let text = txn.get_or_insert_text("text");
    let (at, length) = range(script, text.len(txn));
    text.remove_range(txn, at, length);
}

fn format(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let text = txn.get_or_insert_text("text");
    let (at, length) = range(script, text.len(txn));
    let value = script.one_of(&[Some(true), Some(false), None]);
    let value = value.map_or(Any::Null, Any::Bool);
    let marks: Attrs = HashMap::from([(Arc::from("bold"), value)]);
    text.format(txn, at, length, marks);
}

fn set_key(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let map = txn.get_or_insert_map("map");
    let key = script.one_of(&["k", "l"]);
    match script.below(3) {
        0 => drop(map.remove(txn, key)),
        1 => drop(map.insert(txn, key, 5_i64)),
        _ => drop(map.insert(txn, key, "value")),
    }
}

fn nest(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let map = txn.get_or_insert_map("map");
    let key = script.one_of(&["k", "m"]);
    let inner: MapPrelim = [("in", Any::from("value"))].into_iter().collect();
    map.insert(txn, key, inner);
}

fn push(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let array = txn.get_or_insert_array("array");
    let at = place(script, array.len(txn));
    match script.below(3) {
        0 if at < array.len(txn) => array.remove(txn, at),
        1 => drop(array.insert(txn, at, ArrayPrelim::from([1_i64, 2]))),
        _ => drop(array.insert(txn, at, Any::from(1.5))),
    }
}

fn add_element(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let xml = txn.get_or_insert_xml_fragment("xml");
    let at = place(script, xml.len(txn));
    let words = XmlTextPrelim::new("words");
    xml.insert(txn, at, XmlElementPrelim::new("p", [words.into()]));
}

fn add_bytes(txn: &mut TransactionMut<'_>, script: &mut Script<'_>) {
    let map = txn.get_or_insert_map("map");
    map.insert(txn, "bytes", Any::Buffer([script.byte()].into()));
}

fn place(script: &mut Script<'_>, length: u32) -> u32 {
    u32::from(script.byte()) % (length + 1)
}

fn range(script: &mut Script<'_>, length: u32) -> (u32, u32) {
    let at = place(script, length);
    (at, place(script, length - at))
}

const ROUNDS: u8 = 30;
