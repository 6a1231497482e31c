//! Documents of Automerge, in the dialect of automerge-repo: what the server does that clients of it are given today is loaded as
//! they would.
//!
//! People who type ([`typing`]) say what stock clients say and hold no document, since a document takes milliseconds for what
//! each of the others types and so many of them have no room in one process. Whoever makes documents, reads them or comes back
//! to them ([`documents`], [`opening`]) is the library itself.

mod documents;
mod history;
mod ledger;
mod lines;
mod opening;
mod replica;
mod typing;
mod typist;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use protocol::automerge::DocumentId;

use super::account::Account;
use super::tally::Tally;
use super::{Watch, http, server, verify};
use crate::spec::{Automerge, LoadResult, LoadSpec};
use history::FIELD;

/// Runs what a workload says.
///
/// # Errors
/// It could not be run. What goes wrong later is in the result.
pub(crate) fn run(
    spec: &LoadSpec,
    workload: &Automerge,
    watch: &mut impl Watch,
) -> Result<LoadResult> {
    match *workload {
        Automerge::Typing {
            from,
            most,
            per_second_each,
            length,
        } => typing::run(spec, from..=most, per_second_each, length, watch),
        Automerge::Documents { documents, changes } => {
            documents::make(spec, documents, changes, watch)
        }
        Automerge::Return { documents, changes } => {
            documents::come_back(spec, documents, changes, watch)
        }
        Automerge::Write { changes } => opening::write(spec, changes, watch),
        Automerge::Open { changes } => opening::open(spec, changes, watch),
        Automerge::Rest { pause } => rest(spec, pause, watch),
    }
}

/// Nobody is there.
fn rest(spec: &LoadSpec, seconds: f64, watch: &mut impl Watch) -> Result<LoadResult> {
    watch.ready()?;
    watch.begin()?;
    thread::sleep(Duration::from_secs_f64(seconds));
    watch.end()?;
    Ok(LoadResult {
        seed: spec.seed,
        seconds,
        equal: true,
        ..LoadResult::default()
    })
}

/// What the documents of a run are called.
fn document(spec: &LoadSpec, number: u32) -> Result<DocumentId> {
    let mut hasher = DefaultHasher::new();
    spec.options.prefix.hash(&mut hasher);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    Ok(DocumentId::new(&bytes)?)
}

/// Whether Quire's REST API tells this text, if it is to be asked.
fn compare_rest(spec: &LoadSpec, document: &DocumentId, expected: &str) -> Result<()> {
    if !spec.options.rest {
        return Ok(());
    }
    let path = format!("/api/v1/workspaces/default/documents/{document}/content?field={FIELD}");
    let body = http::request(server(spec)?, "GET", &path, "", spec.patience())?;
    verify::same(&String::from_utf8(body)?, expected)
}

/// The result of a run, with what went wrong.
fn conclude(result: LoadResult, mut tally: Tally, compared: Result<()>) -> LoadResult {
    if let Err(error) = compared {
        tally.faults.note("unequal", || format!("{error:#}"));
    }
    let faults = tally.faults.in_words();
    LoadResult {
        equal: faults.is_empty(),
        faults,
        ..result
    }
}
