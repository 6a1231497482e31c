//! The generator by hand: a workload on the command line, a readable result, and what the server took for it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args as ClapArgs;

use super::{Watch, load};
use crate::process::Sample;
use crate::spec::{AutomergeResult, Dialect, LoadResult, LoadSpec, Options, Quantiles, Workload};

/// What the generator is told by hand; without a workload it reads a specification from standard input.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Where the server listens
    #[arg(long, default_value = "ws://127.0.0.1:1234")]
    url: String,
    #[arg(long, value_enum, default_value = "y-websocket")]
    dialect: Dialect,
    /// How long edits are sent
    #[arg(long, default_value_t = 5.0, global = true)]
    seconds: f64,
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// Begins the names of the documents; without it, of this moment
    #[arg(long, global = true)]
    prefix: Option<String>,
    /// The length of the text that each document begins with
    #[arg(long, default_value_t = 1_000, global = true)]
    characters: u32,
    /// How many edits of each client may be under way when nothing else paces it
    #[arg(long, default_value_t = 1, global = true)]
    window: u32,
    /// Also compares what Quire's REST API says
    #[arg(long, global = true)]
    rest: bool,
    /// How long connecting and the end are waited for
    #[arg(long, default_value_t = 20.0, global = true)]
    patience_seconds: f64,
    /// The server's process, to tell what it took
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Prints the result as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    workload: Option<Workload>,
}

/// The specification that was given by hand, if one was.
///
/// # Errors
/// The clock stands before 1970.
pub(crate) fn spec(args: &Args) -> Result<Option<LoadSpec>> {
    let Some(workload) = args.workload.clone() else {
        return Ok(None);
    };
    let moment = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let prefix = args.prefix.clone();
    Ok(Some(LoadSpec {
        url: args.url.clone(),
        dialect: args.dialect,
        workload,
        seconds: args.seconds,
        seed: args.seed,
        options: Options {
            prefix: prefix.unwrap_or_else(|| format!("bench-{moment}-")),
            characters: args.characters,
            window: args.window,
            rest: args.rest,
            patience_seconds: args.patience_seconds,
        },
    }))
}

/// Runs it, and prints the result.
///
/// # Errors
/// It could not be run.
pub(crate) fn run(args: &Args, spec: &LoadSpec) -> Result<LoadResult> {
    let mut watcher = Watcher::new(args.pid);
    let result = load(spec, &mut watcher)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&result)?);
    } else {
        print(&result);
        watcher.print(&result);
    }
    Ok(result)
}

/// Looks at the server's process as the run goes.
struct Watcher {
    pid: Option<u32>,
    begin: Option<Sample>,
    end: Option<Sample>,
}

impl Watcher {
    fn new(pid: Option<u32>) -> Self {
        Self {
            pid,
            begin: None,
            end: None,
        }
    }

    fn look(&self) -> Result<Option<Sample>> {
        self.pid.map(Sample::of).transpose()
    }

    fn print(&self, result: &LoadResult) {
        let (Some(begin), Some(end)) = (self.begin, self.end) else {
            return;
        };
        let presence = result
            .presence
            .as_ref()
            .map_or(0, |presence| presence.deliveries);
        let deliveries = result.deliveries + presence;
        let cpu = end.cpu_seconds - begin.cpu_seconds;
        let voluntary = end.voluntary_switches - begin.voluntary_switches;
        let involuntary = end.involuntary_switches - begin.involuntary_switches;
        println!(
            "server CPU         {cpu:.2} s, {:.0} % of a core",
            100.0 * cpu / result.seconds
        );
        for (what, count) in [("delivery", deliveries), ("edit", result.edits)] {
            if count > 0 {
                println!("  per {what:<12} {:.2} us", cpu * 1e6 / count as f64);
            }
        }
        println!(
            "server calls       {} reads, {} writes",
            end.read_calls - begin.read_calls,
            end.write_calls - begin.write_calls
        );
        println!("server switches    {voluntary} voluntary, {involuntary} involuntary");
        println!(
            "server memory      {:.1} MB at begin, {:.1} MB at end, {:.1} MB at most",
            megabytes(begin.rss_bytes),
            megabytes(end.rss_bytes),
            megabytes(end.peak_bytes)
        );
    }
}

impl Watch for Watcher {
    fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.begin = self.look()?;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.end = self.look()?;
        Ok(())
    }
}

fn print(result: &LoadResult) {
    let seconds = result.seconds;
    let per_second = |count: u64| count as f64 / seconds;
    println!("seed               {}", result.seed);
    println!("connected in       {:.2} s", result.connect_seconds);
    println!("  each             {}", in_words(&result.open));
    println!("run                {seconds:.2} s");
    println!(
        "edits              {}, {:.0} /s",
        result.edits,
        per_second(result.edits)
    );
    if result.deliveries > 0 {
        println!(
            "deliveries         {}, {:.0} /s",
            result.deliveries,
            per_second(result.deliveries)
        );
        println!("latency            {}", in_words(&result.latency));
    }
    if let Some(ack) = &result.ack {
        println!("ack                {}", in_words(ack));
    }
    if let Some(presence) = &result.presence {
        println!(
            "cursors            {} moves, {} arrived, {:.0} /s, {} left out, {} not seen",
            presence.sent,
            presence.deliveries,
            per_second(presence.deliveries),
            presence.superseded,
            presence.missing
        );
        println!("  latency          {}", in_words(&presence.latency));
    }
    if let Some(recovery) = result.recovery_seconds {
        println!("stalled ones equal {recovery:.3} s after they read again");
    }
    if let Some(automerge) = &result.automerge {
        print_rungs(automerge);
    }
    println!(
        "received           {} frames, {:.1} MB, {} reads; sent {:.1} MB",
        result.frames_in,
        megabytes(result.bytes_in),
        result.reads,
        megabytes(result.bytes_out)
    );
    println!(
        "generator CPU      {:.2} s, {:.0} % of a core",
        result.generator_cpu_seconds,
        100.0 * result.generator_cpu_seconds / seconds
    );
    println!(
        "missing {}, stalls {}, closed {}, equal: {}",
        result.missing, result.stalls, result.closed, result.equal
    );
}

fn print_rungs(automerge: &AutomergeResult) {
    for rung in &automerge.rungs {
        println!(
            "{:>4} people        p50 {:.2} ms, p99 {:.2}, {} of {} late, {} closed, generator {:.0} % of a core",
            rung.people,
            rung.p50 as f64 / 1e3,
            rung.p99 as f64 / 1e3,
            rung.late,
            rung.expected,
            rung.closed,
            100.0 * rung.generator_share
        );
    }
    if automerge.arrived.count > 0 {
        println!("arrived            {}", in_words(&automerge.arrived));
    }
}

fn in_words(times: &Quantiles) -> String {
    let ms = |us: u64| us as f64 / 1_000.0;
    format!(
        "p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        ms(times.p50),
        ms(times.p90),
        ms(times.p99),
        ms(times.p999),
        ms(times.max)
    )
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
