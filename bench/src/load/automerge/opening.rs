//! A document with a long history: somebody who has it brings it, as a client does that was offline; later somebody who has
//! nothing opens it. He has content when all of it came and a document is made of it, which is his own work and part of how long
//! he waits: the fewer and larger the pieces are in which changes come, the less that is.

use std::time::Instant;

use anyhow::{Result, ensure};
use automerge::Automerge;
use automerge::sync::State;

use super::documents::said;
use super::history::{History, text};
use super::lines::{Heard, Lines, TURN};
use super::replica::{self, Replica, has_said};
use super::{Account, Tally, compare_rest, conclude, document};
use crate::load::tally::Times;
use crate::load::{Watch, server, verify};
use crate::spec::{AutomergeResult, LoadResult, LoadSpec};

/// Writes a document of so many changes, and brings it to the server.
///
/// # Errors
/// The server does not say that it has it.
pub(super) fn write(spec: &LoadSpec, changes: u32, watch: &mut impl Watch) -> Result<LoadResult> {
    let mut history = History::new(1, spec.seed)?;
    watch.ready()?;
    watch.begin()?;
    let mut lines = Lines::new(server(spec)?)?;
    let account = Account::open(lines.now_us(), lines.traffic);
    let mut state = State::new();
    let mut left = changes;
    while left > 0 {
        let part = left.min(PART);
        history.write(part)?;
        left -= part;
        // Writing takes longer than a server waits for a sign of life, so each part has its own connection.
        let line = lines.join(None, spec.patience())?;
        state = State::decode(&state.encode())?;
        bring(spec, &mut lines, line, &mut history.doc, &mut state)?;
        lines.leave(line);
    }
    let mut tally = Tally::new();
    tally.edits = u64::from(changes);
    tally.last_arrival_us = lines.now_us();
    let result = account.close(lines.now_us(), lines.traffic, &tally, spec.seed);
    watch.end()?;
    Ok(conclude(result, tally, Ok(())))
}

/// Tells the server what it lacks, until it says that it has all.
fn bring(
    spec: &LoadSpec,
    lines: &mut Lines,
    line: usize,
    doc: &mut Automerge,
    state: &mut State,
) -> Result<()> {
    let name = document(spec, 0)?;
    let heads = super::history::heads(doc);
    replica::say(lines, line, &name, doc, state)?;
    let late = Instant::now() + spec.patience();
    let mut heard = Vec::new();
    while !has_said(state, &heads) {
        ensure!(Instant::now() < late, "the server does not have all");
        lines.turn(TURN, &mut heard)?;
        for Heard { news, .. } in heard.drain(..) {
            replica::hear(doc, state, &said(news)?.1)?;
            replica::say(lines, line, &name, doc, state)?;
        }
    }
    Ok(())
}

/// Opens the document.
///
/// # Errors
/// It did not come.
pub(super) fn open(spec: &LoadSpec, changes: u32, watch: &mut impl Watch) -> Result<LoadResult> {
    let name = document(spec, 0)?;
    watch.ready()?;
    watch.begin()?;
    let mut lines = Lines::new(server(spec)?)?;
    let account = Account::open(lines.now_us(), lines.traffic);
    let mut replica = Replica::new();
    let line = lines.join(None, spec.patience())?;
    replica::say(&mut lines, line, &name, &replica.doc, &mut replica.state)?;
    let late = Instant::now() + spec.patience();
    let (mut arrived, mut whole) = (Times::new(), Times::new());
    let mut heard = Vec::new();
    let mut has_all = false;
    while !has_all {
        ensure!(Instant::now() < late, "it did not come");
        lines.turn(TURN, &mut heard)?;
        for Heard { news, now_us, .. } in heard.drain(..) {
            has_all = replica.hear(&said(news)?.1)?;
            if has_all {
                arrived.record(now_us);
                whole.record(lines.now_us());
            }
            replica::say(&mut lines, line, &name, &replica.doc, &mut replica.state)?;
        }
    }
    let mut tally = Tally::new();
    tally.last_arrival_us = lines.now_us();
    let mut result = account.close(lines.now_us(), lines.traffic, &tally, spec.seed);
    watch.end()?;
    result.open = whole.quantiles();
    result.automerge = Some(AutomergeResult {
        arrived: arrived.quantiles(),
        ..AutomergeResult::default()
    });
    let expected = History::text_of(changes, 1, spec.seed);
    let compared = text(&replica.doc).and_then(|text| verify::same(&text, &expected));
    let compared = compared.and_then(|()| compare_rest(spec, &name, &expected));
    Ok(conclude(result, tally, compared))
}

/// So many changes are brought at once: no message is longer than what Quire keeps unsaved of one document (16 MiB).
const PART: u32 = 50_000;
