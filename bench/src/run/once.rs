//! One run of one row against one server: a new server, its loads one after the other, and the verification.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::calls::Counting;
use super::disk;
use super::generator::Generator;
use super::log::Said;
use crate::peers::{Running, Server, Tools};
use crate::plan::{Row, Start, Step};
use crate::process::{self, Sample};
use crate::record::{Calls, Phase, Run};
use crate::spec::{LoadResult, LoadSpec, Options, Workload};

/// What all runs have in common.
pub(super) struct Bench {
    pub(super) tools: Tools,
    pub(super) is_quick: bool,
}

impl Bench {
    /// Runs a row once; whatever goes wrong is in the result.
    pub(super) fn run(&self, row: &Row, server: Server, seed: u64) -> Run {
        let mut run = Run::default();
        if let Err(error) = self.try_run(row, server, seed, &mut run) {
            run.faults.push(format!("{error:#}"));
        }
        run
    }

    /// Counts system calls during the first load of a row.
    pub(super) fn calls(&self, row: &Row, server: Server) -> Result<Calls> {
        let step = row.steps.first().context("a row has a load")?;
        let running = self.start(server, Start::Empty)?;
        let mut spec = self.spec(&running, step, 1);
        spec.seconds = COUNTED_SECONDS;
        let mut generator = Generator::start(&self.tools, &spec, deadline(step))?;
        generator.ready()?;
        let counting = Counting::of(running.pid(), &self.folder())?;
        generator.begin()?;
        generator.end()?;
        let counts = counting.finish()?;
        let result = generator.result()?;
        Ok(Calls {
            deliveries: result.deliveries,
            edits: result.edits,
            counts,
        })
    }

    fn try_run(&self, row: &Row, server: Server, seed: u64, run: &mut Run) -> Result<()> {
        run.fsync_us = disk::fsync_us(&self.folder())?;
        let mut running: Option<Running> = None;
        for step in &row.steps {
            if step.start == Start::Cold && !server.stores() {
                continue;
            }
            let current = match running.take() {
                Some(running) if step.start == Start::Warm => running,
                Some(running) => {
                    self.end(running)?;
                    self.start(server, step.start)?
                }
                None => self.start(server, step.start)?,
            };
            let phase = self.phase(&current, step, seed)?;
            run.faults.extend(faults(&phase));
            run.phases.push(phase);
            running = Some(current);
        }
        running.map_or(Ok(()), |running| self.end(running))
    }

    fn start(&self, server: Server, start: Start) -> Result<Running> {
        let folder = self.folder();
        if start == Start::Empty && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        Running::start(server, &self.tools, &folder)
    }

    fn phase(&self, server: &Running, step: &Step, seed: u64) -> Result<Phase> {
        let spec = self.spec(server, step, seed);
        let pid = server.pid();
        let before = Sample::of(pid)?;
        let mut generator = Generator::start(&self.tools, &spec, deadline(step))?;
        generator.ready()?;
        let ready = Sample::of(pid)?;
        process::forget_peak(pid)?;
        generator.begin()?;
        let begin = Sample::of(pid)?;
        generator.end()?;
        let end = Sample::of(pid).context("the server is no more")?;
        let result = generator.result()?;
        Ok(Phase {
            name: step.name.to_owned(),
            result,
            before,
            ready,
            begin,
            end,
        })
    }

    /// Stops a server; Quire's log is compared with what it said.
    fn end(&self, server: Running) -> Result<()> {
        if !server.server.is_quire() {
            return server.stop();
        }
        let said = Said::by(&server)?;
        server.stop()?;
        said.compare(&self.tools, &self.folder().join("data"))
    }

    fn spec(&self, server: &Running, step: &Step, seed: u64) -> LoadSpec {
        let mut workload = step.workload.clone();
        if let Workload::Trace { file, .. } = &mut workload {
            *file = self.tools.traces.join(&*file).display().to_string();
        }
        LoadSpec {
            url: format!("ws://{}", server.address()),
            dialect: server.server.dialect(),
            workload,
            seconds: self.seconds(step),
            seed,
            options: Options {
                window: step.window,
                rest: server.server.is_quire(),
                patience_seconds: step.patience_seconds,
                ..Options::default()
            },
        }
    }

    fn seconds(&self, step: &Step) -> f64 {
        if self.is_quick {
            step.seconds.min(QUICK_SECONDS)
        } else {
            step.seconds
        }
    }

    fn folder(&self) -> PathBuf {
        self.tools.scratch.join("data")
    }
}

/// What makes a load a failure although it came to its end: what the generator complains of, and what it should have.
fn faults(phase: &Phase) -> Vec<String> {
    let LoadResult {
        missing,
        closed,
        equal,
        faults,
        ..
    } = &phase.result;
    let mut found = faults.clone();
    if !found.is_empty() {
        return found;
    }
    if *missing > 0 {
        found.push(format!("{missing} deliveries are missing"));
    }
    if *closed > 0 {
        found.push(format!("{closed} connections were closed"));
    }
    if !equal {
        found.push("not all hold the same".to_owned());
    }
    found
}

fn deadline(step: &Step) -> Instant {
    let seconds = step.seconds + 2.0 * step.patience_seconds + 15.0;
    Instant::now() + Duration::from_secs_f64(seconds)
}

const QUICK_SECONDS: f64 = 1.5;
const COUNTED_SECONDS: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_of_which_something_is_missing_has_failed() {
        let good = LoadResult {
            equal: true,
            ..LoadResult::default()
        };
        let silent = LoadResult {
            missing: 3,
            closed: 1,
            ..LoadResult::default()
        };
        let told = LoadResult {
            faults: vec!["broken".to_owned()],
            ..silent.clone()
        };
        let faults_of = |result| {
            faults(&Phase {
                result,
                ..Phase::default()
            })
        };
        assert!(faults_of(good).is_empty());
        assert_eq!(faults_of(silent).len(), 3);
        assert_eq!(faults_of(told), ["broken"]);
    }
}
