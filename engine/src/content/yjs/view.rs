//! How a Yjs document reads as text and as JSON, without being told what its root types are.
//!
//! A root type that arrived from a client carries no type of its own: only the application knows whether "notes" is a
//! text or a list. What it holds tells them apart: characters make it a text, XML nodes a fragment, other items a list,
//! and keys alone a map. This reads the document only; it never declares a root type, which would change it.

use serde_json::{Map as JsonMap, Value};
use yrs::branch::BranchPtr;
use yrs::types::ToJson;
use yrs::{
    Any, Array, ArrayRef, GetString, Map, MapRef, Out, ReadTxn, TextRef, XmlFragmentRef, XmlTextRef,
};

/// The text of one field, or of all fields that hold text, in the order of their names.
pub(super) fn text<T: ReadTxn>(txn: &T, field: Option<&str>) -> String {
    match field {
        Some(name) => txn
            .get(name)
            .and_then(|root| text_of(txn, root))
            .unwrap_or_default(),
        None => {
            let texts: Vec<_> = roots(txn)
                .into_iter()
                .filter_map(|(_, root)| text_of(txn, root))
                .collect();
            texts.join("\n")
        }
    }
}

/// One field as JSON (null if there is none), or an object of all fields.
pub(super) fn json<T: ReadTxn>(txn: &T, field: Option<&str>) -> Value {
    match field {
        Some(name) => txn.get(name).map_or(Value::Null, |root| json_of(txn, root)),
        None => {
            let fields = roots(txn)
                .into_iter()
                .map(|(name, root)| (name.to_owned(), json_of(txn, root)));
            Value::Object(fields.collect::<JsonMap<_, _>>())
        }
    }
}

fn roots<T: ReadTxn>(txn: &T) -> Vec<(&str, Out)> {
    let mut roots: Vec<_> = txn.root_refs().collect();
    roots.sort_by_key(|(name, _)| *name);
    roots
}

fn text_of<T: ReadTxn>(txn: &T, root: Out) -> Option<String> {
    match typed(txn, root) {
        Out::YText(text) => Some(text.get_string(txn)),
        Out::YXmlText(text) => Some(text.get_string(txn)),
        Out::YXmlFragment(fragment) => Some(fragment.get_string(txn)),
        _ => None,
    }
}

fn json_of<T: ReadTxn>(txn: &T, root: Out) -> Value {
    let any = typed(txn, root).to_json(txn);
    serde_json::to_value(&any).unwrap_or(Value::Null)
}

/// Gives an untyped root the type that its items suggest.
fn typed<T: ReadTxn>(txn: &T, root: Out) -> Out {
    match root {
        Out::UndefinedRef(branch) => infer(txn, branch),
        known => known,
    }
}

fn infer<T: ReadTxn>(txn: &T, branch: BranchPtr) -> Out {
    let has_keys = MapRef::from(branch).len(txn) > 0;
    let has_characters = !TextRef::from(branch).get_string(txn).is_empty();
    let first_item = ArrayRef::from(branch).iter(txn).next();
    match (first_item, has_characters, has_keys) {
        (Some(Out::YXmlElement(_) | Out::YXmlText(_) | Out::YXmlFragment(_)), _, _) => {
            Out::YXmlFragment(XmlFragmentRef::from(branch))
        }
        (_, true, true) => Out::YXmlText(XmlTextRef::from(branch)),
        (_, true, false) => Out::YText(TextRef::from(branch)),
        (Some(_), false, _) => Out::YArray(ArrayRef::from(branch)),
        (None, false, true) => Out::YMap(MapRef::from(branch)),
        (None, false, false) => Out::Any(Any::Null),
    }
}
