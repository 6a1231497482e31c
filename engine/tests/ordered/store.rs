//! The store as it has to be: one order, all or none, and nothing under a name that is taken.

use engine::ordered::{OperationName, OrderedInput, OrderedPast, Record, Sought, State};
use engine::{Author, Change, Kind, VectorClock};

pub(crate) struct Store {
    pub(crate) log: Vec<Change>,
    pub(crate) taken_twice: u64,
    /// As it has to; if not it is broken.
    pub(crate) looks_at_names: bool,
    /// What documents are opened from instead of the log.
    pub(crate) snapshot: Option<State>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            log: Vec::new(),
            taken_twice: 0,
            looks_at_names: true,
            snapshot: None,
        }
    }
}

type Origin = (Option<Author>, OperationName);

impl Store {
    pub(crate) fn append(&mut self, changes: &[Change]) -> OrderedInput {
        if changes.iter().all(|change| self.log.contains(change)) {
            self.taken_twice += 1;
            return OrderedInput::Appended;
        }
        let clash = |change: &&Change| self.log.iter().any(|stored| stored.dot == change.dot);
        assert!(
            !changes.iter().any(|change| clash(&change)),
            "a dot is used again for something else"
        );
        let first = record(&changes[0]).version;
        // Behind its end only a store is asked that has lost something.
        if first != self.log.len() as u64 {
            return OrderedInput::Overtaken(self.since(first.saturating_sub(1)));
        }
        for (index, change) in changes.iter().enumerate() {
            let origin = origin(change);
            if let Some(version) = self
                .log
                .iter()
                .position(|stored| self::origin(stored) == origin)
                && self.looks_at_names
            {
                let version = version as u64;
                return OrderedInput::NameKnown { index, version };
            }
        }
        self.log.extend_from_slice(changes);
        OrderedInput::Appended
    }

    /// Takes operations that it had lost, and knows again those that it has.
    pub(crate) fn take_back(&mut self, changes: &[Change]) -> OrderedInput {
        for change in changes {
            let version = record(change).version as usize;
            match self.log.get(version) {
                Some(stored) if stored == change => {}
                None if version == self.log.len() => self.log.push(change.clone()),
                _ => return OrderedInput::GiveBackRefused,
            }
        }
        OrderedInput::GivenBack
    }

    pub(crate) fn since(&self, from: u64) -> Vec<Change> {
        self.log[from.min(self.log.len() as u64) as usize..].to_vec()
    }

    pub(crate) fn between(&self, from: u64, to: Option<u64>) -> Vec<Change> {
        let to = to.unwrap_or(u64::MAX).min(self.log.len() as u64);
        self.log[from.min(to) as usize..to as usize].to_vec()
    }

    pub(crate) fn find(&self, sought: &Sought) -> Vec<Change> {
        let is_it =
            |change: &&Change| origin(change) == (sought.author.clone(), sought.name.clone());
        let versions = self.log.iter().find(is_it);
        let versions = versions.map(|found| sought.versions(&record(found)));
        versions.map_or_else(Vec::new, |versions| {
            self.between(versions.start, Some(versions.end))
        })
    }

    pub(crate) fn past(&self) -> OrderedPast {
        let kind = (!self.log.is_empty()).then_some(Kind::Json0);
        let snapshot = self.snapshot.clone().unwrap_or_default();
        OrderedPast {
            kind,
            changes: self.since(snapshot.version),
            snapshot,
            ..OrderedPast::default()
        }
    }

    pub(crate) fn heads(&self) -> VectorClock {
        self.log.iter().map(|change| change.dot).collect()
    }
}

pub(crate) fn record(change: &Change) -> Record {
    Record::from_bytes(&change.payload).expect("what is stored can be read")
}

pub(crate) fn origin(change: &Change) -> Origin {
    (change.author.clone(), record(change).name)
}
