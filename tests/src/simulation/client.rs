//! A client: somebody with a page in a browser, which shows one document and is connected to a node, or not.

use std::fmt::Debug;

use bytes::Bytes;
use engine::{ConnectionId, Kind};

use super::automerge_page::AutomergePage;
use super::checks::Found;
use super::form::Form;
use super::pieces::Pieces;
use super::plan::Edit;
use super::yjs_page::YjsPage;

/// One page in a browser.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: u64,
    pub(super) page: Box<dyn Page>,
    pub(super) document: usize,
    pub(super) line: Option<ConnectionId>,
    /// Whether it was told never to come back.
    pub(super) is_banished: bool,
    /// Whether it counts its edits, and can so be told that one was refused.
    pub(super) counts: bool,
    /// Whether it is allowed to write.
    pub(super) may_write: bool,
}

/// What a page does, in the dialect that clients of its kind of document speak. Where frames are returned it sends them.
pub(super) trait Page: Debug {
    /// It has connected.
    fn connected(&mut self) -> Vec<Bytes>;

    /// The connection is gone.
    fn disconnected(&mut self);

    /// Edits. While it is not connected what it sends goes nowhere.
    fn edit(&mut self, edit: &Edit) -> Vec<Bytes>;

    /// Takes a frame.
    fn take(&mut self, frame: &[u8], now_ms: u64) -> Found<Vec<Bytes>>;

    /// All that it has.
    fn everything(&self) -> Bytes;

    /// Takes all that another page has, and passes it on.
    fn take_everything(&mut self, everything: Bytes) -> Found<Vec<Bytes>>;

    /// Its timers.
    fn tick(&mut self, now_ms: u64) -> Vec<Bytes>;

    /// Whether it has what it can not use.
    fn waits(&self) -> bool;

    /// Whether the node has told it that it has the very same; none if nodes do not tell.
    fn is_told_the_same(&self) -> Option<bool>;

    /// All that it has made itself.
    fn own_edits(&self) -> Pieces;

    /// What its document holds.
    fn form(&self) -> Found<Form>;

    /// Whom it sees besides itself, in order; none if it shows no presence.
    fn others(&self) -> Option<Vec<u64>>;
}

impl Client {
    pub(super) fn new(kind: Kind, number: u64, document: usize, now_ms: u64) -> Self {
        let page: Box<dyn Page> = match kind {
            Kind::Automerge => Box::new(AutomergePage::new(number, document)),
            _ => Box::new(YjsPage::new(number, now_ms)),
        };
        Self {
            number,
            page,
            document,
            line: None,
            is_banished: false,
            counts: kind == Kind::Automerge || number.is_multiple_of(2),
            may_write: true,
        }
    }

    /// Somebody who shows no presence of its own.
    pub(super) fn probe(kind: Kind, number: u64, document: usize, now_ms: u64) -> Self {
        let mut probe = Self::new(kind, number, document, now_ms);
        if kind == Kind::Yjs {
            probe.page = Box::new(YjsPage::hidden(number, now_ms));
        }
        probe
    }

    pub(super) fn disconnected(&mut self) {
        self.line = None;
        self.page.disconnected();
    }
}
