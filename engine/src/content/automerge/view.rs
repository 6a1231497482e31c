//! How an Automerge document reads as text and as JSON.
//!
//! Its fields are the keys of the outermost map. Where people have set a field to different values at the same time, all
//! replicas show the same one of them. Counters and timestamps (in milliseconds) are numbers and bytes are base64, as is
//! done for documents of other kinds.

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValueRef, ValueRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::content::ContentError;

/// The text of one field, or of all fields that hold text, in the order of their names.
pub(super) fn text(doc: &Automerge, field: Option<&str>) -> Result<String, ContentError> {
    let mut texts = Vec::new();
    for item in doc.map_range(&ROOT, ..) {
        let is_meant = field.is_none_or(|field| field == item.key);
        if is_meant && matches!(item.value, ValueRef::Object(ObjType::Text)) {
            texts.push(text_of(doc, &item.id())?);
        }
    }
    Ok(texts.join("\n"))
}

/// One field as JSON (null if there is none), or an object of all fields.
pub(super) fn json(doc: &Automerge, field: Option<&str>) -> Result<Value, ContentError> {
    let Some(field) = field else {
        return map_of(doc, &ROOT, DEPTH_MAX);
    };
    let mut items = doc.map_range(&ROOT, ..);
    match items.find(|item| item.key == field) {
        Some(item) => value_of(doc, &item.value, &item.id(), DEPTH_MAX),
        None => Ok(Value::Null),
    }
}

fn text_of(doc: &Automerge, text: &ObjId) -> Result<String, ContentError> {
    let text = doc.text(text);
    text.map_err(|error| ContentError::Contradiction(error.to_string()))
}

fn map_of(doc: &Automerge, map: &ObjId, depth: usize) -> Result<Value, ContentError> {
    let items = doc.map_range(map, ..);
    let items: Vec<_> = items
        .map(|item| (item.key.to_string(), item.id(), item.value))
        .collect();
    let fields = items
        .into_iter()
        .map(|(key, id, value)| Ok((key, value_of(doc, &value, &id, depth)?)));
    fields.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn list_of(doc: &Automerge, list: &ObjId, depth: usize) -> Result<Value, ContentError> {
    let items = doc.list_range(list, ..);
    let items: Vec<_> = items.map(|item| (item.id(), item.value)).collect();
    let values = items
        .into_iter()
        .map(|(id, value)| value_of(doc, &value, &id, depth));
    values.collect::<Result<_, _>>().map(Value::Array)
}

fn value_of(
    doc: &Automerge,
    value: &ValueRef<'_>,
    id: &ObjId,
    depth: usize,
) -> Result<Value, ContentError> {
    match value {
        ValueRef::Scalar(scalar) => Ok(scalar_of(scalar)),
        ValueRef::Object(ObjType::Text) => text_of(doc, id).map(Value::String),
        ValueRef::Object(_) if depth == 0 => Ok(Value::Null),
        ValueRef::Object(ObjType::List) => list_of(doc, id, depth - 1),
        ValueRef::Object(ObjType::Map | ObjType::Table) => map_of(doc, id, depth - 1),
    }
}

fn scalar_of(scalar: &ScalarValueRef<'_>) -> Value {
    match scalar {
        ScalarValueRef::Bytes(bytes) => STANDARD.encode(bytes).into(),
        ScalarValueRef::Str(text) => text.as_ref().into(),
        ScalarValueRef::Int(number)
        | ScalarValueRef::Counter(number)
        | ScalarValueRef::Timestamp(number) => (*number).into(),
        ScalarValueRef::Uint(number) => (*number).into(),
        ScalarValueRef::F64(number) => (*number).into(),
        ScalarValueRef::Boolean(is_so) => (*is_so).into(),
        ScalarValueRef::Unknown { .. } | ScalarValueRef::Null => Value::Null,
    }
}

/// What is nested deeper is shown as null: reading so many levels has to fit on any thread's stack, and few programs read
/// JSON that is deeper.
const DEPTH_MAX: usize = 120;
