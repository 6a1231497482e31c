//! Whether everyone ended with the same text: that of a replay of all that was typed, by yrs.
//!
//! Of every client it is known that each letter of each author came (`ledger.rs`). Where the letters stand is compared for
//! a sample: some clients of some documents, one that comes after the run, and what the REST API says.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Transact, Update, WriteTxn};

use super::author::{self, Author, FIRST_CLIENT, ROOT};
use super::crowd::Crowd;
use super::plan::Plan;
use super::swarm::{Listener, Swarm};
use super::{http, server};
use crate::spec::{Dialect, LoadSpec};

/// The clients of whom everything is kept: the first and the last of some documents.
pub(crate) fn sample(plan: &Plan) -> Vec<usize> {
    let ends = |document| {
        let first = (document * plan.each) as usize;
        [first, first + plan.each as usize - 1]
    };
    let mut clients: Vec<_> = documents(plan).flat_map(ends).collect();
    clients.dedup();
    clients
}

/// A run that has ended.
#[derive(Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) spec: &'a LoadSpec,
    pub(crate) plan: &'a Plan,
    pub(crate) crowd: &'a Crowd,
}

/// Compares.
///
/// # Errors
/// Somebody has another text, or none.
pub(crate) fn equal(run: Ended<'_>, swarm: &mut Swarm) -> Result<()> {
    if run.plan.authors == 0 && run.plan.start == 0 {
        return Ok(());
    }
    for document in documents(run.plan) {
        let expected = replayed(run, document)?;
        let first = (document * run.plan.each) as usize;
        for client in [first, first + run.plan.each as usize - 1] {
            let updates = [&starting(run), run.crowd.kept(client)].concat();
            let text = text_of(&updates)?;
            same(&text, &expected).with_context(|| format!("client {client}"))?;
        }
        if run.spec.dialect != Dialect::Raw {
            let text = fresh(swarm, document, run.spec.patience())?;
            same(&text, &expected).with_context(|| format!("a fresh client of {document}"))?;
        }
        if run.spec.options.rest {
            same(&rest(run, document)?, &expected).context("the REST API")?;
        }
    }
    Ok(())
}

fn documents(plan: &Plan) -> impl Iterator<Item = u32> + use<> {
    let step = plan.documents.div_ceil(DOCUMENTS_MAX).max(1);
    (0..plan.documents).step_by(step as usize)
}

/// The text when all edits of a document are applied to its start.
fn replayed(run: Ended<'_>, document: u32) -> Result<String> {
    let first = FIRST_CLIENT + u64::from(document * run.plan.each);
    let typed = run.crowd.ledgers[document as usize].typed();
    let author = |client| Author::new(client, run.plan.start, run.spec.seed);
    let edits = (first..)
        .zip(typed)
        .map(|(client, typed)| author(client).all(typed));
    let start = author::start(run.plan.start);
    let updates: Vec<_> = std::iter::once(start).chain(edits).collect();
    text_of(&updates)
}

/// What a client has before it is sent anything: the ceilings know no content.
fn starting(run: Ended<'_>) -> Vec<Vec<u8>> {
    let start = || author::start(run.plan.start);
    Vec::from_iter((run.spec.dialect == Dialect::Raw).then(start))
}

/// The text of a client that connects now.
///
/// # Errors
/// It did not get one in time.
pub(crate) fn fresh(swarm: &mut Swarm, document: u32, patience: Duration) -> Result<String> {
    let mut late = Latecomer {
        client: swarm.connect(document, None)?,
        updates: Vec::new(),
        last_us: 0,
    };
    let deadline = Instant::now() + patience;
    // What it lacks may come in several messages.
    while !swarm.is_joined(late.client) || swarm.now_us() < late.last_us + QUIET_US {
        ensure!(Instant::now() < deadline, "it never joined");
        swarm.turn(Duration::from_millis(10), &mut late)?;
    }
    text_of(&late.updates)
}

/// A client that came after the run; what the others still hear is of no interest.
struct Latecomer {
    client: usize,
    updates: Vec<Vec<u8>>,
    last_us: u32,
}

impl Listener for Latecomer {
    fn update(&mut self, client: usize, update: &[u8], now_us: u32) {
        if client == self.client {
            self.last_us = now_us;
            self.updates.push(update.to_vec());
        }
    }

    fn acknowledged(&mut self, _client: usize, _now_us: u32) {}

    fn presence(&mut self, _client: usize, _entries: &[u8], _now_us: u32) {}
}

/// The text that Quire's REST API tells.
fn rest(run: Ended<'_>, document: u32) -> Result<String> {
    let name = format!("{}{document}", run.spec.options.prefix);
    let path = format!("/api/v1/workspaces/default/documents/{name}/content?field={ROOT}");
    let body = http::request(server(run.spec)?, "GET", &path, "", run.spec.patience())?;
    Ok(String::from_utf8(body)?)
}

/// The text that updates come to.
///
/// # Errors
/// One is none, or waits for others.
pub(crate) fn text_of(updates: &[Vec<u8>]) -> Result<String> {
    let options = yrs::Options {
        offset_kind: OffsetKind::Utf16,
        ..yrs::Options::default()
    };
    let doc = Doc::with_options(options);
    let mut txn = doc.transact_mut();
    for update in updates {
        txn.apply_update(Update::decode_v1(update)?)?;
    }
    ensure!(
        txn.prune_pending().is_none(),
        "updates wait for others that never came"
    );
    Ok(txn.get_or_insert_text(ROOT).get_string(&txn))
}

/// Whether a text is the expected one.
///
/// # Errors
/// It is not.
pub(crate) fn same(text: &str, expected: &str) -> Result<()> {
    if text == expected {
        return Ok(());
    }
    let pairs = text.chars().zip(expected.chars());
    let at = pairs.take_while(|(one, other)| one == other).count();
    anyhow::bail!(
        "a text of {} characters, but {} were expected; they differ from {at} on",
        text.len(),
        expected.len()
    )
}

/// After so long without anything new a client has everything.
const QUIET_US: u32 = 50_000;
/// Of how many documents the texts are compared.
const DOCUMENTS_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// The first edit of an author who types in the middle of ten characters, after one that is not the first.
    fn edit() -> Vec<u8> {
        let edits = (0..).map(|seed| {
            let mut update = Vec::new();
            Author::new(FIRST_CLIENT, 10, seed).type_one(&mut update);
            update
        });
        let both = author::HAS_LEFT | author::HAS_RIGHT;
        let mut middle =
            edits.filter(|update| update[INFO] & both == both && update[LEFT_CLOCK] > 0);
        middle.next().expect("some seed types there")
    }

    #[test]
    fn a_letter_at_another_place_is_noticed() -> Result<()> {
        let mut update = edit();
        let expected = text_of(&[author::start(10), update.clone()])?;
        assert_eq!(expected.len(), 11);
        (update[LEFT_CLOCK], update[RIGHT_CLOCK]) = (0, 1);
        let text = text_of(&[author::start(10), update])?;
        assert_eq!(text.len(), 11);
        assert!(same(&text, &expected).is_err());
        assert!(same(&expected, &expected).is_ok());
        Ok(())
    }

    #[test]
    fn what_waits_for_others_is_no_text() {
        assert!(text_of(&[edit()]).is_err());
    }

    /// Behind two counts, a client of five bytes and a clock; then those of the neighbours, behind their clients.
    const INFO: usize = 8;
    const LEFT_CLOCK: usize = 14;
    const RIGHT_CLOCK: usize = 20;
}
