//! What has to be true of a cluster once a fault is over and people have stopped typing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::time::Instant;

use super::{Cluster, Content, Crowd, Holding};
use crate::frames::{self, Frame};
use crate::ledger::Ledger;
use crate::socket::{Heard, Socket};
use crate::wait::{until, within};

impl Cluster {
    /// Has people rest, and waits until everything is as it has to be.
    ///
    /// # Errors
    /// Something acknowledged is lost or there twice, somebody holds something else, or somebody is shown who is not
    /// there.
    pub async fn settles(&self, crowd: &Crowd) -> Result<()> {
        crowd.rest().await?;
        let ledger = crowd.ledger();
        for document in crowd.documents() {
            let settling = async {
                self.agrees(crowd, document).await?;
                self.lost_nothing(&ledger, document).await?;
                self.tells_one_timeline(&ledger, document).await?;
                self.shows(document, &crowd.writers_of(document)).await
            };
            settling.await.with_context(|| document.clone())?;
        }
        for document in crowd.ordered() {
            let settling = self.settles_in_order(crowd, document).await;
            settling.with_context(|| document.to_string())?;
        }
        self.panicked_nowhere()
    }

    /// Waits until the memory of all nodes, the store and all clients hold the same.
    async fn agrees(&self, crowd: &Crowd, document: &str) -> Result<()> {
        let difference = RefCell::new(String::new());
        let agreeing = until("everybody holds the same", async || {
            let found = self.disagreement(crowd, document).await?;
            let agree = found.is_empty();
            difference.replace(found);
            Ok(agree)
        });
        agreeing.await.with_context(|| difference.take())
    }

    /// Who holds something else than the store, and what; nothing if nobody does.
    async fn disagreement(&self, crowd: &Crowd, document: &str) -> Result<String> {
        let (mut stored, mut holders) = (None, Vec::new());
        for (number, node) in self.running() {
            let here = Content::stored(node.address(), document).await?;
            holders.push((format!("the store as node {number} reads it"), here.clone()));
            stored = Some(here);
            let held = Content::in_memory(node.address(), document).await?;
            holders.push((format!("node {number}"), held));
        }
        for (writer, held) in crowd.have(document) {
            let Some(Holding::Merged(update)) = held else {
                return Ok(format!("writer {writer} is on the way"));
            };
            holders.push((format!("writer {writer}"), Content::new(&update)?));
        }
        let stored = stored.context("no node runs")?;
        let other = holders.iter().find(|(_, content)| *content != stored);
        Ok(other.map_or_else(String::new, |(who, content)| {
            format!(
                "{who} holds something else: {}",
                content.difference(&stored)
            )
        }))
    }

    async fn lost_nothing(&self, ledger: &Ledger, document: &str) -> Result<()> {
        for (number, node) in self.running() {
            let here = Content::in_memory(node.address(), document).await?;
            let lost = ledger.lost(document, &here.text, &here.keys);
            let of = ledger.count(document);
            ensure!(
                lost.is_empty(),
                "node {number} lacks {} of {of} acknowledged edits, first {:?}",
                lost.len(),
                lost[0]
            );
            let repeated = repeated(&here.text);
            ensure!(repeated.is_empty(), "{repeated:?} are there twice");
        }
        Ok(())
    }

    /// All nodes tell the same timeline, in which each change is once, and lanes have no holes. It may grow between two
    /// looks: nobody waits for a change that brings nothing new, of somebody who gave what others had given.
    async fn tells_one_timeline(&self, ledger: &Ledger, document: &str) -> Result<()> {
        let told = RefCell::new(Vec::new());
        until("all nodes tell the same timeline", async || {
            let mut timelines = Vec::new();
            for (number, node) in self.running() {
                let changes = node.server.changes(document).await?;
                check_timeline(&changes).with_context(|| format!("as node {number} tells it"))?;
                timelines.push(changes);
            }
            let is_one = timelines.windows(2).all(|two| two[0] == two[1]);
            told.replace(timelines.pop().unwrap_or_default());
            Ok(is_one)
        })
        .await?;
        let told = told.take();
        let updates: u64 = told.iter().filter_map(|it| it["updates"].as_u64()).sum();
        let acknowledged = ledger.count(document) as u64;
        ensure!(
            updates >= acknowledged,
            "{updates} edits in the timeline, {acknowledged} acknowledged"
        );
        Ok(())
    }

    /// Waits until every node shows exactly these people.
    ///
    /// # Errors
    /// Somebody is missing, or is shown who is not there.
    pub async fn shows(&self, document: &str, people: &BTreeSet<u64>) -> Result<()> {
        let running = self.running().map(|(number, _)| number);
        for number in running {
            self.shows_at(number, document, people).await?;
        }
        Ok(())
    }

