//! `quire try-crumb`: the other process of a trial. Not for people, hence not in the help.

use std::io;

use super::args::DataArgs;
use super::failure::Failure;
use super::{doc, serve};
use crate::breadcrumb::trial;

pub(super) fn run(args: &DataArgs) -> Result<(), Failure> {
    serve::runtime()?.block_on(async {
        let store = doc::open(args).await?;
        let stood = trial::stand(&*store, io::stdin().lock()).await;
        stood.map_err(|error| Failure::failed(format!("{error:#}")))
    })
}
