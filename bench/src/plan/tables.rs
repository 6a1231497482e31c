//! The rows of the tables: everyday loads, each against peers and, where it makes sense, ceilings.

use super::measure::{self as m, Measure, Unit, memory_added, memory_each};
use super::{Row, Section, Start, Step};
use crate::peers::Server;
use crate::record::Run;
use crate::spec::Workload;

const PEERS: [Server; 4] = [
    Server::Quire,
    Server::YWebsocket,
    Server::Hocuspocus,
    Server::YSweet,
];
const WITH_CEILINGS: [Server; 6] = [
    Server::Quire,
    Server::YWebsocket,
    Server::Hocuspocus,
    Server::YSweet,
    Server::Tungstenite,
    Server::Coalesce,
];
/// Who is measured in rooms where people type: also Quire in the dialect of Hocuspocus.
const IN_ROOMS: [Server; 7] = [
    Server::Quire,
    Server::QuireHocuspocus,
    Server::YWebsocket,
    Server::Hocuspocus,
    Server::YSweet,
    Server::Tungstenite,
    Server::Coalesce,
];
/// Those that have the document again after a restart, and the fastest that has not.
const STORING: [Server; 4] = [
    Server::Quire,
    Server::YWebsocket,
    Server::HocuspocusSqlite,
    Server::YSweetFiles,
];

pub(super) fn rows() -> Vec<Row> {
    let groups = [
        saturated(),
        steady(),
        rooms(),
        presence(),
        rest(),
        stalled(),
        history(),
        joining(),
        ordered(),
    ];
    groups.into_iter().flatten().collect()
}

impl Row {
    /// A row with one load, for all peers.
    pub(super) fn new(key: &str, section: Section, title: &str, steps: Vec<Step>) -> Self {
        Self {
            key: key.to_owned(),
            section,
            title: title.to_owned(),
            servers: PEERS.to_vec(),
            steps,
            measures: Vec::new(),
            runs_max: usize::MAX,
            peer_runs_max: usize::MAX,
            is_quick: false,
            counts_calls: false,
            x: 0.0,
        }
    }

    pub(super) fn of(mut self, servers: &[Server]) -> Self {
        self.servers = servers.to_vec();
        self
    }

    pub(super) fn showing(mut self, measures: impl Into<Vec<Measure>>) -> Self {
        self.measures = measures.into();
        self
    }

    fn quick(mut self) -> Self {
        self.is_quick = true;
        self
    }

    fn counting_calls(mut self) -> Self {
        self.counts_calls = true;
        self
    }

    pub(super) fn at_most(mut self, runs: usize, of_peers: usize) -> Self {
        (self.runs_max, self.peer_runs_max) = (runs, of_peers);
        self
    }
}

fn saturated() -> Vec<Row> {
    let row = |clients, edits, deliveries| {
        // The slowest peer takes half a minute for what a thousand clients have under way.
        let step = Step::new(room(clients, None), 3.0)
            .saturated()
            .patient(60.0);
        let title = format!("{} clients", thousands(clients));
        Row::new(
            &format!("room-{clients}-saturated"),
            Section::Saturated,
            &title,
            vec![step],
        )
        .of(&IN_ROOMS)
        .showing([
            Measure {
                target: edits,
                ..m::EDITS
            },
            m::DELIVERIES.target(deliveries),
            m::CPU_PER_DELIVERY,
        ])
    };
    vec![
        row(100, Some(28_000.0), 2.8e6).quick().counting_calls(),
        row(1_000, None, 2.2e6).at_most(usize::MAX, 2),
    ]
}

/// Clients that send an operation as soon as the one before is acknowledged: by Quire once it is on disk, by the peer once it
/// is in memory.
fn ordered() -> Vec<Row> {
    let row = |documents: u32, clients_each: u32| {
        let workload = Workload::Ordered {
            documents,
            clients_each,
        };
        let title = match (documents, clients_each) {
            (1, 1) => "one document, one client".to_owned(),
            (1, many) => format!("one document, {many} clients"),
            (many, each) => format!("{} documents, {each} clients each", thousands(many)),
        };
        let key = format!("ordered-{documents}-{clients_each}");
        let step = Step::new(workload, 4.0).patient(60.0);
        Row::new(&key, Section::Ordered, &title, vec![step])
            .of(&[Server::Quire, Server::ShareDb])
            .showing([
                m::EDITS,
                Measure {
                    is_of_quire: false,
                    ..m::ACK_P50
                },
                Measure {
                    is_of_quire: false,
                    ..m::ACK_P99
                },
                m::P99,
                m::CPU_PER_EDIT,
            ])
    };
    vec![row(1, 1), row(1, 10), row(1, 100), row(1_000, 2)]
}

