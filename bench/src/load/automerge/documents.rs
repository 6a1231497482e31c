//! Many documents: somebody makes them all, on one connection as stock clients do, and somebody else reads them; later the first
//! one comes back, has them all unchanged, and hears that of each.
//!
//! All have the same content, so that one copy of it does for the maker. What is said of each is said for itself.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use automerge::sync::State;
use protocol::automerge::DocumentId;

use super::history::{History, text};
use super::lines::{Heard, Lines, News, TURN};
use super::replica::{self, Replica, has_said};
use super::{Account, Tally, compare_rest, conclude, document};
use crate::load::tally::Times;
use crate::load::{Watch, server, verify};
use crate::spec::{LoadResult, LoadSpec};

/// Makes documents and reads them.
///
/// # Errors
/// They could not be made or read.
pub(super) fn make(
    spec: &LoadSpec,
    documents: u32,
    changes: u32,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let mut owner = Owner::new(spec, documents)?;
    let mut tally = Tally::new();
    watch.ready()?;
    watch.begin()?;
    let mut lines = Lines::new(server(spec)?)?;
    let account = Account::open(lines.now_us(), lines.traffic);
    let line = lines.join(Some(STORAGE), spec.patience())?;
    for part in 0..PARTS {
        owner.write(changes * (part + 1) / PARTS - changes * part / PARTS)?;
        owner.tell(&mut lines, line, spec, UNDER_WAY, &mut Times::new())?;
    }
    let reader = read_all(spec, &mut lines, &owner)?;
    tally.edits = u64::from(documents) * u64::from(changes);
    tally.deliveries = tally.edits;
    tally.last_arrival_us = lines.now_us();
    let result = account.close(lines.now_us(), lines.traffic, &tally, spec.seed);
    watch.end()?;
    let compared = owner.compare(spec, &reader);
    Ok(conclude(result, tally, compared))
}

/// Comes back to documents that were made.
///
/// # Errors
/// Not all was answered.
pub(super) fn come_back(
    spec: &LoadSpec,
    documents: u32,
    changes: u32,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    let mut owner = Owner::new(spec, documents)?;
    for part in 0..PARTS {
        owner.write(changes * (part + 1) / PARTS - changes * part / PARTS)?;
    }
    // What a client keeps of the server, once it is on the disk of both.
    let heads = owner.history.heads();
    for state in owner.states.values_mut() {
        state.shared_heads.clone_from(&heads);
    }
    watch.ready()?;
    watch.begin()?;
    let mut lines = Lines::new(server(spec)?)?;
    let account = Account::open(lines.now_us(), lines.traffic);
    let line = lines.join(Some(STORAGE), spec.patience())?;
    let mut times = Times::new();
    owner.tell(&mut lines, line, spec, usize::MAX, &mut times)?;
    let mut tally = Tally::new();
    tally.last_arrival_us = lines.now_us();
    let mut result = account.close(lines.now_us(), lines.traffic, &tally, spec.seed);
    watch.end()?;
    result.open = times.quantiles();
    let reader = read_all(spec, &mut lines, &owner)?;
    let compared = owner.compare(spec, &reader);
    Ok(conclude(result, tally, compared))
}

/// Who made the documents.
struct Owner {
    history: History,
    /// In the order in which they are told of.
    documents: Vec<DocumentId>,
    states: HashMap<DocumentId, State>,
}

impl Owner {
    fn new(spec: &LoadSpec, documents: u32) -> Result<Self> {
        let documents = (0..documents).map(|number| document(spec, number));
        let documents: Vec<_> = documents.collect::<Result<_>>()?;
        Ok(Self {
            history: History::new(1, spec.seed)?,
            states: documents
                .iter()
                .map(|document| (document.clone(), State::new()))
                .collect(),
            documents,
        })
    }

    fn write(&mut self, changes: u32) -> Result<()> {
        self.history.write(changes)
    }

