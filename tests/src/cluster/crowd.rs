//! All who write to the documents of a cluster, and what they know together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::writer::{Ack, Record, Sight, Writer};
use crate::ledger::Ledger;
use crate::wait::until;

/// Writers at work, each in its task.
#[derive(Debug)]
pub struct Crowd {
    orders: Arc<Orders>,
    documents: Vec<String>,
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
    /// The documents.
    pub documents: Vec<String>,
    /// How many write to each, spread over the nodes.
    pub writers: u64,
    /// Whether they change nodes for no reason.
    pub wandering: bool,
    /// Whether they note which words they see whenever they type.
    pub noting: bool,
    /// The number of the first writer; no two in a test are the same.
    pub first: u64,
}

impl Seats {
    /// Two writers for each node in each of two documents.
    pub fn usual(first: u64) -> Self {
        let documents = ["one", "two"].map(|name| format!("{name}-{first}"));
        Self {
            documents: documents.into(),
            writers: 6,
            wandering: false,
            noting: false,
            first,
        }
    }
}

impl Crowd {
    /// Has them join and begin to type.
    pub fn begin(nodes: Vec<SocketAddr>, seats: &Seats) -> Self {
        let mut crowd = Self {
            orders: Arc::default(),
            documents: seats.documents.clone(),
            records: BTreeMap::new(),
            work: JoinSet::new(),
        };
        crowd.orders.typing.store(true, Ordering::Relaxed);
        let nodes = Arc::new(nodes);
        let mut number = seats.first;
        for document in &seats.documents {
            for _ in 0..seats.writers {
                let orders = crowd.orders.clone();
                let mut writer = Writer::new(number, document.clone(), nodes.clone(), orders);
                writer.wanders = seats.wandering;
                writer.notes = seats.noting;
                let record = writer.record.clone();
                crowd.records.insert(number, (document.clone(), record));
                crowd.work.spawn(writer.work());
                number += 1;
            }
        }
        crowd
    }

    /// The documents that they write to.
    pub fn documents(&self) -> &[String] {
        &self.documents
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
        self.orders.typing.store(false, Ordering::Relaxed);
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
        self.orders.typing.store(true, Ordering::Relaxed);
    }

    /// What each writer of a document has, if it rests.
    pub fn have(&self, document: &str) -> BTreeMap<u64, Option<Bytes>> {
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

    /// Has them leave.
    ///
    /// # Errors
    /// Somebody was told something that is not of the protocol.
    pub async fn leave(mut self) -> Result<()> {
        self.orders.over.store(true, Ordering::Relaxed);
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
