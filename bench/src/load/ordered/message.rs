//! What the server says, as far as it counts here.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One message of the server.
#[derive(Debug)]
pub(super) enum Message {
    /// The answer to the handshake: what the client is called.
    Greeted(String),
    /// The document, or that it is not there (version 0).
    Document {
        version: u64,
        /// How long its text is.
        length: usize,
    },
    /// The client's own operation was committed.
    Acknowledged {
        version: u64,
        number: u64,
    },
    /// Somebody's operation.
    Operation {
        version: u64,
        source: String,
        number: u64,
        /// Whether it puts in a letter, as all of them do.
        is_letter: bool,
    },
    /// An error.
    Refused(String),
    /// The socket is closed.
    Closed,
    Other,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    a: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    v: Option<u64>,
    #[serde(borrow)]
    src: Option<Cow<'a, str>>,
    seq: Option<u64>,
    #[serde(borrow)]
    op: Option<&'a RawValue>,
    #[serde(borrow)]
    create: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Snapshot<'a> {
    v: u64,
    #[serde(borrow)]
    data: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
}

/// Reads a message.
pub(super) fn read(text: &[u8]) -> Message {
    let Ok(fields) = serde_json::from_slice::<Fields<'_>>(text) else {
        return Message::Refused(String::from_utf8_lossy(text).into_owned());
    };
    if let Some(error) = fields.error {
        return Message::Refused(error.get().to_owned());
    }
    match &*fields.a {
        "hs" => Message::Greeted(fields.source_of_greeting()),
        "s" | "f" => fields.document(),
        "op" => fields.operation(),
        _ => Message::Other,
    }
}

impl Fields<'_> {
    fn source_of_greeting(&self) -> String {
        let id = self.id.map_or("", RawValue::get);
        serde_json::from_str(id).unwrap_or_default()
    }

    fn document(&self) -> Message {
        let snapshot = self.data.map(RawValue::get);
        let snapshot = snapshot.and_then(|text| serde_json::from_str::<Snapshot<'_>>(text).ok());
        snapshot.map_or(Message::Other, |Snapshot { v: version, data }| {
            let length = data.map_or(0, |content| content.s.len());
            Message::Document { version, length }
        })
    }

    fn operation(self) -> Message {
        let (version, number) = (self.v.unwrap_or(0), self.seq.unwrap_or(0));
        match (self.op, self.create) {
            (None, None) => Message::Acknowledged { version, number },
            (operation, _) => Message::Operation {
                version,
                source: self.src.unwrap_or_default().into_owned(),
                number,
                is_letter: operation.is_some_and(|operation| operation.get().contains(LETTER)),
            },
        }
    }
}

const LETTER: &str = r#""si":"x""#;
