//! All who write to the documents of a cluster, and what they know together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use engine::ot::OtType;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ordered::Ordered;
use super::sharedb_pen::ShareDbPen;
use super::writer::{Ack, Holding, Pen, Record, Sight, Writer};
use super::yjs_pen::YjsPen;
use crate::ledger::Ledger;
use crate::sharedb::Committed;
use crate::wait::until;

/// Writers at work, each in its task.
#[derive(Debug)]
pub struct Crowd {
    orders: Arc<Orders>,
    nodes: Arc<Vec<SocketAddr>>,
    documents: Vec<String>,
    ordered: Vec<Ordered>,
    records: BTreeMap<u64, (String, Arc<Mutex<Record>>)>,
    work: JoinSet<()>,
}

/// What all writers are told.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) typing: AtomicBool,
    pub(super) over: AtomicBool,
}

/// Who writes where.
#[derive(Clone, Debug)]
pub struct Seats {
    /// The documents that merge.
    pub documents: Vec<String>,
    /// An ordered document of each of these types.
    pub ordered: Vec<OtType>,
    /// How many write to each that merges, spread over the nodes.
    pub writers: u64,
    /// How many write to each ordered one.
    pub ordered_writers: u64,
    /// Whether they change nodes for no reason.
    pub wandering: bool,
    /// Whether they note which words they see whenever they type.
    pub noting: bool,
    /// The number of the first writer; no two in a test are the same.
    pub first: u64,
}

impl Seats {
    /// Two writers for each node in each of two documents, and a few in two ordered ones: fewer than twenty-one.
    pub fn usual(first: u64) -> Self {
        let documents = ["one", "two"].map(|name| format!("{name}-{first}"));
        Self {
            documents: documents.into(),
            ordered: vec![OtType::Json0, OtType::RichText],
            writers: 6,
            ordered_writers: 4,
            wandering: false,
            noting: false,
            first,
        }
    }
}

impl Crowd {
    /// Has them join and begin to type.
    pub fn begin(nodes: Vec<SocketAddr>, seats: &Seats) -> Self {
        let ordered = seats.ordered.iter();
        let mut crowd = Self {
            orders: Arc::default(),
            nodes: Arc::new(nodes),
            documents: seats.documents.clone(),
            ordered: ordered.map(|of| Ordered::new(*of, seats.first)).collect(),
            records: BTreeMap::new(),
            work: JoinSet::new(),
        };
        crowd.orders.typing.store(true, Relaxed);
        let mut numbers = seats.first..;
        for document in &seats.documents {
            for number in numbers.by_ref().take(seats.writers as usize) {
                let pen = YjsPen::new(number, document.clone(), seats.noting);
                let writer = crowd.seat(number, document.clone(), pen, seats.wandering);
                crowd.work.spawn(writer.work());
            }
        }
        for document in crowd.ordered.clone() {
            for number in numbers.by_ref().take(seats.ordered_writers as usize) {
                let pen = ShareDbPen::new(number, &document);
                let writer = crowd.seat(number, document.to_string(), pen, seats.wandering);
                crowd.work.spawn(writer.work());
            }
        }
        crowd
    }

    /// Somebody who is going to write, with a record of what becomes of that.
    fn seat<P: Pen>(&mut self, number: u64, document: String, pen: P, wanders: bool) -> Writer<P> {
        let (nodes, orders) = (self.nodes.clone(), self.orders.clone());
        let writer = Writer::new(number, pen, nodes, orders, wanders);
        self.records
            .insert(number, (document, writer.record.clone()));
        writer
    }

    /// The documents that merge to which they write.
    pub fn documents(&self) -> &[String] {
        &self.documents
    }

    /// The ordered documents to which they write.
    pub fn ordered(&self) -> &[Ordered] {
        &self.ordered
    }

    /// The numbers of those who write to a document.
    pub fn writers_of(&self, document: &str) -> BTreeSet<u64> {
        let here = self.records.iter().filter(|(_, (of, _))| of == document);
        here.map(|(number, _)| *number).collect()
    }

    /// Waits until everybody was acknowledged something that was sent after a moment, and returns how long after.
    ///
    /// # Errors
    /// Somebody never was.
    pub async fn all_acknowledged_since(&self, moment: Instant) -> Result<Duration> {
        self.acknowledged_since(moment, |_| true).await?;
        let first = |record: &Record| {
            let acks = record.acks.iter().filter(|ack| ack.sent >= moment);
            acks.map(|ack| ack.came).min()
        };
        let firsts = self.records.values().filter_map(|(_, r)| first(&lock(r)));
        Ok(firsts.max().map_or(Duration::ZERO, |last| last - moment))
    }

