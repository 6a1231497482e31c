//! A standby of the cluster's Postgres, the line by which it follows, and the failover to it.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use services::Postgres;

use super::{Cluster, Mood, Proxy};

/// A standby beside the primary.
#[derive(Debug)]
pub struct Standby {
    server: Postgres,
    to_primary: Proxy,
}

impl Standby {
    /// Starts one that follows the cluster's Postgres.
    ///
    /// # Errors
    /// It does not start.
    pub async fn beside(cluster: &Cluster) -> Result<Self> {
        let to_primary = Proxy::start(address(&cluster.postgres)).await?;
        let server = cluster.postgres.standby(to_primary.address().port())?;
        Ok(Self { server, to_primary })
    }

    /// Has it receive nothing any more, once it has all that is there now.
    ///
    /// # Errors
    /// It does not follow.
    pub fn hold_back(&self, cluster: &Cluster) -> Result<()> {
        cluster.postgres.followed_by(&self.server)?;
        self.to_primary.set(Mood::Cut);
        Ok(())
    }

    /// The primary ends as in a crash, and the way of all nodes leads to the standby, which only lets its data be read.
    ///
    /// # Errors
    /// The primary does not end.
    pub fn stand_in(&self, cluster: &Cluster) -> Result<()> {
        cluster.postgres.crash()?;
        let nodes = cluster.nodes.iter();
        nodes.for_each(|node| node.to_postgres.lead_to(address(&self.server)));
        Ok(())
    }

    /// Takes the place of the primary.
    ///
    /// # Errors
    /// It is not promoted.
    pub fn take_over(self, cluster: &mut Cluster) -> Result<()> {
        self.server.promote()?;
        cluster.postgres = self.server;
        Ok(())
    }
}

fn address(server: &Postgres) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, server.port()).into()
}
