//! Measuring: every row, every server, round by round, so that what the machine does meanwhile meets them all alike.
//!
//! A round runs each server of a row once. After each row the record is saved, so that an interrupted run loses one row and
//! `--only` goes on with the others. Whatever fails stays in the record as a failure of that server.

mod calls;
mod disk;
mod generator;
mod log;
mod machine;
mod once;
mod pace;

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::peers::{Server, Tools};
use crate::plan::{self, Row};
use crate::record::{Record, RowRecord};
use crate::report;
use once::Bench;
use pace::Pace;

/// What is measured, and how thoroughly.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A first look: the rows of every day, one short run each
    #[arg(long)]
    quick: bool,
    /// Rows by key (or how it begins) or section, separated by commas; all if not said
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The servers beside Quire; all if not said
    #[arg(long, value_delimiter = ',')]
    peers: Option<Vec<Server>>,
    /// How often each server is run
    #[arg(long)]
    runs: Option<usize>,
    /// When to stop, in minutes; what is not measured by then is listed
    #[arg(long)]
    minutes: Option<f64>,
    /// The record that is written; rows in it that are not measured again stay
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only lists the rows and how long they take
    #[arg(long)]
    list: bool,
}

/// Measures, shows a table, and tells by its result whether Quire did right.
///
/// # Errors
/// Something that is needed is missing, or a run of Quire failed.
pub(crate) fn main(args: &Args) -> Result<()> {
    let tools = Tools::find()?;
    let rows = chosen(args)?;
    if args.list {
        list(&rows, args);
        return Ok(());
    }
    require(&rows, &tools)?;
    fs::create_dir_all(&tools.scratch)?;
    let lock = File::create(tools.scratch.join("lock"))?;
    lock.try_lock().context("another benchmark is running")?;
    let record = measure(&rows, args, tools)?;
    println!("{}", report::table(&record, &rows));
    let failed = failures_of_quire(&record, &rows);
    ensure!(failed.is_empty(), "Quire failed in {}", failed.join(", "));
    Ok(())
}

fn measure(rows: &[Row], args: &Args, tools: Tools) -> Result<Record> {
    let default = if args.quick { QUICK_RECORD } else { RECORD };
    let path = args
        .json
        .clone()
        .unwrap_or_else(|| tools.scratch.join(default));
    let mut record = Record::load(&path)?;
    record.machine = machine::describe(&tools);
    let bench = Bench {
        tools,
        is_quick: args.quick,
    };
    let mut pace = Pace::new(
        args.minutes(),
        rows.iter().map(|row| seconds(row, args)).sum(),
    );
    for (number, row) in rows.iter().enumerate() {
        let reserved = rows[number + 1..]
            .iter()
            .map(|row| round_seconds(row, 0, args))
            .sum();
        match measure_row(row, args, &bench, &mut pace, reserved) {
            Some(measured) => record.put(&row.key, measured),
            None => {
                eprintln!("{}: skipped, the time is up", row.key);
                record
                    .skipped
                    .insert(row.key.clone(), OUT_OF_TIME.to_owned());
            }
        }
        record.save(&path)?;
    }
    eprintln!("written to {}", path.display());
    Ok(record)
}

/// Nothing, if there is not even time for one round. Further rounds leave the rows that follow the time for one.
fn measure_row(
    row: &Row,
    args: &Args,
    bench: &Bench,
    pace: &mut Pace,
    reserved: f64,
) -> Option<RowRecord> {
    let mut measured = RowRecord {
        is_quick: args.quick,
        ..RowRecord::default()
    };
    for round in 0..args.runs() {
        let servers = servers_of_round(row, round, args);
        if servers.is_empty() {
            break;
        }
        let reserved = if round == 0 { 0.0 } else { reserved };
        if !pace.has_time_for(round_seconds(row, round, args) + reserved) {
            eprintln!("{}: {round} rounds only, the time is up", row.key);
            break;
        }
        for server in servers {
            pace.say(&row.key, server.title(), round + 1);
            let run = bench.run(row, server, round as u64 + 1);
            for fault in &run.faults {
                eprintln!("  FAILED: {fault}");
            }
            measured.runs.entry(server).or_default().push(run);
            pace.done(row_seconds(row, args));
        }
    }
    if row.counts_calls && !measured.runs.is_empty() {
        count_calls(row, bench, &mut measured);
    }
    (!measured.runs.is_empty()).then_some(measured)
}

