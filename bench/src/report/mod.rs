//! What a record says: tables, verdicts and plots. Nothing is measured here.

mod bars;
mod curve;
mod figures;
mod page;
mod svg;
mod terminal;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::plan::{self, Row};
use crate::record::Record;

/// Which record, and where the page goes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The record that `run` has written
    record: PathBuf,
    /// The folder of the page; its plots go into a folder of their own beside it
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
}

/// Writes the page and its plots.
///
/// # Errors
/// There is no such record, or the page cannot be written.
pub(crate) fn main(args: &Args) -> Result<()> {
    ensure!(
        args.record.exists(),
        "{} is not there",
        args.record.display()
    );
    let record = Record::load(&args.record)?;
    let rows = plan::rows();
    let plots = args.docs.join(PLOTS);
    fs::create_dir_all(&plots)?;
    for (name, plot) in page::plots(&record, &rows) {
        write(&plots.join(name), &plot)?;
    }
    write(&args.docs.join(PAGE), &page::write(&record, &rows))?;
    println!("{}", table(&record, &rows));
    Ok(())
}

/// The table for a terminal.
pub(crate) fn table(record: &Record, rows: &[Row]) -> String {
    terminal::table(record, rows)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

const PAGE: &str = "benchmarks.md";
const PLOTS: &str = "benchmarks";
