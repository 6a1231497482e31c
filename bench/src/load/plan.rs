//! What a workload comes to: how many documents, who types and moves in them, how fast.

use super::ledger::Cast;
use crate::spec::{Ack, LoadSpec, Workload};

/// A workload in which clients are in documents of equal size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) documents: u32,
    /// Clients of each.
    pub(crate) each: u32,
    /// How many of these type, and how fast.
    pub(crate) authors: u32,
    pub(crate) pace: Pace,
    /// How many move a cursor (only in a plan of one document), and how often.
    pub(crate) movers: u32,
    pub(crate) moves_per_second: f64,
    /// How many of the clients of each document, the last ones, do not read.
    pub(crate) stalled: u32,
    /// The length of the text at the start.
    pub(crate) start: u32,
    pub(crate) ack: Ack,
}

/// How fast edits follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    Still,
    /// So many a second, by all authors in turn.
    Steady(f64),
    /// Each author has so many under way.
    Saturated(u32),
}

impl Plan {
    /// The plan of a workload; those of one socket have none of their own.
    pub(crate) fn new(spec: &LoadSpec) -> Self {
        let options = &spec.options;
        let pace = |per_second: Option<f64>| match per_second {
            Some(rate) if rate > 0.0 => Pace::Steady(rate),
            Some(_) => Pace::Still,
            None => Pace::Saturated(options.window),
        };
        let of = |documents, each| Self {
            documents,
            each,
            authors: 0,
            pace: Pace::Still,
            movers: 0,
            moves_per_second: 0.0,
            stalled: 0,
            start: options.characters,
            ack: spec.dialect.ack(),
        };
        match spec.workload {
            Workload::Room {
                clients,
                edits_per_second,
                writers,
            } => Self {
                authors: writers.unwrap_or(clients).min(clients),
                pace: pace(edits_per_second),
                ..of(1, clients)
            },
            Workload::Rooms {
                documents,
                clients_each,
                edits_per_second,
            } => Self {
                authors: clients_each,
                pace: pace(edits_per_second),
                ..of(documents, clients_each)
            },
            Workload::Presence {
                clients,
                writers,
                per_second_each,
                typists,
                edits_per_second,
            } => Self {
                authors: typists.min(clients),
                pace: pace(Some(edits_per_second)),
                movers: writers.min(clients),
                moves_per_second: per_second_each * f64::from(writers.min(clients)),
                ..of(1, clients)
            },
            Workload::Idle {
                connections,
                own_documents,
            } => Self {
                start: 0,
                ..if own_documents {
                    of(connections, 1)
                } else {
                    of(1, connections)
                }
            },
            Workload::Stalled {
                clients,
                writers,
                per_second_each,
                stalled,
            } => Self {
                authors: writers.min(clients - stalled.min(clients)),
                pace: pace(Some(per_second_each * f64::from(writers))),
                stalled: stalled.min(clients),
                ..of(1, clients)
            },
            Workload::Trace { .. }
            | Workload::Open { .. }
            | Workload::Ordered { .. }
            | Workload::Automerge(_) => of(1, 1),
        }
    }

    pub(crate) fn clients(&self) -> u32 {
        self.documents * self.each
    }

    /// Who is in a document.
    pub(crate) fn cast(&self, document: u32) -> Cast {
        Cast {
            first: document * self.each,
            receivers: self.each,
            authors: self.authors,
            stalled: self.stalled,
            start: self.start,
            ack: self.ack,
        }
    }
}
