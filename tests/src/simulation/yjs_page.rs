//! A page as y-websocket's is: asks on connecting, answers when asked, shows what it is sent, says where it is.

use bytes::Bytes;
use engine::Kind;

use super::awareness::Awareness;
use super::canonical::Canonical;
use super::checks::{Check, Found};
use super::client::Page;
use super::edits;
use super::form::Form;
use super::pieces::Pieces;
use super::plan::Edit;
use crate::editor::Editor;
use crate::frames::{self, Frame, Presence};

/// A page with a Yjs document.
#[derive(Debug)]
pub(super) struct YjsPage {
    editor: Editor,
    awareness: Awareness,
    /// Updates that build on what it does not have yet.
    held: Vec<Bytes>,
    /// Whether it only reads, and shows no presence.
    is_hidden: bool,
}

impl YjsPage {
    pub(super) fn new(number: u64, now_ms: u64) -> Self {
        Self {
            editor: Editor::new(number),
            awareness: Awareness::new(number, now_ms),
            held: Vec::new(),
            is_hidden: false,
        }
    }

    /// One that only reads, and shows no presence.
    pub(super) fn hidden(number: u64, now_ms: u64) -> Self {
        Self {
            is_hidden: true,
            ..Self::new(number, now_ms)
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
    fn take_update(&mut self, update: Bytes) -> Found<()> {
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

    fn shown(&self, entries: &[Presence]) -> Vec<Bytes> {
        let any = !entries.is_empty() && !self.is_hidden;
        any.then(|| frames::presence(entries)).into_iter().collect()
    }
}

impl Page for YjsPage {
    fn connected(&mut self) -> Vec<Bytes> {
        let mut hello = vec![frames::have(&self.editor.have())];
        if !self.is_hidden {
            hello.push(frames::presence(&self.awareness.hello()));
        }
        hello
    }

    fn disconnected(&mut self) {
        self.awareness.disconnected();
    }

    fn edit(&mut self, edit: &Edit) -> Vec<Bytes> {
        vec![frames::update(&edits::make(&self.editor, edit))]
    }

    fn take(&mut self, frame: &[u8], now_ms: u64) -> Found<Vec<Bytes>> {
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

    fn everything(&self) -> Bytes {
        self.editor.everything()
    }

    fn take_everything(&mut self, everything: Bytes) -> Found<Vec<Bytes>> {
        let frame = frames::update(&everything);
        self.take_update(everything)?;
        Ok(vec![frame])
    }

    /// The timers of its presence and of its synchronisation, which asks again while something waits.
    fn tick(&mut self, now_ms: u64) -> Vec<Bytes> {
        let said = self.awareness.tick(now_ms);
        let asked = self.waits().then(|| frames::have(&self.editor.have()));
        asked.into_iter().chain(self.shown(&said)).collect()
    }

    fn waits(&self) -> bool {
        !self.held.is_empty() || self.editor.waits()
    }

    fn is_told_the_same(&self) -> Option<bool> {
        None
    }

    fn own_edits(&self) -> Pieces {
        Pieces::of(Kind::Yjs, &self.editor.everything()).of_client(self.editor.client())
    }

    fn form(&self) -> Found<Form> {
        Canonical::new(&self.editor.everything(), &edits::seen_by(&self.editor))
            .map(Form::Yjs)
            .map_err(|error| Check::Agreement.failed(error.to_string()))
    }

    fn others(&self) -> Option<Vec<u64>> {
        Some(self.awareness.others())
    }
}