    /// Tells the server of all documents as they are now, of so many at once, and waits until it has said of each that it has the
    /// same.
    fn tell(
        &mut self,
        lines: &mut Lines,
        line: usize,
        spec: &LoadSpec,
        at_once: usize,
        times: &mut Times,
    ) -> Result<()> {
        let began_us = lines.now_us();
        let heads = self.history.heads();
        let mut left = self.documents.len();
        let mut untold = self.documents.iter();
        let late = Instant::now() + spec.patience();
        let mut heard = Vec::new();
        while left > 0 {
            ensure!(Instant::now() < late, "{left} documents were not answered");
            let may_be_told = at_once.saturating_sub(left - untold.len());
            for document in untold.by_ref().take(may_be_told) {
                let state = self.states.get_mut(document);
                let state = state.context("a document of ours")?;
                replica::say(lines, line, document, &self.history.doc, state)?;
            }
            lines.turn(TURN, &mut heard)?;
            for Heard { news, now_us, .. } in heard.drain(..) {
                let (document, said) = said(news)?;
                let state = self
                    .states
                    .get_mut(&document)
                    .context("a document of ours")?;
                let was_told = has_said(state, &heads);
                let doc = &mut self.history.doc;
                replica::hear(doc, state, &said)?;
                if !was_told && has_said(state, &heads) {
                    left -= 1;
                    times.record(now_us.saturating_sub(began_us));
                }
                replica::say(lines, line, &document, doc, state)?;
            }
        }
        Ok(())
    }

    /// Whether a reader has the same of all.
    fn compare(&self, spec: &LoadSpec, reader: &HashMap<DocumentId, Replica>) -> Result<()> {
        let expected = self.history.text();
        for (number, document) in self.documents.iter().enumerate() {
            let replica = reader.get(document).context("a document was not read")?;
            verify::same(&text(&replica.doc)?, &expected)
                .with_context(|| format!("document {number}"))?;
            if number < ASKED {
                compare_rest(spec, document, &expected).context("the REST API")?;
            }
        }
        Ok(())
    }
}

/// Somebody who has nothing reads all documents.
fn read_all(
    spec: &LoadSpec,
    lines: &mut Lines,
    owner: &Owner,
) -> Result<HashMap<DocumentId, Replica>> {
    let line = lines.join(None, spec.patience())?;
    let mut replicas = HashMap::new();
    let mut left = owner.documents.len();
    let mut unread = owner.documents.iter();
    let late = Instant::now() + spec.patience();
    let mut heard = Vec::new();
    while left > 0 {
        ensure!(Instant::now() < late, "{left} documents were not read");
        let may_be_read = UNDER_WAY.saturating_sub(left - unread.len());
        for document in unread.by_ref().take(may_be_read) {
            let mut replica = Replica::new();
            replica::say(lines, line, document, &replica.doc, &mut replica.state)?;
            replicas.insert(document.clone(), replica);
        }
        lines.turn(TURN, &mut heard)?;
        // The maker has all there is, and says no more.
        for Heard { news, .. } in heard.drain(..).filter(|heard| heard.line == line) {
            let (document, said) = said(news)?;
            let replica = replicas.get_mut(&document).context("a document of ours")?;
            let was_whole = !replica.doc.get_heads().is_empty();
            let is_whole = replica.hear(&said)?;
            left -= usize::from(is_whole && !was_whole);
            replica::say(lines, line, &document, &replica.doc, &mut replica.state)?;
        }
    }
    Ok(replicas)
}

/// What is said of which document.
///
/// # Errors
/// The connection is closed.
pub(super) fn said(news: News) -> Result<(DocumentId, protocol::automerge::Said)> {
    match news {
        News::Said(document, said) => Ok((document, said)),
        News::Closed(why) => anyhow::bail!("closed: {why}"),
    }
}

/// What the store of the one who has them all is called.
const STORAGE: &str = "6f1ed002-ab5a-4f4c-9f2c-9d5a1d6f0c01";
/// Documents are told of as often as they get longer, so that they come to be by use.
const PARTS: u32 = 10;
/// Of how many is spoken at once while they are used; more of them, and a slow server takes their client for dead.
const UNDER_WAY: usize = 64;
/// Of how many the REST API is asked.
const ASKED: usize = 3;
