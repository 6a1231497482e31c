//! The points of the curves: one thing grows, all else stays, and what one change, one delivery or one opening costs should
//! stay too.

use super::measure::{self as m, Measure, Unit};
use super::tables::{opened, thousands, trace};
use super::{Row, Section, Start, Step};
use crate::peers::Server;
use crate::spec::Workload;

pub(super) fn rows() -> Vec<Row> {
    let groups = [clients(), documents(), changes(), sizes()];
    groups.into_iter().flatten().collect()
}

/// As many deliveries a second, whatever the number of clients.
fn clients() -> Vec<Row> {
    let row = |clients: u32| {
        let workload = Workload::Room {
            clients,
            edits_per_second: Some((DELIVERIES_PER_SECOND / f64::from(clients)).min(1_000.0)),
            writers: None,
        };
        point(Section::Clients, clients, vec![Step::new(workload, 4.0)]).showing([
            m::CPU_PER_DELIVERY,
            m::P99,
            m::MEMORY_CONNECTED,
        ])
    };
    [2, 10, 100, 1_000, 5_000].map(row).into()
}

/// As many changes a second, whatever the number of documents. One client in each, because files are bounded.
fn documents() -> Vec<Row> {
    let row = |documents: u32| {
        let workload = Workload::Rooms {
            documents,
            clients_each: 1,
            edits_per_second: Some(1_000.0),
        };
        let step = Step::new(workload, 4.0).patient(60.0);
        point(Section::Documents, documents, vec![step]).showing([
            m::CPU_PER_EDIT,
            m::ACK_P99,
            m::MEMORY_CONNECTED,
        ])
    };
    [1, 10, 100, 1_000, 10_000, 19_000].map(row).into()
}

/// The beginning of a typing session, all of it, and four times all of it; then the document is opened.
fn changes() -> Vec<Row> {
    let row = |edits: u32| {
        let times = edits.div_ceil(TRACE_EDITS);
        let keystrokes = (edits < TRACE_EDITS).then_some(edits);
        let open = Workload::Open {
            clients: 1,
            document: "trace".to_owned(),
            bytes: None,
        };
        let steps = vec![
            Step::new(trace(times, keystrokes), 0.0)
                .named("typing")
                .patient(120.0),
            Step::new(open.clone(), 0.0)
                .named("warm")
                .starting(Start::Warm),
            Step::new(open, 0.0).named("cold").starting(Start::Cold),
        ];
        let cost = Measure::less("CPU per change", Unit::Microseconds, |run| {
            let typing = run.phase("typing")?;
            m::per(m::cpu_us(typing), typing.result.edits)
        });
        point(Section::Changes, edits, steps).showing([
            cost,
            opened("opened from memory", "warm"),
            opened("opened from disk", "cold"),
        ])
    };
    [1_000, 10_000, 100_000, TRACE_EDITS, 4 * TRACE_EDITS]
        .map(row)
        .into()
}

/// A text that is there, opened from memory and from disk.
fn sizes() -> Vec<Row> {
    let row = |bytes: u32| {
        let open = |bytes| Workload::Open {
            clients: 1,
            document: "sized".to_owned(),
            bytes,
        };
        let steps = vec![
            Step::new(open(Some(bytes)), 0.0)
                .named("warm")
                .patient(60.0),
            Step::new(open(None), 0.0)
                .named("cold")
                .starting(Start::Cold)
                .patient(60.0),
        ];
        let memory = Measure::less("memory when open", Unit::Megabytes, |run| {
            Some(run.phase("cold")?.end.rss_bytes as f64 / 1e6)
        });
        point(Section::Size, bytes, steps).showing([
            opened("opened from memory", "warm"),
            opened("opened from disk", "cold"),
            memory,
        ])
    };
    [1_000, 10_000, 100_000, 1_000_000, 5_000_000, 20_000_000]
        .map(row)
        .into()
}

fn point(section: Section, x: u32, steps: Vec<Step>) -> Row {
    let key = format!("{}-{x}", section.key());
    let mut row = Row::new(&key, section, &thousands(x), steps)
        .of(&[Server::Quire])
        .at_most(3, 0);
    row.x = f64::from(x);
    row
}

const DELIVERIES_PER_SECOND: f64 = 20_000.0;
const TRACE_EDITS: u32 = 259_778;
