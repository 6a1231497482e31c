//! What a document holds, wherever it was read: in the memory of a node, in the store, in a client.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::client::Client;
use crate::editor::Editor;
use crate::http;
use crate::simulation::Canonical;
use crate::wait::within;

/// The content of a document in canonical form: equal content has equal bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    canonical: Canonical,
    /// The whole text.
    pub text: String,
    /// The keys of the map.
    pub keys: Vec<String>,
}

impl Content {
    /// What one update holds.
    ///
    /// # Errors
    /// It is none, or waits for others.
    pub fn new(update: &[u8]) -> Result<Self> {
        let reader = Editor::new(READER);
        reader.apply(update)?;
        ensure!(!reader.waits(), "edits wait for others that are lost");
        let (text, mut keys) = (reader.text(), reader.keys());
        keys.sort();
        let values: Vec<_> = keys.iter().map(|key| reader.value(key)).collect();
        let view = json!({"text": &text, "keys": &keys, "values": values});
        let canonical = Canonical::new(&reader.everything(), &view)?;
        Ok(Self {
            canonical,
            text,
            keys,
        })
    }

    /// What a node shows a client that knows nothing: what it has in memory.
    ///
    /// # Errors
    /// It does not let the client in.
    pub async fn in_memory(node: SocketAddr, document: &str) -> Result<Self> {
        let join = Client::join(node, document, READER);
        let client = within("a reader is let in", join).await??;
        Self::new(&client.editor.everything())
    }

    /// What is stored, as a node reads it.
    ///
    /// # Errors
    /// It can not be had.
    pub async fn stored(node: SocketAddr, document: &str) -> Result<Self> {
        let path = format!("{DOCUMENTS}/{document}/content?format=binary");
        let answer = http::get(node, &path).await?;
        let said = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(answer.status == 200, "{path} is answered {}", said());
        Self::new(&answer.body).with_context(|| path)
    }

    /// Where two contents first differ, for people.
    pub fn difference(&self, other: &Self) -> String {
        self.canonical.difference(&other.canonical)
    }
}

const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";
/// Nobody who writes has this number.
const READER: u64 = 1;
