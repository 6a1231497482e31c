//! Whether everyone ended with the same text: that of a replay of all that was typed, by yrs.
//!
//! Of every client it is known that each letter of each author came (`ledger.rs`). Where the letters stand is compared for
//! a sample: some clients of some documents, one that comes after the run, and what the REST API says.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, OffsetKind, Transact, Update, WriteTxn};

use super::author::{self, Author, FIRST_CLIENT, ROOT};
use super::plan::Plan;
use super::run::Run;
use super::{http, server};
use crate::spec::Dialect;

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

/// Compares.
///
/// # Errors
/// Somebody has another text, or none.
pub(crate) fn equal(run: &mut Run<'_>) -> Result<()> {
    if run.plan.authors == 0 && run.plan.start == 0 {
        return Ok(());
    }
    for document in documents(&run.plan).collect::<Vec<_>>() {
        let expected = replayed(run, document)?;
        let first = (document * run.plan.each) as usize;
        for client in [first, first + run.plan.each as usize - 1] {
            let text = text_of(&starting(run), run.crowd.kept(client))?;
            same(&text, &expected).with_context(|| format!("client {client}"))?;
        }
        if run.spec.dialect != Dialect::Raw {
            let text = fresh(run, document)?;
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
fn replayed(run: &Run<'_>, document: u32) -> Result<String> {
    let first = FIRST_CLIENT + u64::from(document * run.plan.each);
    let typed = run.crowd.ledgers[document as usize].typed();
    let author = |client| Author::new(client, run.plan.start, run.spec.seed);
    let edits = (first..)
        .zip(typed)
        .map(|(client, typed)| author(client).all(typed));
    let start = author::start(run.plan.start);
    let updates: Vec<_> = std::iter::once(start).chain(edits).collect();
    text_of(&[], &updates)
}

/// What a client has before it is sent anything: the ceilings know no content.
fn starting(run: &Run<'_>) -> Vec<Vec<u8>> {
    let start = || author::start(run.plan.start);
    Vec::from_iter((run.spec.dialect == Dialect::Raw).then(start))
}

/// The text of a client that connects now.
fn fresh(run: &mut Run<'_>, document: u32) -> Result<String> {
    let client = run.swarm.connect(document, None)?;
    run.crowd.keep(client);
    let late = Instant::now() + run.patience();
    while !run.swarm.is_joined(client) {
        ensure!(Instant::now() < late, "a fresh client never joined");
        run.swarm.turn(Duration::from_millis(10), &mut run.crowd)?;
    }
    text_of(&[], run.crowd.kept(client))
}

/// The text that Quire's REST API tells.
fn rest(run: &Run<'_>, document: u32) -> Result<String> {
    let name = format!("{}{document}", run.spec.options.prefix);
    let path = format!("/api/v1/workspaces/default/documents/{name}/content?field={ROOT}");
    let body = http::request(server(run.spec)?, "GET", &path, "", run.patience())?;
    Ok(String::from_utf8(body)?)
}

fn text_of(start: &[Vec<u8>], updates: &[Vec<u8>]) -> Result<String> {
    let options = yrs::Options {
        offset_kind: OffsetKind::Utf16,
        ..yrs::Options::default()
    };
    let doc = Doc::with_options(options);
    let mut txn = doc.transact_mut();
    for update in start.iter().chain(updates) {
        txn.apply_update(Update::decode_v1(update)?)?;
    }
    ensure!(
        txn.prune_pending().is_none(),
        "updates wait for others that never came"
    );
    Ok(txn.get_or_insert_text(ROOT).get_string(&txn))
}

fn same(text: &str, expected: &str) -> Result<()> {
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

/// Of how many documents the texts are compared.
const DOCUMENTS_MAX: u32 = 8;
