//! A scene of a test: people at work, something that happens to them, and a look at everything afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{Cluster, Crowd, Seats};
use crate::client::Client;

/// People at work in a cluster to which something happens.
#[derive(Debug)]
pub struct Scene {
    name: &'static str,
    first: u64,
    /// Those people.
    pub crowd: Crowd,
}

impl Scene {
    /// Begins when everybody was acknowledged something.
    ///
    /// # Errors
    /// Somebody is not served.
    pub async fn begin(cluster: &Cluster, name: &'static str, seats: &Seats) -> Result<Self> {
        let crowd = cluster.crowd(seats);
        let began = crowd.all_acknowledged_since(Instant::now()).await;
        began.with_context(|| format!("{name}: before anything happened"))?;
        Ok(Self {
            name,
            first: seats.first,
            crowd,
        })
    }

    /// Waits until everybody is served again after a fault that was over at this moment, and says and returns how long
    /// that took.
    ///
    /// # Errors
    /// Somebody never is.
    pub async fn recovers(&self, over: Instant) -> Result<Duration> {
        let served = self.crowd.all_acknowledged_since(over).await;
        let took = served.with_context(|| format!("{}: after the fault", self.name))?;
        println!("{}: everybody was served after {took:.2?}", self.name);
        Ok(took)
    }

    /// While nobody can be acknowledged: nothing that was sent after the one moment was acknowledged before the other.
    ///
    /// # Errors
    /// Something was, by one of these nodes.
    pub fn withheld(&self, from: Instant, to: Instant, by: impl Fn(usize) -> bool) -> Result<()> {
        let acks = self.crowd.acks_between(from, to);
        let early = acks.into_iter().find(|ack| by(ack.node));
        ensure!(
            early.is_none(),
            "{}: acknowledged although it can not be stored: {early:?}",
            self.name
        );
        Ok(())
    }

    /// While others are not served, these nodes do acknowledge.
    ///
    /// # Errors
    /// Somebody who is at one of them is not acknowledged.
    pub async fn goes_on(&self, at: impl Fn(usize) -> bool) -> Result<()> {
        let going = self.crowd.acknowledged_since(Instant::now(), at).await;
        going.with_context(|| format!("{}: during the fault", self.name))
    }

    /// Writes at each running node and waits until every other one shows it; says how long that took at most.
    ///
    /// # Errors
    /// Somebody never sees it.
    pub async fn crosses(&self, cluster: &Cluster, when: &str) -> Result<()> {
        let crossing = cross(cluster, &format!("crossing-{}", self.first)).await;
        let slowest = crossing.with_context(|| format!("{}: {when}", self.name))?;
        println!(
            "{}: {when}, others saw an edit after {slowest:.2?}",
            self.name
        );
        Ok(())
    }

    /// Looks at everything; then all leave, and nobody is shown any more; says how long that took.
    ///
    /// # Errors
    /// Something is not as it has to be.
    pub async fn ends(self, cluster: &Cluster) -> Result<()> {
        let Self { name, crowd, .. } = self;
        let settled = cluster.settles(&crowd).await;
        settled.with_context(|| format!("{name}: after all"))?;
        let (edits, documents) = (crowd.acknowledged(), crowd.documents().to_vec());
        let ordered = crowd.ordered().to_vec();
        crowd.leave().await?;
        let left = Instant::now();
        for document in documents {
            let gone = cluster.shows(&document, &BTreeSet::new()).await;
            gone.with_context(|| format!("{name}: {document}, after everybody left"))?;
        }
        for document in ordered {
            let gone = cluster.shows_in_order(&document, &BTreeSet::new()).await;
            gone.with_context(|| format!("{name}: {document}, after everybody left"))?;
        }
        println!(
            "{name}: {edits} edits acknowledged, all there once; nobody was shown any more after {:.2?}",
            left.elapsed()
        );
        Ok(())
    }
}

/// The longest that an edit took from one running node to another.
async fn cross(cluster: &Cluster, document: &str) -> Result<Duration> {
    let mut clients = Vec::new();
    for (number, node) in cluster.running() {
        // None of these numbers is one of a writer's, and none comes back with an empty document.
        let client = CROSSING + number as u64 + cluster.fresh() * 16;
        // After a failover a node takes a new replica id first, and has whoever comes before that come back.
        clients.push(Client::join_in_time(node.address(), document, client).await?);
    }
    let mut slowest = Duration::ZERO;
    for from in 0..clients.len() {
        let word = format!("<{}>", clients[from].editor.client());
        let began = Instant::now();
        let update = clients[from].editor.append(&word);
        clients[from].send(update).await?;
        for (_, client) in clients.iter_mut().enumerate().filter(|(to, _)| *to != from) {
            client.reads(|text| text.contains(&word)).await?;
            slowest = slowest.max(began.elapsed());
        }
        clients[from].all_stored().await?;
    }
    for client in clients {
        client.socket.close().await?;
    }
    Ok(slowest)
}

const CROSSING: u64 = 1 << 40;