fn count_calls(row: &Row, bench: &Bench, measured: &mut RowRecord) {
    for server in row.servers.iter().copied() {
        match bench.calls(row, server) {
            Ok(calls) => {
                measured.calls.insert(server, calls);
            }
            Err(error) => eprintln!("  calls of {} not counted: {error:#}", server.title()),
        }
    }
}

fn chosen(args: &Args) -> Result<Vec<Row>> {
    let mut rows = plan::rows();
    for word in &args.only {
        ensure!(
            rows.iter().any(|row| row.is_meant_by(word)),
            "no row is meant by {word}; --list tells them"
        );
    }
    rows.retain(|row| match args.only.as_slice() {
        [] => row.is_quick || !args.quick,
        only => only.iter().any(|word| row.is_meant_by(word)),
    });
    if let Some(peers) = &args.peers {
        for row in &mut rows {
            row.servers
                .retain(|server| server.is_quire() || peers.contains(server));
        }
    }
    Ok(rows)
}

fn require(rows: &[Row], tools: &Tools) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores >= 2, "server and generator need a core each");
    for server in rows.iter().flat_map(|row| &row.servers) {
        Tools::require(&server.needs(tools)).with_context(|| server.title())?;
    }
    let types = rows.iter().any(|row| row.needs_traces());
    if types && !tools.traces.exists() {
        bail!(
            "{} is not there: QUIRE_TRACES must name the folder of josephg/editing-traces",
            tools.traces.display()
        );
    }
    Ok(())
}

fn list(rows: &[Row], args: &Args) {
    for row in rows {
        let minutes = seconds(row, args) / 60.0;
        println!("{:28} {minutes:5.1} min  {}", row.key, row.title);
    }
}

fn failures_of_quire<'a>(record: &Record, rows: &'a [Row]) -> Vec<&'a str> {
    let failed = |row: &&Row| {
        let measured = record.rows.get(&row.key);
        let runs = measured.into_iter().flat_map(|row| &row.runs);
        let mut of_quire = runs.filter(|(server, _)| server.is_quire());
        of_quire.any(|(_, runs)| runs.iter().any(|run| !run.is_good()))
    };
    rows.iter()
        .filter(failed)
        .map(|row| row.key.as_str())
        .collect()
}

fn servers_of_round(row: &Row, round: usize, args: &Args) -> Vec<Server> {
    let servers = row.servers.iter().copied();
    servers
        .filter(|server| round < row.runs_of(*server, args.runs()))
        .collect()
}

/// About what one round of a row takes.
fn round_seconds(row: &Row, round: usize, args: &Args) -> f64 {
    servers_of_round(row, round, args).len() as f64 * row_seconds(row, args)
}

/// About what a row takes.
fn seconds(row: &Row, args: &Args) -> f64 {
    let runs = row.servers.iter();
    let runs: usize = runs.map(|server| row.runs_of(*server, args.runs())).sum();
    runs as f64 * row_seconds(row, args)
}

/// About what one run takes, with starting, connecting and verifying.
fn row_seconds(row: &Row, args: &Args) -> f64 {
    let step = |step: &plan::Step| {
        let load = if args.quick {
            step.seconds.min(1.5)
        } else {
            step.seconds
        };
        load + step.workload.seconds_besides(load) + STEP_OVERHEAD_SECONDS
    };
    row.steps.iter().map(step).sum()
}

impl Args {
    fn runs(&self) -> usize {
        self.runs.unwrap_or(if self.quick { 1 } else { 5 })
    }

    fn minutes(&self) -> f64 {
        self.minutes.unwrap_or(if self.quick { 4.0 } else { 40.0 })
    }
}

const RECORD: &str = "record.json";
const QUICK_RECORD: &str = "quick.json";
const OUT_OF_TIME: &str = "there was no time left";
const STEP_OVERHEAD_SECONDS: f64 = 1.5;
