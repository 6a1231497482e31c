//! Plans from a seed. Each seed also chooses which kinds of steps there are and how often, so that plans differ in
//! character: some are all typing, some all crashes.

use super::plan::{Delivery, Edit, Fate, Plan, Poison, Setup, Step};
use crate::chance::Chance;

/// The plan of a seed for documents of a kind, with so many steps and a last [`Step::Quiesce`].
pub fn generate(kind: engine::Kind, seed: u64, steps: usize) -> Plan {
    let mut maker = Maker {
        chance: Chance::from_seed(seed),
        weights: Vec::new(),
        embeds: seed % 8 == 7,
    };
    let setup = maker.setup(kind, seed);
    maker.weights = maker.weights(&setup);
    let mut steps: Vec<_> = (0..steps).map(|_| maker.step()).collect();
    steps.push(Step::Quiesce);
    Plan { setup, steps }
}

struct Maker {
    chance: Chance,
    weights: Vec<(u64, Kind)>,
    /// Whether there are documents within documents. yrs writes their options in any order, so plans with them are not
    /// the same to the byte each time.
    embeds: bool,
}

/// The kinds of steps.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Edit,
    Upload,
    Run,
    Store,
    Download,
    Calm,
    Join,
    Roam,
    Cut,
    Notice,
    Reload,
    Share,
    Grant,
    Bus,
    Poll,
    Pass,
    Crash,
    Start,
    Drain,
    Pause,
    SetClock,
    Poison,
    Delete,
    FailOver,
    Quiesce,
}

impl Maker {
    fn setup(&mut self, kind: engine::Kind, seed: u64) -> Setup {
        let nodes = 1 + self.below(NODES_MAX) as usize;
        // A conversation is told less than goes over the line.
        let crowding = if kind == engine::Kind::Automerge {
            8
        } else {
            1
        };
        let chance = &mut self.chance;
        Setup {
            seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kind,
            nodes,
            documents: 1 + usize::from(chance.one_in(3)),
            clients: 2 + chance.below(3) as usize,
            skews_ms: (0..nodes)
                .map(|_| chance.below(7_200_000) as i64 - 3_600_000)
                .collect(),
            unsaved_bytes_max: if chance.one_in(4) { 8_000 } else { 1 << 20 },
            updates_per_change_max: 1 + chance.below(4) as usize,
            changes_per_append_max: 1 + chance.below(6) as usize,
            snapshot_changes: 2 + chance.below(30),
            idle_ms: [100, 1_000, 30_000][chance.below(3) as usize],
            outbox_frames: [32, 64, 1_000][chance.below(3) as usize] / crowding,
            mailbox: [2, 16, 256][chance.below(3) as usize],
            held_changes_max: [2, 1_024][chance.below(2) as usize],
            changes_per_pull_max: [1, 3, 256][chance.below(3) as usize],
            presence_wait_max_ms: [0, 250, 2_000][(seed % 3) as usize],
            kept_bytes_max: [1 << 20, 600][usize::from(seed % 5 == 4)],
            // A Yjs client whose document is full is closed for good.
            document_weight_max: match kind {
                engine::Kind::Automerge if seed % 2 == 1 => 240_000,
                _ => 1 << 30,
            },
            bug: None,
        }
    }

    /// How often each kind of step comes. What is rare does not come at all in most plans, and often in some.
    fn weights(&mut self, setup: &Setup) -> Vec<(u64, Kind)> {
        let often = [Kind::Edit, Kind::Upload, Kind::Run, Kind::Download];
        let sometimes = [
            Kind::Join,
            Kind::Roam,
            Kind::Cut,
            Kind::Notice,
            Kind::Reload,
            Kind::Share,
            Kind::Pass,
        ];
        let rarely = [
            Kind::Crash,
            Kind::Drain,
            Kind::Pause,
            Kind::SetClock,
            Kind::Poison,
            Kind::Quiesce,
            Kind::Grant,
        ];
        let mut weights = vec![(6, Kind::Join), (4, Kind::Start)];
        weights.extend(often.map(|kind| (20 + self.below(60), kind)));
        weights.extend([Kind::Store, Kind::Calm].map(|kind| (1 + self.below(40), kind)));
        weights.extend(sometimes.map(|kind| (self.below(16), kind)));
        weights.extend(rarely.map(|kind| (self.below(12).saturating_sub(6), kind)));
        if setup.nodes > 1 {
            weights.extend([Kind::Bus, Kind::Poll].map(|kind| (self.below(60), kind)));
        }
        if setup.nodes > 1 && self.chance.one_in(3) {
            weights.push((1 + self.below(8), Kind::FailOver));
        }
        if self.chance.one_in(16) {
            weights.push((1, Kind::Delete));
        }
        weights
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.below(bound)
    }

    fn number(&mut self, bound: u64) -> usize {
        self.chance.below(bound) as usize
    }