    /// Waits until each who is at one of these nodes was acknowledged something that was sent after a moment.
    ///
    /// # Errors
    /// Somebody never was.
    pub async fn acknowledged_since(
        &self,
        moment: Instant,
        among: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let served = |record: &Record| record.acks.iter().rev().any(|ack| ack.sent >= moment);
        let due = |record: &Record| record.at.is_none_or(&among);
        let result = until("everybody is acknowledged something", async || {
            self.nobody_failed()?;
            let records = self.records.values().map(|(_, record)| lock(record));
            Ok(records
                .into_iter()
                .all(|record| !due(&record) || served(&record)))
        });
        result.await.map_err(|error| error.context(self.summary()))
    }

    /// The acknowledgements of edits that were sent after one moment and acknowledged before another.
    pub fn acks_between(&self, sent_after: Instant, came_before: Instant) -> Vec<Ack> {
        let records = self.records.values().map(|(_, record)| lock(record));
        let within = |ack: &Ack| ack.sent > sent_after && ack.came < came_before;
        let acks = records.flat_map(|record| record.acks.clone());
        acks.filter(within).collect()
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        let records = self.records.values().map(|(_, record)| lock(record));
        records.map(|record| record.acks.len()).sum()
    }

    /// Has them type no more, and waits until each is connected and all of its edits are stored.
    ///
    /// # Errors
    /// Somebody is not let in, or an acknowledgement never comes.
    pub async fn rest(&self) -> Result<()> {
        self.orders.typing.store(false, Relaxed);
        let resting = until(
            "everybody is connected and has everything stored",
            async || {
                self.nobody_failed()?;
                let records = self.records.values().map(|(_, record)| lock(record));
                Ok(records.into_iter().all(|record| record.resting.is_some()))
            },
        );
        resting.await.map_err(|error| error.context(self.summary()))
    }

    /// Has them type again.
    pub fn go_on(&self) {
        self.orders.typing.store(true, Relaxed);
    }

    /// What each writer of a document has, if it rests.
    pub fn have(&self, document: &str) -> BTreeMap<u64, Option<Holding>> {
        let here = self.records.iter().filter(|(_, (of, _))| of == document);
        here.map(|(number, (_, record))| (*number, lock(record).resting.clone()))
            .collect()
    }

    /// What they saw when they typed, if they were to note it.
    pub fn sights(&self) -> Vec<Sight> {
        let records = self.records.values().map(|(_, record)| lock(record));
        records.flat_map(|record| record.sights.clone()).collect()
    }

    /// What was acknowledged to whoever of them.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for (document, record) in self.records.values() {
            for entry in &lock(record).entries {
                ledger.note(document, entry.clone());
            }
        }
        ledger
    }

    /// The operations that were acknowledged to those who write to a document.
    pub fn commits(&self, document: &str) -> Vec<Committed> {
        let here = self.records.values().filter(|(of, _)| of == document);
        here.flat_map(|(_, record)| lock(record).commits.clone())
            .collect()
    }

    /// Has them leave.
    ///
    /// # Errors
    /// Somebody was told something that is not of the protocol.
    pub async fn leave(mut self) -> Result<()> {
        self.orders.over.store(true, Relaxed);
        while let Some(left) = self.work.join_next().await {
            left?;
        }
        self.nobody_failed()
    }

    /// Nobody was told something that is not of the protocol.
    fn nobody_failed(&self) -> Result<()> {
        for (_, record) in self.records.values() {
            let failure = lock(record).failure.clone();
            ensure!(failure.is_none(), failure.unwrap_or_default());
        }
        Ok(())
    }

    /// Where everybody is, for people.
    fn summary(&self) -> String {
        let records = self.records.iter().map(|(number, (document, record))| {
            let record = lock(record);
            let (at, unstored) = (record.at, record.unstored);
            let (joins, acks) = (record.joins, record.acks.len());
            format!("{number} in {document} at {at:?}: {unstored} not stored, {acks} stored, {joins} joins")
        });
        records.collect::<Vec<_>>().join("\n")
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    // No operation leaves it half changed.
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
