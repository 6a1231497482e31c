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
use crate::frames::{self, Frame, Presence};

/// One page in a browser.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) editor: Editor,
    pub(super) document: usize,
    pub(super) line: Option<ConnectionId>,
    pub(super) awareness: Awareness,
    /// Updates that build on what it does not have yet.
    held: Vec<Bytes>,
    /// Whether it was told never to come back.
    pub(super) is_banished: bool,
    /// Whether it only reads.
    pub(super) is_probe: bool,
    /// Whether it counts its edits, and can so be told that one was refused.
    pub(super) counts: bool,
    /// Whether it is allowed to write.
    pub(super) may_write: bool,
}

impl Client {
    pub(super) fn new(number: u64, document: usize, now_ms: u64) -> Self {
        Self {
            editor: Editor::new(number),
            document,
            line: None,
            awareness: Awareness::new(number, now_ms),
            held: Vec::new(),
            is_banished: false,
            is_probe: false,
            counts: number.is_multiple_of(2),
            may_write: true,
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
    pub(super) fn take(&mut self, frame: &[u8], now_ms: u64) -> Found<Vec<Bytes>> {
        match Frame::read(frame).map_err(|error| Check::Alarms.failed(error.to_string()))? {
            Frame::Have(have) => self.all_but(&have),
            Frame::Missing(update) | Frame::Update(update) => {
                self.take_update(update)?;
                Ok(Vec::new())
            }
            Frame::Presence(entries) => {
                let echo = self.awareness.apply(&entries, now_ms);
                Ok(self.shown(&echo))
            }
            Frame::Denied(_) => Ok(Vec::new()),
        }
    }

    /// All that it has and someone else lacks, with what it could not use yet.
    fn all_but(&self, have: &[u8]) -> Found<Vec<Bytes>> {
        let missing = self.editor.missing_from(have);
        let missing = missing.map_err(|error| Check::Alarms.failed(error.to_string()))?;
        let held = self.held.iter().map(|update| frames::update(update));
        Ok(std::iter::once(frames::missing(&missing))
            .chain(held)
            .collect())
    }

    /// Takes an update in, and what has waited for it.
    pub(super) fn take_update(&mut self, update: Bytes) -> Found<()> {
        if !self.held.contains(&update) {
            self.held.push(update);
        }
        let mut before = usize::MAX;
        while self.held.len() < before {
            before = self.held.len();
            for update in std::mem::take(&mut self.held) {
                let taken = self.editor.take_whole(&update);
                if !taken.map_err(|error| Check::Agreement.failed(error.to_string()))? {
                    self.held.push(update);
                }
            }
        }
        Ok(())
    }

    /// Whether it has what it can not use.
    pub(super) fn waits(&self) -> bool {
        !self.held.is_empty() || self.editor.waits()
    }

    /// The timers of its presence and of its synchronisation, which asks again while something waits; returns what it sends.
    pub(super) fn tick(&mut self, now_ms: u64) -> Vec<Bytes> {
        let said = self.awareness.tick(now_ms);
        let asked = self.waits().then(|| frames::have(&self.editor.have()));
        asked.into_iter().chain(self.shown(&said)).collect()
    }

    fn shown(&self, entries: &[Presence]) -> Vec<Bytes> {
        let any = !entries.is_empty() && !self.is_probe;
        any.then(|| frames::presence(entries)).into_iter().collect()
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