    fn kind(&mut self) -> Kind {
        let total = self.weights.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, kind) in &self.weights {
            if left < *weight {
                return *kind;
            }
            left -= weight;
        }
        Kind::Run
    }

    fn step(&mut self) -> Step {
        let kind = self.kind();
        let (client, node) = (self.number(CLIENTS), self.number(6));
        match kind {
            Kind::Edit => {
                let edit = self.edit();
                Step::Edit { client, edit }
            }
            Kind::Upload => {
                let frames = 1 + self.number(4);
                Step::Upload { client, frames }
            }
            Kind::Download => {
                let frames = 1 + self.number(8);
                Step::Download { client, frames }
            }
            Kind::Join => Step::Join { client, node },
            Kind::Roam => Step::Roam { client, node },
            Kind::Reload => Step::Reload { client, node },
            Kind::Share => {
                let from = self.number(CLIENTS);
                Step::Share { client, from }
            }
            Kind::Grant => {
                let may_write = self.chance.one_in(2);
                Step::Grant { client, may_write }
            }
            Kind::Cut => {
                let arrive = self.number(4);
                Step::Cut { client, arrive }
            }
            _ => self.step_of_nodes(kind, node),
        }
    }

    fn step_of_nodes(&mut self, kind: Kind, node: usize) -> Step {
        match kind {
            Kind::Notice => Step::Notice { node },
            Kind::Store => {
                let fate = match self.below(12) {
                    0 => Fate::FailedBefore,
                    1 => Fate::FailedAfter,
                    _ => Fate::Done,
                };
                let pick = self.number(12);
                Step::Store { pick, fate }
            }
            Kind::Bus => {
                let fate = match self.below(8) {
                    0 => Delivery::Again,
                    1 => Delivery::Lost,
                    _ => Delivery::Once,
                };
                let pick = self.number(60);
                Step::Bus { pick, fate }
            }
            Kind::FailOver => Step::FailOver {
                document: self.number(2),
                changes: 1 + self.number(4),
            },
            Kind::Poll => Step::Poll { node },
            Kind::Pass => {
                let ms = [50, 500, 3_000, 20_000, 60_000][self.number(5)];
                Step::Pass { ms }
            }
            Kind::Calm => {
                let rounds = 1 + self.number(6);
                Step::Calm { rounds }
            }
            Kind::Quiesce => Step::Quiesce,
            Kind::Run => {
                let mails = 1 + self.number(12);
                Step::Run { node, mails }
            }
            _ => self.fault(kind, node),
        }
    }

    fn fault(&mut self, kind: Kind, node: usize) -> Step {
        let lands = self.chance.one_in(2);
        match kind {
            Kind::Crash if self.chance.one_in(3) => Step::Crash { node, lands },
            Kind::Crash => {
                let effects = self.number(12);
                Step::CrashAfter {
                    node,
                    effects,
                    lands,
                }
            }
            Kind::Drain => Step::Drain { node },
            Kind::Pause if self.chance.one_in(3) => Step::Pause { node },
            Kind::Pause => Step::Resume { node },
            Kind::SetClock => {
                let skew_ms = self.below(7_200_000) as i64 - 3_600_000;
                Step::SetClock { node, skew_ms }
            }
            Kind::Poison => {
                let poison = [
                    Poison::BrokenFrame,
                    Poison::BrokenUpdate,
                    Poison::Contradiction,
                    Poison::Panic,
                    Poison::BrokenVector,
                ][self.number(5)];
                let document = self.number(2);
                Step::Poison {
                    document,
                    node,
                    poison,
                }
            }
            Kind::Delete => {
                let document = self.number(2);
                Step::Delete { document, node }
            }
            _ => Step::Start { node },
        }
    }

    fn edit(&mut self) -> Edit {
        let (at, length) = (self.below(60) as u32, 1 + self.below(6) as u32);
        let key = ["k", "l", "m"][self.number(3)].to_owned();
        let text = ["a", "bc", "\u{1f600}", "several words "][self.number(4)].to_owned();
        match self.below(24) {
            0..=8 => Edit::Type { at, text },
            9..=11 => Edit::Erase { at, length },
            12..=13 => {
                let bold = self.chance.one_in(2);
                Edit::Format { at, length, bold }
            }
            14 => Edit::Set { key, value: at },
            15 => Edit::Unset { key },
            16 => Edit::Nest { key },
            17..=18 => Edit::Insert { at, value: length },
            19 => Edit::Remove { at, length },
            20 => Edit::Grow { at },
            21 => Edit::Withhold { text },
            22 => Edit::Repeat,
            _ if self.embeds => Edit::Embed { key },
            _ => Edit::Set { key, value: length },
        }
    }
}

/// More than any plan has, and a multiple of every number of clients, so that all are chosen equally often.
const CLIENTS: u64 = 12;
/// Nodes that a plan may have.
const NODES_MAX: u64 = 3;