    /// Waits until one node shows exactly these people.
    ///
    /// # Errors
    /// Somebody is missing, or is shown who is not there.
    pub async fn shows_at(
        &self,
        number: usize,
        document: &str,
        people: &BTreeSet<u64>,
    ) -> Result<()> {
        let address = self.nodes[number].address();
        let shown = RefCell::new(BTreeSet::new());
        let watching = until("exactly those are shown who are there", async || {
            let found = who_is_shown(address, document, people).await?;
            let agree = found == *people;
            shown.replace(found);
            Ok(agree)
        });
        watching.await.with_context(|| {
            let shown = shown.take();
            format!("node {number} shows {shown:?}, and there are {people:?}")
        })
    }

    fn panicked_nowhere(&self) -> Result<()> {
        for node in &self.nodes {
            let log = node.server.log();
            let line = log.lines().find(|line| line.contains("panicked"));
            ensure!(line.is_none(), "{}", line.unwrap_or_default());
        }
        Ok(())
    }
}

/// Words that are in a text more than once.
fn repeated(text: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    let words = text.split(['<', '>']).filter(|word| !word.is_empty());
    words.filter(|word| !seen.insert(*word)).collect()
}

/// Orders grow, each lane counts 1, 2, 3 …, and what a change builds upon comes before it.
pub(super) fn check_timeline(changes: &[Value]) -> Result<()> {
    let (mut before, mut lanes) = (0, BTreeMap::<u64, u64>::new());
    for change in changes {
        let number = |field: &str| {
            let number = change[field].as_u64();
            number.with_context(|| format!("a change has {field}: {change}"))
        };
        let order = number("order")?;
        ensure!(order > before, "order {order} follows {before}");
        before = order;
        for (replica, seen) in change["context"].as_object().into_iter().flatten() {
            let here = lanes.get(&replica.parse()?).copied().unwrap_or(0);
            ensure!(
                seen.as_u64().is_some_and(|seen| seen <= here),
                "{change} builds upon what comes after it"
            );
        }
        let (replica, counter) = (number("replica")?, number("counter")?);
        let last = lanes.insert(replica, counter).unwrap_or(0);
        ensure!(
            counter == last + 1,
            "counter {counter} of replica {replica} follows {last}"
        );
    }
    Ok(())
}

/// Whose presence a node shows somebody who comes, once it has shown all of these or said all that it has to say.
async fn who_is_shown(
    node: SocketAddr,
    document: &str,
    people: &BTreeSet<u64>,
) -> Result<BTreeSet<u64>> {
    let mut socket = Socket::connect(node, &format!("/{document}")).await?;
    socket.send(frames::have(&[0])).await?;
    let mut shown = BTreeSet::new();
    let mut is_synced = false;
    let deadline = Instant::now() + crate::wait::PATIENCE / 10;
    while !is_synced || shown != *people {
        let next = tokio::time::timeout_at(deadline, socket.next()).await;
        let Ok(heard) = next else { break };
        match heard? {
            Heard::Frame(frame) => match Frame::read(&frame)? {
                Frame::Presence(entries) => take_in(&mut shown, entries),
                Frame::Missing(_) => is_synced = true,
                _ => {}
            },
            Heard::Pong => {}
            end => bail!("the watcher is closed: {end:?}"),
        }
    }
    within("the watcher leaves", socket.close()).await??;
    Ok(shown)
}

fn take_in(shown: &mut BTreeSet<u64>, entries: Vec<frames::Presence>) {
    for entry in entries {
        if entry.state == "null" {
            shown.remove(&entry.client);
        } else {
            shown.insert(entry.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(order: u64, replica: u64, counter: u64, context: &Value) -> Value {
        json!({"order": order, "replica": replica, "counter": counter, "context": context})
    }

    #[test]
    fn the_checks_bite() {
        let good = [
            change(1, 1, 1, &json!({})),
            change(3, 2, 1, &json!({"1": 1})),
            change(4, 1, 2, &json!({"1": 1})),
        ];
        assert!(check_timeline(&good).is_ok());
        assert!(check_timeline(&good[1..]).is_err(), "built upon nothing");
        let hole = [good[0].clone(), change(5, 1, 3, &json!({"1": 1}))];
        assert!(check_timeline(&hole).is_err(), "a hole");
        let twice = [good[0].clone(), change(5, 1, 1, &json!({}))];
        assert!(check_timeline(&twice).is_err(), "twice");
        assert_eq!(repeated("<a><b><a>"), ["a"]);
    }
}
