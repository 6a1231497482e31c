//! How a simulated client edits a Yjs document, and how that is read.
//!
//! Every document has a text, a map, a list and a tree of elements, and all clients know their names and types.

use bytes::Bytes;
use serde_json::Value;
use yrs::types::ToJson;
use yrs::{
    Any, Array, Doc, GetString, Map, MapPrelim, Options, Text, TransactionMut, WriteTxn,
    XmlElementPrelim, XmlFragment,
};

use super::plan::Edit;
use crate::editor::Editor;

/// Makes an edit and returns its update.
pub(super) fn make(editor: &Editor, edit: &Edit) -> Bytes {
    match edit {
        Edit::Repeat => editor.everything(),
        Edit::Withhold { text } => {
            editor.append(text);
            editor.append(text)
        }
        Edit::Type { .. } | Edit::Erase { .. } | Edit::Format { .. } => edit_text(editor, edit),
        _ => editor.edit(|txn| change(txn, edit)),
    }
}

/// What is seen of a document, root by root. Empty ones are left out: who has never used one may not know its type.
pub(super) fn view(read: impl Fn(&str) -> Value) -> Value {
    let roots = ROOTS
        .iter()
        .map(|name| ((*name).to_owned(), read(name)))
        .filter(|(_, value)| !is_empty(value));
    Value::Object(roots.collect())
}

/// What a client sees.
pub(super) fn seen_by(editor: &Editor) -> Value {
    let json = |any: Any| serde_json::to_value(any).unwrap_or_default();
    editor.read(|txn| {
        let (text, map) = (txn.get_or_insert_text(TEXT), txn.get_or_insert_map(MAP));
        let (list, tree) = (
            txn.get_or_insert_array(LIST),
            txn.get_or_insert_xml_fragment(TREE),
        );
        view(|name| match name {
            TEXT => text.get_string(txn).into(),
            MAP => json(map.to_json(txn)),
            LIST => json(list.to_json(txn)),
            _ => tree.get_string(txn).into(),
        })
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An editor never puts its cursor within a surrogate pair, so neither does this.
fn edit_text(editor: &Editor, edit: &Edit) -> Bytes {
    let text = editor.text();
    match edit {
        Edit::Type { at, text: typed } => editor.type_at(boundary(&text, *at), typed),
        Edit::Erase { at, length } => {
            let (from, to) = span(&text, *at, *length);
            editor.replace(from, to - from, "")
        }
        Edit::Format { at, length, bold } => {
            let (from, to) = span(&text, *at, *length);
            let bold = if *bold { Any::Bool(true) } else { Any::Null };
            editor.edit(|txn| {
                let root = txn.get_or_insert_text(TEXT);
                root.format(txn, from, to - from, [("bold".into(), bold)].into());
            })
        }
        _ => Bytes::from_static(&[0, 0]),
    }
}

/// The places where some UTF-16 units begin and end, as far as there are so many.
pub(super) fn span(text: &str, at: u32, length: u32) -> (u32, u32) {
    (
        boundary(text, at),
        boundary(text, at.saturating_add(length)),
    )
}

fn boundary(text: &str, at: u32) -> u32 {
    let mut boundary = 0;
    for character in text.chars() {
        let next = boundary + character.len_utf16() as u32;
        if next > at {
            break;
        }
        boundary = next;
    }
    boundary
}

fn change(txn: &mut TransactionMut<'_>, edit: &Edit) {
    match edit {
        Edit::Set { key, value } => {
            let root = txn.get_or_insert_map(MAP);
            root.insert(txn, key.as_str(), f64::from(*value));
        }
        Edit::Unset { key } => {
            let root = txn.get_or_insert_map(MAP);
            root.remove(txn, key);
        }
        Edit::Nest { key } => nest(txn, key),
        Edit::Embed { key } => embed(txn, key),
        Edit::Insert { at, value } => {
            let root = txn.get_or_insert_array(LIST);
            let at = (*at).min(root.len(txn));
            root.insert(txn, at, f64::from(*value));
        }
        Edit::Remove { at, length } => {
            let root = txn.get_or_insert_array(LIST);
            let from = (*at).min(root.len(txn));
            let length = (*length).min(root.len(txn) - from);
            if length > 0 {
                root.remove_range(txn, from, length);
            }
        }
        Edit::Grow { at } => {
            let root = txn.get_or_insert_xml_fragment(TREE);
            let at = (*at).min(root.len(txn));
            root.insert(txn, at, XmlElementPrelim::empty("p"));
        }
        _ => {}
    }
}

/// What is nested is collected as garbage when its key is set again.
fn nest(txn: &mut TransactionMut<'_>, key: &str) {
    let root = txn.get_or_insert_map(MAP);
    let nested = root.insert(txn, key, MapPrelim::default());
    nested.insert(txn, "value", "one");
    nested.insert(txn, "again", "two");
}

fn embed(txn: &mut TransactionMut<'_>, key: &str) {
    let root = txn.get_or_insert_map(MAP);
    let options =
        Options::with_guid_and_client_id(format!("sub-{key}").into(), yrs::ClientID::new(1));
    root.insert(txn, key, Doc::with_options(options));
}

const TEXT: &str = "text";
const MAP: &str = "map";
const LIST: &str = "list";
const TREE: &str = "tree";
const ROOTS: [&str; 4] = [TEXT, MAP, LIST, TREE];
