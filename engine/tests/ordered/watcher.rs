//! Somebody who has a document of a node open and is told where people are, as a client of `sharedb` 7 goes about it: it
//! moves what it knows by every operation, drops what is older than what it knows, and shows nothing that is null.

use std::collections::BTreeMap;

use engine::ConnectionId;
use engine::ordered::{OrderedEvent, PresenceName, Record};
use engine::ot::{Json, Operation, OtType};

pub(crate) struct Watcher {
    pub(crate) connection: ConnectionId,
    ot_type: OtType,
    version: Option<u64>,
    /// With the number of the last word on each.
    people: BTreeMap<PresenceName, (u64, Json)>,
}

impl Watcher {
    pub(crate) fn new(connection: ConnectionId, ot_type: OtType) -> Self {
        Self {
            connection,
            ot_type,
            version: None,
            people: BTreeMap::new(),
        }
    }

    /// Whom it shows, and where.
    pub(crate) fn view(&self) -> BTreeMap<PresenceName, Json> {
        let people = self.people.iter();
        let people = people.filter(|(_, (_, value))| *value != Json::Null);
        people
            .map(|(name, (_, value))| (name.clone(), value.clone()))
            .collect()
    }

    pub(crate) fn take(&mut self, event: &OrderedEvent) {
        match event {
            OrderedEvent::Document { state, .. } => self.version = Some(state.version),
            OrderedEvent::Operation(record) => self.follow(record),
            OrderedEvent::Presence(presence) => {
                let version = Some(presence.version);
                assert_eq!(version, self.version, "presence follows its operations");
                let known = self.people.get(&presence.name);
                if known.is_none_or(|(number, _)| *number <= presence.number) {
                    let shown = (presence.number, presence.value.clone());
                    self.people.insert(presence.name.clone(), shown);
                }
            }
            OrderedEvent::Done { .. } => {}
            other => panic!("{other:?} is not for who only looks on"),
        }
    }

    fn follow(&mut self, record: &Record) {
        assert_eq!(self.version, Some(record.version), "none is left out");
        self.version = Some(record.version + 1);
        for (name, (_, value)) in &mut self.people {
            *value = moved(self.ot_type, record, &name.source, value);
        }
    }
}

/// Where somebody is after an operation.
pub(crate) fn moved(ot_type: OtType, record: &Record, source: &str, value: &Json) -> Json {
    let Some(text) = record.action.committed() else {
        return Json::Null;
    };
    let operation = Operation::read(ot_type, text).expect("what is committed is sound");
    let is_own = *record.name.source == *source;
    let moved = operation.transform_presence(value, is_own);
    moved.unwrap_or(Json::Null)
}
