//! Eras: whether the database may have lost something since, because another server has taken its place.
//!
//! A standby that is promoted begins a new timeline of its log, as does a server that was put back to an earlier moment; a
//! dump that is read in makes another system. So the two together are an era, which no connection outlives: it is looked at
//! on each before that is used. Whoever has read anything of a new era can so tell afterwards that it began
//! ([`Store::era`](crate::Store::era)).
//!
//! Everybody may ask for both, whatever its role. A database that does not say (some that only speak like Postgres) is one
//! whose era nobody knows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::Error;
use sqlx::postgres::PgConnection;

use super::sql;

/// The eras that were met.
#[derive(Debug, Default)]
pub(super) struct Eras(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    /// The last one, once there was one.
    last: Option<String>,
    /// How many came after the first.
    changes: u64,
}

impl Eras {
    /// Notes the era of a connection that is about to be used.
    pub(super) async fn meet(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if let Some(era) = of(connection).await? {
            self.note(era);
        }
        Ok(())
    }

    /// How many eras came after the first that was met; none if nobody knows.
    pub(super) fn count(&self) -> Option<u64> {
        let met = self.met();
        met.last.is_some().then_some(met.changes)
    }

    fn note(&self, era: String) {
        let mut met = self.met();
        let is_new = met.last.as_ref().is_some_and(|last| *last != era);
        if is_new {
            met.changes += 1;
            tracing::warn!(%era, "another server has taken the database's place: what it may have lost is given back by those who have it");
        }
        met.last = Some(era);
    }

    /// No operation leaves it half changed.
    fn met(&self) -> MutexGuard<'_, Met> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The era in which a connection is; none if the database does not say.
pub(super) async fn of(connection: &mut PgConnection) -> Result<Option<String>, Error> {
    match sqlx::query_scalar(sql::ERA).fetch_one(connection).await {
        Ok(era) => Ok(era),
        Err(Error::Database(said)) => {
            tracing::debug!(%said, "the database does not say whether another has taken its place");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_era_that_follows_another_counts() {
        let eras = Eras::default();
        assert_eq!(eras.count(), None);
        for (era, count) in [("7/1", 0), ("7/1", 0), ("7/2", 1), ("7/1", 2)] {
            eras.note(era.to_owned());
            assert_eq!(eras.count(), Some(count), "{era}");
        }
    }
}