fn steady() -> Vec<Row> {
    let row = |clients, rate: f64, cpu_us, p99_ms| {
        let step = Step::new(room(clients, Some(rate)), 4.0);
        let title = format!("{} clients, {rate} edits/s", thousands(clients));
        Row::new(
            &format!("room-{clients}-at-{rate}"),
            Section::Steady,
            &title,
            vec![step],
        )
        .of(&IN_ROOMS)
        .showing([
            m::CPU_PER_DELIVERY.target(cpu_us),
            m::P50,
            m::P99.target(p99_ms),
        ])
    };
    vec![
        row(100, 10.0, 8.0, 1.5),
        row(100, 100.0, 7.0, 1.2).quick().counting_calls(),
        row(1_000, 50.0, 6.0, 12.0),
    ]
}

fn rooms() -> Vec<Row> {
    let step = |rate, seconds| {
        let workload = Workload::Rooms {
            documents: 1_000,
            clients_each: 2,
            edits_per_second: rate,
        };
        Step::new(workload, seconds)
    };
    let saturated = Row::new(
        "documents-1000-saturated",
        Section::Rooms,
        "saturated",
        vec![step(None, 3.0).saturated()],
    )
    .of(&IN_ROOMS)
    .showing([
        m::EDITS.target(75_000.0),
        m::CPU_PER_EDIT,
        m::ACKED.target(20_000.0),
    ]);
    let steady = Row::new(
        "documents-1000-at-2000",
        Section::Rooms,
        "2,000 edits/s",
        vec![step(Some(2_000.0), 4.0)],
    )
    .showing([
        m::CPU_PER_EDIT.target(45.0),
        m::P50,
        m::P99.target(1.0),
        m::MEMORY_CONNECTED.target(35.0),
        m::ACK_P50,
        m::ACK_P99.target(25.0),
        m::ACK_IN_FSYNCS.target(2.5),
    ])
    .of(&IN_ROOMS);
    vec![
        saturated.quick().counting_calls(),
        steady.quick().counting_calls(),
    ]
}

fn presence() -> Vec<Row> {
    let moving = Workload::Presence {
        clients: 100,
        writers: 10,
        per_second_each: 10.0,
        typists: 0,
        edits_per_second: 0.0,
    };
    let crowd = Workload::Presence {
        clients: 1_500,
        writers: 1_500,
        per_second_each: 1.0,
        typists: 10,
        edits_per_second: 10.0,
    };
    vec![
        Row::new(
            "presence-100",
            Section::Presence,
            "100 clients, 10 cursors at 10/s each",
            vec![Step::new(moving, 4.0)],
        )
        .showing([m::CPU_PER_MOVE.target(3.0), m::MOVE_P99])
        .quick(),
        Row::new(
            "presence-1500",
            Section::Presence,
            "1,500 cursors at 1/s each, 10 people type",
            vec![Step::new(crowd, 5.0).patient(10.0)],
        )
        .showing([m::P99.target(250.0), m::P50, m::CPU_PER_MOVE])
        .at_most(usize::MAX, 1),
    ]
}

fn rest() -> Vec<Row> {
    let row = |key, title, own_documents, measures: Vec<Measure>| {
        let workload = Workload::Idle {
            connections: IDLE,
            own_documents,
        };
        Row::new(
            key,
            Section::Rest,
            title,
            vec![Step::new(workload, 1.0).patient(40.0)],
        )
        .showing(measures)
        .at_most(5, 3)
    };
    let each: Measure = Measure::less("memory per connection", Unit::Kibibytes, |run| {
        memory_each(run, IDLE)
    });
    vec![
        row(
            "idle-one-document",
            "10,000 connections, one document",
            false,
            vec![each.target(6.0), m::MEMORY_AT_START.target(12.0)],
        )
        .of(&WITH_CEILINGS),
        row(
            "idle-own-documents",
            "10,000 connections, each with its own document",
            true,
            vec![each.target(9.0)],
        ),
    ]
}

