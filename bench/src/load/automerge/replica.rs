//! What a client of automerge-repo says of a document: what the library itself makes of what it has and has heard.

use anyhow::{Context, Result};
use automerge::Automerge;
use automerge::sync::{Message, State, SyncDoc};
use bytes::Bytes;
use protocol::automerge::{DocumentId, Said};

use super::history::heads;
use super::lines::Lines;

/// A client's copy of a document.
pub(super) struct Replica {
    pub(super) doc: Automerge,
    pub(super) state: State,
}

impl Replica {
    /// One that has nothing yet.
    pub(super) fn new() -> Self {
        Self {
            doc: Automerge::new(),
            state: State::new(),
        }
    }

    /// Takes a message in, and says whether it has all that the server has.
    ///
    /// # Errors
    /// The message is none, or the library refuses it.
    pub(super) fn hear(&mut self, said: &Said) -> Result<bool> {
        hear(&mut self.doc, &mut self.state, said)?;
        let heads = heads(&self.doc);
        Ok(!heads.is_empty() && has_said(&self.state, &heads))
    }
}

/// Takes in what the server says of a document.
///
/// # Errors
/// The message is none, or the library refuses it.
pub(super) fn hear(doc: &mut Automerge, state: &mut State, said: &Said) -> Result<()> {
    if let Said::Sync(data) = said {
        let message = Message::decode(data).context("a sync message")?;
        doc.receive_sync_message(state, message)?;
    }
    Ok(())
}

/// Says what there is to say, if there is something.
///
/// # Errors
/// The connection is broken.
pub(super) fn say(
    lines: &mut Lines,
    line: usize,
    document: &DocumentId,
    doc: &Automerge,
    state: &mut State,
) -> Result<()> {
    let Some(message) = doc.generate_sync_message(state) else {
        return Ok(());
    };
    let is_request = message.heads.is_empty() && state.shared_heads.is_empty();
    let data = Bytes::from(message.encode());
    let said = match is_request {
        true => Said::Request(data),
        false => Said::Sync(data),
    };
    lines.say(line, document, said)
}

/// Whether the server has said to have just these heads, which are in order.
pub(super) fn has_said(state: &State, heads: &[automerge::ChangeHash]) -> bool {
    let said = state.their_heads.as_ref();
    said.is_some_and(|said| {
        let mut said = said.clone();
        said.sort_unstable();
        said == heads
    })
}
