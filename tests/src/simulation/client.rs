//! A client as y-websocket's is: asks on connecting, answers when asked, shows what it is sent, says where it is.

use bytes::Bytes;
use engine::ConnectionId;
use yrs::IdSet;

use super::awareness::Awareness;
use super::canonical::Canonical;
use super::checks::{Check, Found};
use super::edits;
use super::plan::Edit;
use super::wire;
use crate::editor::Editor;
use crate::frames::{self, Frame};

/// One page in a browser.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) editor: Editor,
    pub(super) document: usize,
    pub(super) line: Option<ConnectionId>,
    pub(super) awareness: Awareness,
    /// Whether it was told never to come back.
    pub(super) is_banished: bool,
    /// Whether it only reads.
    pub(super) is_probe: bool,
}

impl Client {
    pub(super) fn new(number: u64, document: usize, now_ms: u64) -> Self {
        Self {
            editor: Editor::new(number),
            document,
            line: None,
            awareness: Awareness::new(number, now_ms),
            is_banished: false,
            is_probe: false,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.editor.client()
    }

    /// What it sends on connecting.
    pub(super) fn hello(&self) -> Vec<Bytes> {
        let mut hello = vec![frames::have(&self.editor.have())];
        if !self.is_probe {
            hello.push(frames::presence(&self.awareness.hello()));
        }
        hello
    }

    /// Edits, and returns the frame that it would send.
    pub(super) fn edit(&self, edit: &Edit) -> Bytes {
        frames::update(&edits::make(&self.editor, edit))
    }

    /// Takes a frame, and returns what it answers.
    pub(super) fn take(&mut self, frame: &[u8], now_ms: u64) -> Found<Option<Bytes>> {
        let read = Frame::read(frame).map_err(|error| Check::Alarms.failed(error.to_string()))?;
        match read {
            Frame::Have(have) => {
                let missing = self.editor.missing_from(&have);
                let missing = missing.map_err(|error| Check::Alarms.failed(error.to_string()))?;
                Ok(Some(frames::missing(&missing)))
            }
            Frame::Missing(update) | Frame::Update(update) => {
                let applied = self.editor.apply(&update);
                applied.map_err(|error| Check::Agreement.failed(error.to_string()))?;
                Ok(None)
            }
            Frame::Presence(entries) => {
                let echo = self.awareness.apply(&entries, now_ms);
                Ok((!echo.is_empty() && !self.is_probe).then(|| frames::presence(&echo)))
            }
            Frame::Denied(_) => Ok(None),
        }
    }

    /// The timer of its presence; returns what it sends.
    pub(super) fn tick(&mut self, now_ms: u64) -> Option<Bytes> {
        let said = self.awareness.tick(now_ms);
        (!said.is_empty() && !self.is_probe).then(|| frames::presence(&said))
    }

    pub(super) fn disconnected(&mut self) {
        self.line = None;
        self.awareness.disconnected();
    }

    /// All that it has made itself.
    pub(super) fn own_edits(&self) -> IdSet {
        wire::of_client(&wire::inserted(&self.editor.everything()), self.number())
    }

    pub(super) fn canonical(&self) -> Found<Canonical> {
        Canonical::new(&self.editor.everything(), &edits::seen_by(&self.editor))
            .map_err(|error| Check::Agreement.failed(error.to_string()))
    }
}
