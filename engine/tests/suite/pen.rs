//! An Automerge client's own document: what is written into it comes out as changes, as from a browser.

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{
    ActorId, AutoCommit, AutoSerde, Change, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue,
    TextEncoding, Value,
};
use bytes::Bytes;

/// A client's document. It has a text `text`, a list `list`, a map `map` and a counter `count`, once it was founded.
pub(crate) struct Pen {
    doc: AutoCommit,
}

impl Pen {
    pub(crate) fn new(actor: u8) -> Self {
        let mut doc = AutoCommit::new_with_encoding(TextEncoding::Utf16CodeUnit);
        doc.set_actor(ActorId::from([actor; 4].as_slice()));
        Self { doc }
    }

    /// A pen and the change that makes the document what it is.
    pub(crate) fn founder(actor: u8) -> (Self, Bytes) {
        let mut pen = Self::new(actor);
        let founded = pen.edit(|doc| {
            doc.put_object(ROOT, "text", ObjType::Text).unwrap();
            doc.put_object(ROOT, "list", ObjType::List).unwrap();
            doc.put_object(ROOT, "map", ObjType::Map).unwrap();
            doc.put(ROOT, "count", ScalarValue::counter(0)).unwrap();
        });
        (pen, founded)
    }

    /// Makes one change, and returns its chunk.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut AutoCommit)) -> Bytes {
        let before = self.heads();
        edit(&mut self.doc);
        let options = CommitOptions::default().with_time(0);
        if self.doc.pending_ops() == 0 {
            self.doc.empty_change(options);
        } else {
            self.doc.commit_with(options);
        }
        chunks(self.doc.get_changes(&before))
    }

    pub(crate) fn object(&self, field: &str) -> ObjId {
        match self.doc.get(ROOT, field) {
            Ok(Some((Value::Object(_), id))) => id,
            other => panic!("{field} is no object but {other:?}"),
        }
    }

    /// Types before the UTF-16 unit `at`.
    pub(crate) fn type_at(&mut self, at: usize, text: &str) -> Bytes {
        let (id, at) = (self.object("text"), self.boundary(at));
        self.edit(|doc| doc.splice_text(&id, at, 0, text).unwrap())
    }

    /// Erases some UTF-16 units, as far as there are so many.
    pub(crate) fn erase(&mut self, at: usize, length: usize) -> Bytes {
        let id = self.object("text");
        let (at, end) = (self.boundary(at), self.boundary(at + length));
        self.edit(|doc| doc.splice_text(&id, at, (end - at) as isize, "").unwrap())
    }

    /// Marks some UTF-16 units bold.
    pub(crate) fn embolden(&mut self, at: usize, length: usize) -> Bytes {
        let id = self.object("text");
        let (at, end) = (self.boundary(at), self.boundary(at + length));
        self.edit(|doc| {
            if at < end {
                let bold = Mark::new("bold".to_owned(), true, at, end);
                doc.mark(&id, bold, ExpandMark::After).unwrap();
            }
        })
    }

    /// The last place up to `at` that is not within a surrogate pair.
    fn boundary(&self, at: usize) -> usize {
        let text = self.text();
        let ends = text.chars().scan(0, |end, character| {
            *end += character.len_utf16();
            Some(*end)
        });
        ends.take_while(|end| *end <= at).last().unwrap_or(0)
    }

    pub(crate) fn apply(&mut self, payload: &[u8]) {
        let taken = self.doc.load_incremental(payload);
        taken.expect("only good changes are sent to clients");
    }

    pub(crate) fn heads(&mut self) -> Vec<ChangeHash> {
        let mut heads = self.doc.get_heads();
        heads.sort_unstable();
        heads
    }

    /// The heads, as the engine tells them.
    pub(crate) fn have(&mut self) -> Bytes {
        self.heads().iter().flat_map(|head| head.0).collect()
    }

    /// All that another lacks.
    pub(crate) fn missing_from(&mut self, other: &mut Self) -> Bytes {
        chunks(other.doc.get_changes_added(&mut self.doc))
    }

    /// All that somebody lacks who has these heads, as the engine tells them.
    pub(crate) fn beyond(&mut self, have: &[u8]) -> Bytes {
        let heads = have
            .chunks(32)
            .map(|head| ChangeHash(head.try_into().unwrap()));
        let known = heads.filter(|head| self.doc.get_change_by_hash(head).is_some());
        let known: Vec<_> = known.collect();
        chunks(self.doc.get_changes(&known))
    }

    pub(crate) fn text(&self) -> String {
        self.doc.text(self.object("text")).unwrap()
    }

    /// The document as the library itself writes it as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(AutoSerde::from(&self.doc)).unwrap()
    }
}

/// Changes as a client sends them: deflated where that is shorter.
fn chunks(changes: Vec<Change>) -> Bytes {
    let mut changes = changes.into_iter();
    let all = changes.try_fold(Vec::new(), |mut all, mut change| {
        all.extend_from_slice(&change.bytes());
        Some(all)
    });
    all.unwrap_or_default().into()
}