fn stalled() -> Vec<Row> {
    let row = |key, title, clients, writers, per_second_each, stalled| {
        let step = |stalled| {
            let workload = Workload::Stalled {
                clients,
                writers,
                per_second_each,
                stalled,
            };
            Step::new(workload, 5.0)
        };
        let steps = vec![
            step(0).named("without"),
            step(stalled).named("with").starting(Start::Empty),
        ];
        Row::new(key, Section::Stalled, title, steps)
    };
    let ratio = Measure::less("p99 of the others, to without", Unit::Times, |run| {
        let p99 = |name| Some(run.phase(name)?.result.latency.p99 as f64);
        m::per(p99("with")?, p99("without")? as u64)
    })
    .target(1.2);
    let recovery = Measure::less("equal again after", Unit::Milliseconds, |run| {
        Some(run.phase("with")?.result.recovery_seconds? * 1e3)
    });
    let added = Measure::less("memory for each of them", Unit::Megabytes, |run| {
        Some((memory_added(run.phase("with")?) - memory_added(run.phase("without")?)).max(0.0))
    });
    let each_of_ten = Measure::less(added.name, Unit::Megabytes, |run| {
        let more = memory_added(run.phase("with")?) - memory_added(run.phase("without")?);
        Some(more.max(0.0) / 10.0)
    });
    let mebibyte = f64::from(1 << 20) / 1e6;
    vec![
        row(
            "stalled-1-of-20",
            "20 clients, 10 type at 100/s each, 1 never reads",
            20,
            10,
            100.0,
            1,
        )
        .showing([ratio, added.target(mebibyte), recovery])
        .quick(),
        row(
            "stalled-10-of-1000",
            "1,000 clients, 10 type at 2/s each, 10 never read",
            1_000,
            10,
            2.0,
            10,
        )
        .showing([ratio, each_of_ten.target(mebibyte), recovery]),
    ]
}

fn history() -> Vec<Row> {
    let open = || Workload::Open {
        clients: 1,
        document: "trace".to_owned(),
        bytes: None,
    };
    let steps = vec![
        Step::new(trace(1, None), 0.0).named("typing").patient(40.0),
        Step::new(open(), 0.0).named("warm").starting(Start::Warm),
        Step::new(open(), 0.0).named("cold").starting(Start::Cold),
    ];
    let typing = Measure::less("typed through one socket", Unit::Seconds, |run| {
        Some(run.phase("typing")?.result.seconds)
    });
    vec![
        Row::new(
            "trace",
            Section::History,
            "automerge-paper, 259,778 edits",
            steps,
        )
        .of(&STORING)
        .showing([
            typing.target(5.0),
            opened("opened from disk", "cold").target(60.0),
            opened("opened from memory", "warm").target(5.0),
        ])
        .at_most(5, 1),
    ]
}

fn joining() -> Vec<Row> {
    let row = |megabytes: u32, seconds, memory| {
        let workload = Workload::Open {
            clients: 150,
            document: format!("large-{megabytes}"),
            bytes: Some(megabytes * 1_000_000),
        };
        let joined = Measure::less("all have it", Unit::Seconds, |run| {
            Some(m::load(run)?.result.open.max as f64 / 1e6)
        });
        let added = Measure::less("memory", Unit::Megabytes, |run| {
            Some(memory_added(m::load(run)?))
        });
        Row::new(
            &format!("joining-{megabytes}-mb"),
            Section::Joining,
            &format!("150 clients, {megabytes} MB"),
            vec![Step::new(workload, 0.0).patient(40.0)],
        )
        .showing([joined.target(seconds), added.target(memory)])
        .at_most(5, 1)
    };
    vec![row(4, 1.0, 100.0), row(20, 5.0, 400.0)]
}

/// How long one client waited for the document in a phase.
pub(super) fn opened(name: &'static str, phase: &'static str) -> Measure {
    let of = match phase {
        "cold" => |run: &Run| open_ms(run, "cold"),
        _ => |run: &Run| open_ms(run, "warm"),
    };
    Measure::less(name, Unit::Milliseconds, of)
}

fn open_ms(run: &Run, phase: &str) -> Option<f64> {
    Some(run.phase(phase)?.result.open.p50 as f64 / 1e3)
}

/// The typing session; the runner puts the folder before the name.
pub(super) fn trace(times: u32, keystrokes: Option<u32>) -> Workload {
    Workload::Trace {
        file: "automerge-paper.json.gz".to_owned(),
        document: "trace".to_owned(),
        window: 256,
        times,
        keystrokes,
    }
}

fn room(clients: u32, edits_per_second: Option<f64>) -> Workload {
    Workload::Room {
        clients,
        edits_per_second,
        writers: None,
    }
}

/// A number with a comma before each three digits.
pub(crate) fn thousands(number: u32) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", thousands(number / 1_000), number % 1_000),
    }
}

const IDLE: u32 = 10_000;
