//! `quire doc`: looks at documents and their history in the data folder. Only forgetting what is quarantined writes.

mod content;
mod list;
mod log;
mod quarantine;
mod show;

use std::sync::Arc;

use storage::{Description, Store};

use super::args::{DataArgs, DocCommand, DocumentArgs};
use super::failure::Failure;
use super::{output, serve};
use crate::config::Config;
use crate::naming::named;
use crate::stores;
use crate::telemetry::logs::{self, LogFormat};

/// Runs a command under `quire doc`. What the store has to warn of, such as damaged rows that are left out, is told on
/// standard error.
pub(super) fn run(command: DocCommand) -> Result<(), Failure> {
    logs::init(LogFormat::Pretty, "warn").map_err(|error| Failure::failed(error.to_string()))?;
    serve::runtime()?.block_on(async {
        match command {
            DocCommand::List(args) => list::run(args).await,
            DocCommand::Show(args) => show::run(&args).await,
            DocCommand::Log(args) => log::run(&args).await,
            DocCommand::Cat(args) => content::cat(args).await,
            DocCommand::Export(args) => content::export(args).await,
            DocCommand::Quarantine(args) => quarantine::run(args).await,
        }
    })
}

pub(super) async fn open(args: &DataArgs) -> Result<Arc<dyn Store>, Failure> {
    let config = Config::load(&args.flags())?.config;
    let opened = stores::open_to_look(&config).await;
    opened.map_err(|error| Failure::of_store(&error))?.ok_or_else(|| {
        let sentence = "the store is memory, which only the running server can read; ask its API, \
                        or set store to sqlite";
        Failure::usage(sentence)
    })
}

/// Opens the store and finds the document, deleted or not.
async fn find(args: &DocumentArgs) -> Result<(Arc<dyn Store>, Description), Failure> {
    let key = named(&args.workspace, &args.name)?;
    let store = open(&args.data).await?;
    match store.describe(key).await? {
        Some(description) => Ok((store, description)),
        None => Err(Failure::not_found(format!(
            "there is no document {} in workspace {}; `quire doc list` shows those that there are",
            output::name(&args.name),
            output::name(&args.workspace),
        ))),
    }
}
