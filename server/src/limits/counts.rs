//! How many there are of each key, within a bound. Taking a place and giving it back cost one look into a table, which
//! has an entry for each key that somebody holds a place of, and no other. Where several nodes count together, what the others
//! have counts too, as far as it is known ([`Others`]).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::others::Others;

/// Counts by key. Cheap to clone.
#[derive(Debug)]
pub struct Counts<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    max: usize,
    table: Mutex<Table<K>>,
    /// Where nodes count together: few places of a key are left, and one was taken or given back.
    changed: Option<Arc<Notify>>,
}

#[derive(Debug)]
struct Table<K> {
    taken: HashMap<K, usize>,
    others: Others<K>,
}

/// All places of a key are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

/// One of so many; the place is free again when this is dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    counts: Counts<K>,
    key: K,
}

/// How many places somebody has who counts for themselves; they are free again when this is dropped.
#[derive(Debug)]
pub struct Tally<K: Eq + Hash + Clone> {
    counts: Counts<K>,
    key: K,
    here: usize,
}

impl<K> Clone for Counts<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// So many of each key; of all nodes together, if somebody is there to be told of changes.
    pub(super) fn new(max: usize, changed: Option<Arc<Notify>>) -> Self {
        Self(Arc::new(Shared {
            max,
            table: Mutex::new(Table {
                taken: HashMap::new(),
                others: Others::new(max),
            }),
            changed,
        }))
    }

    /// Takes a place under a key, if there is a key.
    ///
    /// # Errors
    /// All places of the key are taken.
    pub fn take(&self, key: Option<K>) -> Result<Option<Place<K>>, Taken> {
        let Some(key) = key else {
            return Ok(None);
        };
        let mut table = self.0.table();
        let here = table.here(&key);
        if here.saturating_add(table.elsewhere(&key)) >= self.0.max {
            return Err(Taken);
        }
        self.change(&mut table, &key, here + 1);
        drop(table);
        let counts = self.clone();
        Ok(Some(Place { counts, key }))
    }

    /// Nobody is counted yet by somebody who counts for themselves.
    pub(super) fn tally(&self, key: K) -> Tally<K> {
        Tally {
            counts: self.clone(),
            key,
            here: 0,
        }
    }

    /// How many are here, if the others are to be asked before a further one is let in.
    pub(super) fn to_ask(&self, key: &K, now: Instant) -> Option<usize> {
        let mut table = self.0.table();
        let here = table.here(key);
        table.others.ask(key, here, now).then_some(here)
    }

    /// The others were told how many are here, and have said how many they have.
    pub(super) fn hear(&self, key: &K, said: usize, have: usize, now: Instant) {
        self.0.table().others.hear(key, said, have, now);
    }

    /// What the others are to be told of and asked for by now.
    pub(super) fn round(&self, now: Instant) -> Vec<(K, usize)> {
        let mut table = self.0.table();
        let Table { taken, others } = &mut *table;
        others.round(|key| taken.get(key).copied().unwrap_or_default(), now)
    }

    fn change(&self, table: &mut Table<K>, key: &K, here: usize) {
        if here == 0 {
            table.taken.remove(key);
        } else {
            table.taken.insert(key.clone(), here);
        }
        if let Some(changed) = &self.0.changed
            && table.others.is_near(key, here, Instant::now())
        {
            changed.notify_one();
        }
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn here(&self, key: &K) -> usize {
        self.taken.get(key).copied().unwrap_or_default()
    }

    fn elsewhere(&self, key: &K) -> usize {
        self.others.have(key, Instant::now())
    }
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Whether there may be one more. Where nodes count together and what the others have is not known, it soon is.
    pub(crate) fn may_have_more(&self) -> bool {
        let (here, shared) = (self.here, &self.counts.0);
        let Some(changed) = &shared.changed else {
            return here < shared.max;
        };
        let mut table = shared.table();
        if table.others.note(&self.key, here, Instant::now()) {
            changed.notify_one();
        }
        here.saturating_add(table.elsewhere(&self.key)) < shared.max
    }

    /// There are so many by now. Only where nodes count together has anybody else to know.
    pub(crate) fn set(&mut self, here: usize) {
        let before = std::mem::replace(&mut self.here, here);
        if before == here || self.counts.0.changed.is_none() {
            return;
        }
        let mut table = self.counts.0.table();
        let all = (table.here(&self.key) + here).saturating_sub(before);
        self.counts.change(&mut table, &self.key, all);
    }
}

impl<K: Eq + Hash + Clone> Drop for Tally<K> {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut table = self.counts.0.table();
        let here = table.here(&self.key).saturating_sub(1);
        self.counts.change(&mut table, &self.key, here);
    }
}

impl<K> Shared<K> {
    /// A panic elsewhere can not leave the table half changed, so a poisoned lock is as good as any.
    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_so_many_places() {
        let counts = Counts::new(2, None);
        let one = counts.take(Some("a")).unwrap();
        let two = counts.take(Some("a")).unwrap();
        assert!(counts.take(Some("a")).is_err());
        assert!(counts.take(Some("b")).is_ok());
        assert!(counts.take(None).is_ok_and(|place| place.is_none()));
        drop(one);
        let three = counts.take(Some("a")).unwrap();
        assert!(counts.take(Some("a")).is_err());
        drop((two, three));
        assert!(counts.0.table().taken.is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_refusal_leaves_no_trace() {
        let counts = Counts::new(1, None);
        for round in 0..1_000 {
            let place = counts.take(Some(round)).unwrap();
            assert!(counts.take(Some(round)).is_err());
            drop(place);
        }
        assert!(counts.0.table().taken.is_empty());
    }

    #[test]
    fn what_others_have_counts_too() {
        let counts = Counts::new(3, Some(Arc::default()));
        let now = Instant::now();
        assert_eq!(counts.to_ask(&"a", now), Some(0));
        counts.hear(&"a", 0, 2, now);
        let one = counts.take(Some("a")).unwrap();
        assert!(counts.take(Some("a")).is_err());
        assert!(counts.take(Some("b")).is_ok());
        assert_eq!(counts.round(now), [("a", 1)], "that one came is told");
        counts.hear(&"a", 1, 0, now);
        let two = counts.take(Some("a")).unwrap();
        drop((one, two));
        assert_eq!(counts.round(now), [("a", 0)], "and that they are gone");
        counts.hear(&"a", 0, 0, now);
        assert_eq!(counts.round(now), []);
        let table = counts.0.table();
        assert!(table.taken.is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_tally_counts_with_those_of_others() {
        let counts = Counts::new(4, Some(Arc::default()));
        let (mut one, mut two) = (counts.tally("a"), counts.tally("a"));
        one.set(2);
        two.set(1);
        assert!(one.may_have_more() && two.may_have_more());
        assert_eq!(counts.0.table().taken["a"], 3);
        counts.hear(&"a", 3, 2, Instant::now());
        assert!(!one.may_have_more() && two.may_have_more());
        drop(one);
        assert_eq!(counts.0.table().taken["a"], 1);
        drop(two);
        assert!(counts.0.table().taken.is_empty());
        let mut alone = Counts::new(1, None).tally("a");
        assert!(alone.may_have_more());
        alone.set(1);
        assert!(!alone.may_have_more());
    }
}
