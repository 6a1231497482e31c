//! The rows of documents of Automerge: what is known to be hard for automerge-repo's own server, on that and on Quire.

use super::measure::{self as m, Measure, Unit};
use super::tables::thousands;
use super::{Row, Section, Start, Step};
use crate::peers::Server;
use crate::record::{Phase, Run};
use crate::spec::{Automerge, Workload};

pub(super) fn rows() -> Vec<Row> {
    vec![four(), people(), documents(), history()]
}

/// The number of people with whom trouble has been told of.
fn four() -> Row {
    row(
        "automerge-typing-4",
        "4 people type in 50,000 letters",
        vec![typing(4, 4, 10.0)],
    )
    .showing([
        m::P50,
        m::P99,
        m::CPU_PER_DELIVERY,
        Measure {
            is_of_quire: false,
            ..m::ACK_P99
        },
    ])
}

/// Each number of people types for some seconds.
fn people() -> Row {
    let most = Measure::more("people while p99 is within 1 s", Unit::People, |run| {
        Some(f64::from(m::load(run)?.result.automerge.as_ref()?.people))
    });
    row(
        "automerge-people",
        "more and more people type in 50,000 letters",
        vec![typing(2, PEOPLE_MAX, 3.0)],
    )
    .showing([most])
    .at_most(3, 3)
}

/// Documents come to be by use, are left alone, and are come back to after a restart.
fn documents() -> Row {
    let (documents, changes) = (DOCUMENTS, CHANGES);
    let steps = vec![
        step(Automerge::Documents { documents, changes }).named("use"),
        // Longer than documents stay in Quire's memory when nobody uses them.
        step(Automerge::Rest { pause: 40.0 })
            .named("idle")
            .starting(Start::Warm),
        step(Automerge::Return { documents, changes })
            .named("return")
            .starting(Start::Cold),
    ];
    let title = format!("{} documents, {changes} changes each", thousands(documents));
    row("automerge-documents", &title, steps)
        .showing([
            Measure::less("memory after use", Unit::Megabytes, |run| {
                memory(run, "use")
            }),
            Measure::less("memory when idle", Unit::Megabytes, |run| {
                memory(run, "idle")
            }),
            Measure::less("all answered after a restart", Unit::Milliseconds, |run| {
                Some(run.phase("return")?.result.open.max as f64 / 1e3)
            }),
            Measure::less("CPU of these answers", Unit::Milliseconds, |run| {
                Some(m::cpu_us(run.phase("return")?) / 1e3)
            }),
            Measure::less("memory after them", Unit::Megabytes, |run| {
                memory(run, "return")
            }),
        ])
        .at_most(3, 3)
}

/// One document, opened by who has nothing.
fn history() -> Row {
    let open = || step(Automerge::Open { changes: LONG });
    let steps = vec![
        step(Automerge::Write { changes: LONG }).named("write"),
        // Files are written some time after the changes came.
        step(Automerge::Rest { pause: 5.0 })
            .named("rest")
            .starting(Start::Warm),
        open().named("warm").starting(Start::Warm),
        open().named("cold").starting(Start::Cold),
    ];
    let title = format!("one document of {} changes", thousands(LONG));
    row("automerge-history", &title, steps)
        .showing([
            Measure::less("content, server just started", Unit::Milliseconds, |run| {
                content_ms(run.phase("cold")?)
            }),
            Measure::less("of that until all came", Unit::Milliseconds, |run| {
                arrived_ms(run.phase("cold")?)
            }),
            Measure::less("content, document in memory", Unit::Milliseconds, |run| {
                content_ms(run.phase("warm")?)
            }),
            Measure::less(
                "of that until all came, in memory",
                Unit::Milliseconds,
                |run| arrived_ms(run.phase("warm")?),
            ),
            Measure::less("memory when opened", Unit::Megabytes, |run| {
                memory(run, "cold")
            }),
        ])
        .at_most(3, 2)
}

fn row(key: &str, title: &str, steps: Vec<Step>) -> Row {
    Row::new(key, Section::Automerge, title, steps).of(&[Server::Quire, Server::AutomergeRepo])
}

fn typing(from: u32, most: u32, seconds: f64) -> Step {
    let deed = Automerge::Typing {
        from,
        most,
        per_second_each: 6.0,
        length: 50_000,
    };
    Step::new(Workload::Automerge(deed), seconds).patient(120.0)
}

fn step(deed: Automerge) -> Step {
    Step::new(Workload::Automerge(deed), 0.0).patient(150.0)
}

fn memory(run: &Run, phase: &str) -> Option<f64> {
    Some(m::megabytes(run.phase(phase)?.end.rss_bytes))
}

fn content_ms(phase: &Phase) -> Option<f64> {
    Some(phase.result.open.p50 as f64 / 1e3)
}

fn arrived_ms(phase: &Phase) -> Option<f64> {
    Some(phase.result.automerge.as_ref()?.arrived.p50 as f64 / 1e3)
}

const PEOPLE_MAX: u32 = 256;
const DOCUMENTS: u32 = 1_000;
const CHANGES: u32 = 200;
const LONG: u32 = 200_000;
