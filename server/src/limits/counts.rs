//! How many there are of each key, within a bound. Taking a place and giving it back cost one look into a table, which
//! has an entry for each key that somebody holds a place of, and no other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by key. Cheap to clone.
#[derive(Debug)]
pub struct Counts<K>(Arc<Shared<K>>);

#[derive(Debug)]
struct Shared<K> {
    max: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// All places of a key are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken;

/// One of so many; the place is free again when this is dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash> {
    counts: Counts<K>,
    key: K,
}

impl<K> Clone for Counts<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    /// So many of each key.
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Shared {
            max,
            taken: Mutex::default(),
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
        let mut taken = self.0.taken();
        let count = taken.entry(key.clone()).or_default();
        if *count >= self.0.max {
            return Err(Taken);
        }
        *count += 1;
        drop(taken);
        let counts = self.clone();
        Ok(Some(Place { counts, key }))
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.counts.0.taken();
        if let Some(count) = taken.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

impl<K> Shared<K> {
    /// A panic elsewhere can not leave the table half changed, so a poisoned lock is as good as any.
    fn taken(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_so_many_places() {
        let counts = Counts::new(2);
        let one = counts.take(Some("a")).unwrap();
        let two = counts.take(Some("a")).unwrap();
        assert!(counts.take(Some("a")).is_err());
        assert!(counts.take(Some("b")).is_ok());
        assert!(counts.take(None).is_ok_and(|place| place.is_none()));
        drop(one);
        let three = counts.take(Some("a")).unwrap();
        assert!(counts.take(Some("a")).is_err());
        drop((two, three));
        assert!(counts.0.taken().is_empty(), "nothing is remembered");
    }

    #[test]
    fn a_refusal_leaves_no_trace() {
        let counts = Counts::new(1);
        for round in 0..1_000 {
            let place = counts.take(Some(round)).unwrap();
            assert!(counts.take(Some(round)).is_err());
            drop(place);
        }
        assert!(counts.0.taken().is_empty());
    }
}
