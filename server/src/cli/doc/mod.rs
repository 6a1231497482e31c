//! `quire doc`: looks at documents and their history in the data folder. Only forgetting what is quarantined writes.

mod content;
mod list;
mod log;
mod quarantine;
mod show;

use engine::DocumentKey;
use storage::{Description, SqliteStore, Store};

use super::args::{DataArgs, DocCommand, DocumentArgs};
use super::failure::Failure;
use super::{output, serve};
use crate::config::{Config, StoreChoice};
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

pub(super) async fn open(args: &DataArgs) -> Result<SqliteStore, Failure> {
    let config = Config::load(&args.flags())?.config;
    if config.store == StoreChoice::Postgres {
        let sentence = "the store is postgres, which is looked at through the API of a server";
        return Err(Failure::usage(sentence));
    }
    if config.store == StoreChoice::Memory {
        let sentence = "the store is memory, which only the running server can read; ask its API, \
                        or set store to sqlite";
        return Err(Failure::usage(sentence));
    }
    Ok(SqliteStore::open_read_only(&config.data_dir).await?)
}

/// Opens the store and finds the document, deleted or not.
async fn find(args: &DocumentArgs) -> Result<(SqliteStore, Description), Failure> {
    let key = DocumentKey::new(&args.workspace, &args.name)?;
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
