//! Where people are, in a world of nodes that are cut off and connections whose end is noticed late.

use std::collections::BTreeMap;

use engine::ordered::{OrderedInput, Request, RequestTag, ShownPresence};
use engine::ot::Json;
use engine::{ConnectionId, Rights};

use super::World;
use crate::store::record;
use crate::watcher::{Watcher, moved};

impl World {
    /// Lets time pass for as long as it may take until what was lost is made up for, and who is gone is missed.
    pub(super) fn call_rolls(&mut self) {
        for _ in 0..ROLLS_S {
            self.now.monotonic_ms += 1_000;
            for node in 0..self.nodes.len() {
                self.tell(node, OrderedInput::Tick);
            }
            self.deliver_all();
        }
    }

    /// People walk about, and edit little.
    pub(super) fn step_of_walking(&mut self) {
        let (client, node) = self.choose();
        match self.dice.below(100) {
            0..4 => self.edit(client),
            4..22 => self.show(client),
            22..44 => self.send_one(client),
            44..60 => self.receive_one(client),
            60..70 => self.store_one(node),
            70..90 => self.hear_one(node),
            90..92 => self.connect(client),
            92 => self.cut(client),
            93 => self.tell(node, OrderedInput::Tick),
            94 => self.nodes[node].is_cut_off = true,
            95 => self.reunite(node),
            96 => self.watch(node),
            97 if self.dice.one_in(4) => self.restart(node),
            98 if !self.unnoticed.is_empty() => {
                let connection = self.unnoticed.remove(0);
                self.notice(connection);
            }
            _ => self.now.monotonic_ms += self.dice.below(2_000),
        }
    }

    /// A node notices that a connection has ended.
    pub(super) fn notice(&mut self, connection: ConnectionId) {
        self.shown.remove(&connection);
        if let Some(node) = self.node_of(connection) {
            self.nodes[node].connections.remove(&connection);
            self.tell(node, OrderedInput::Left { connection });
        }
    }

    /// The bus is there again for a node. It knows that it may have missed something; the others know nothing.
    pub(super) fn reunite(&mut self, node: usize) {
        if std::mem::take(&mut self.nodes[node].is_cut_off) {
            self.tell(node, OrderedInput::PresenceAsked);
            self.tell(node, OrderedInput::OthersDoubted);
        }
    }

    /// Somebody looks on at a node; who did before goes.
    pub(super) fn watch(&mut self, node: usize) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let watcher = Watcher::new(connection, self.ot_type);
        if let Some(before) = self.nodes[node].watcher.replace(watcher) {
            let connection = before.connection;
            self.tell(node, OrderedInput::Left { connection });
        }
        let rights = Rights::all(None);
        self.tell(node, OrderedInput::Joined { connection, rights });
        let (tag, from) = (RequestTag::default(), None);
        for request in [
            Request::Subscribe { tag, from },
            Request::SubscribePresence { tag },
        ] {
            let asked = OrderedInput::Asked {
                connection,
                request,
            };
            self.tell(node, asked);
        }
    }

    /// Whoever looks on at any node sees exactly those who are there, each where he would be if what he showed last was
    /// moved anew.
    pub(super) fn check_presence(&self) {
        let here = self.shown.values();
        let here = here.map(|shown| (shown.name.clone(), self.moved(shown)));
        let here: BTreeMap<_, _> = here.filter(|(_, value)| *value != Json::Null).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            let view = node.watcher.as_ref().map(Watcher::view);
            let mut view = view.expect("somebody looks on everywhere");
            if self.is_short {
                // Who was too far behind when he showed himself shows nothing.
                view.retain(|name, value| here.get(name) != Some(value));
                assert_eq!(view, BTreeMap::new(), "a ghost at node {at}");
            } else {
                assert_eq!(view, here, "presence at node {at}");
            }
        }
    }

    fn moved(&self, shown: &ShownPresence) -> Json {
        let value = Json::read(shown.value.as_deref().unwrap_or("null")).expect("JSON");
        let since = &self.store.log[shown.made_on.unwrap_or(0) as usize..];
        let source = &shown.name.source;
        since.iter().fold(value, |value, change| {
            moved(self.ot_type, &record(change), source, &value)
        })
    }
}

/// Longer than another node may be silent before its people are gone.
const ROLLS_S: u64 = 60;
