//! What the benchmarks work on: a text of a thousand characters with many authors, and a recorded writing session.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

use bytes::Bytes;
use engine::{Content, Kind};
use flate2::read::GzDecoder;
use serde_json::Value;
use yrs::updates::decoder::Decode;
use yrs::{
    ClientID, Doc, OffsetKind, Options, Text, Transact, TransactionMut, Update, WriteTxn,
    merge_updates_v1,
};

/// A text of a thousand characters, as its author sends it.
pub(crate) static START: LazyLock<Bytes> = LazyLock::new(|| {
    let first = Author::new(1);
    first.edit(|txn| {
        let text = txn.get_or_insert_text(TEXT);
        text.insert(txn, 0, &"lorem ipsum ".repeat(100)[..START_CHARACTERS]);
    })
});

/// All keystrokes of the recorded session `automerge-paper`, each an update.
pub(crate) static PAPER: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let author = Author::new(7);
    let keystrokes = recorded("automerge-paper");
    keystrokes.iter().map(|each| author.replay(each)).collect()
});

/// That session as one update.
pub(crate) static WHOLE_PAPER: LazyLock<Bytes> = LazyLock::new(|| {
    let content = Content::new(Kind::Yjs).expect("it is served");
    let mut content = content;
    for update in PAPER.iter() {
        content.integrate(update).expect("it follows");
    }
    content.update().expect("it can be written")
});

/// Somebody who edits a text.
pub(crate) struct Author {
    doc: Doc,
    dice: u64,
}

impl Author {
    /// One who has nothing yet, and writes under this number.
    pub(crate) fn new(client: u64) -> Self {
        let mut options = Options::with_guid_and_client_id("author".into(), ClientID::new(client));
        options.offset_kind = OffsetKind::Utf16;
        Self {
            doc: Doc::with_options(options),
            dice: client.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// One who has this much.
    pub(crate) fn with(client: u64, update: &[u8]) -> Self {
        let author = Self::new(client);
        let update = Update::decode_v1(update).expect("an update");
        author
            .edit_with(|txn| txn.apply_update(update))
            .expect("it fits");
        author
    }

    /// Types one character somewhere.
    pub(crate) fn keystroke(&mut self) -> Bytes {
        let dice = self.roll();
        self.edit(|txn| {
            let text = txn.get_or_insert_text(TEXT);
            let at = dice % (text.len(txn) + 1);
            text.insert(txn, at, "x");
        })
    }

    /// Types so many, one after the other.
    pub(crate) fn keystrokes(&mut self, count: usize) -> Vec<Bytes> {
        (0..count).map(|_| self.keystroke()).collect()
    }

    fn replay(&self, patches: &[(u32, u32, String)]) -> Bytes {
        self.edit(|txn| {
            let text = txn.get_or_insert_text(TEXT);
            for (at, erased, typed) in patches {
                text.remove_range(txn, *at, *erased);
                text.insert(txn, *at, typed);
            }
        })
    }

    fn edit(&self, edit: impl FnOnce(&mut TransactionMut<'_>)) -> Bytes {
        let mut txn = self.doc.transact_mut();
        edit(&mut txn);
        txn.commit();
        txn.encode_update_v1().into()
    }

    fn edit_with<T>(&self, edit: impl FnOnce(&mut TransactionMut<'_>) -> T) -> T {
        edit(&mut self.doc.transact_mut())
    }

    /// The next number of a xorshift generator: the same keystrokes in every run.
    fn roll(&mut self) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) as u32
    }
}

/// Content that holds this much.
pub(crate) fn content(update: &[u8]) -> Content {
    let mut content = Content::new(Kind::Yjs).expect("it is served");
    content.integrate(update).expect("an update");
    content
}

/// One keystroke in [`START`] by each of so many authors.
pub(crate) fn one_keystroke_each(authors: u64) -> Vec<Bytes> {
    (0..authors)
        .map(|number| Author::with(client(number), &START).keystroke())
        .collect()
}

/// Several updates as one, as a client would merge them.
pub(crate) fn merged(updates: &[Bytes]) -> Bytes {
    merge_updates_v1(updates).expect("updates").into()
}

/// An author's number: as large as those that browsers draw.
pub(crate) fn client(number: u64) -> u64 {
    3_000_000_000 + number * 1_001
}

/// A recorded session (`docs/testing.md`): place, what was erased and what was typed, one keystroke after the other.
fn recorded(name: &str) -> Vec<Vec<(u32, u32, String)>> {
    let beside = || {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/editing-traces"
        ))
    };
    let folder = env::var_os("QUIRE_TRACES").map_or_else(beside, PathBuf::from);
    let path = folder.join(format!("{name}.json.gz"));
    let file = File::open(&path).unwrap_or_else(|_| panic!("no trace in {}", path.display()));
    let value: Value = serde_json::from_reader(GzDecoder::new(file)).expect("a trace is JSON");
    let patch = |patch: &Value| -> Option<_> {
        let number = |at: usize| u32::try_from(patch[at].as_u64()?).ok();
        Some((number(0)?, number(1)?, patch[2].as_str()?.to_owned()))
    };
    let keystroke = |txn: &Value| -> Option<_> {
        let patches = txn["patches"].as_array()?;
        patches.iter().map(patch).collect()
    };
    let txns = value["txns"].as_array().expect("a trace has txns");
    txns.iter()
        .map(|txn| keystroke(txn).expect("patches have three parts"))
        .collect()
}

const TEXT: &str = "text";
const START_CHARACTERS: usize = 1_000;
