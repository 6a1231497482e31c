//! Presence: connections that say anything about anyone, at any time. Nobody stays whom no connection answers for, and the
//! table stays within its bounds.

use bytes::Bytes;
use engine::{ConnectionId, Event, Intent, Now, Presence, PresenceEntry, PresenceLimits};
use protocol::preflight::Bounds;
use protocol::{yjs, ywebsocket};

use crate::script::Script;

const CONNECTIONS: u8 = 3;

/// Lets connections say what the bytes have them say, and checks the table after each word.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let mut presence = Presence::new(limits());
    let mut now = Now::default();
    while !script.is_done() {
        let connection = ConnectionId(script.below(CONNECTIONS).into());
        now.monotonic_ms += script.one_of(&[0, 1, 10_000, 30_000, 90_000]);
        match script.below(4) {
            0 => drop(presence.close(connection, now)),
            1 => drop(presence.expire(now)),
            _ => say(&mut presence, connection, script.chunk(), now),
        }
        bounded(&presence);
    }
    for connection in 0..CONNECTIONS {
        presence.close(ConnectionId(connection.into()), now);
    }
    assert!(presence.is_empty(), "nobody stays when all have gone");
    now.monotonic_ms += limits().takeover_ms;
    presence.expire(now);
    assert!(!presence.can_expire(), "nothing is remembered for ever");
}

fn say(presence: &mut Presence, connection: ConnectionId, body: &[u8], now: Now) {
    let Some(entries) = decode(body) else {
        return;
    };
    let said = entries.len();
    let news = presence.update(connection, now.monotonic_ms, entries, now);
    assert!(news.len() <= said);
    round_trip(news);
    round_trip(presence.all());
    round_trip(presence.recently_gone());
}

/// Entries as a frame carries them, if a connection would be let through with them.
fn decode(body: &[u8]) -> Option<Vec<PresenceEntry>> {
    let mut frame = vec![1];
    protocol_length(&mut frame, body.len());
    frame.extend_from_slice(body);
    let intents = ywebsocket::decode(&Bytes::from(frame)).ok()?;
    let [Intent::ShowPresence(entries)] = &intents[..] else {
        return None;
    };
    yjs::check(&intents[0], &Bounds::default()).ok()?;
    Some(entries.clone())
}

fn protocol_length(frame: &mut Vec<u8>, length: usize) {
    let mut writer = protocol::wire::Writer::default();
    writer.var_uint(length as u64);
    frame.extend_from_slice(&writer.finish());
}

fn round_trip(entries: Vec<PresenceEntry>) {
    let event = Event::Presence(entries.clone());
    let Some(frame) = ywebsocket::encode(&event) else {
        assert!(entries.is_empty());
        return;
    };
    let read = ywebsocket::decode(&frame);
    assert_eq!(read, Ok(vec![Intent::ShowPresence(entries)]));
}

fn limits() -> PresenceLimits {
    PresenceLimits {
        entries_per_connection_max: 8,
        state_bytes_max: 64,
        remembered_max: 16,
        ..PresenceLimits::default()
    }
}

fn bounded(presence: &Presence) {
    let most = limits().entries_per_connection_max * usize::from(CONNECTIONS);
    assert!(presence.len() <= most, "the table is full and still takes");
    assert!(presence.recently_gone().len() <= limits().remembered_max);
    let states = presence.all().into_iter().filter_map(|entry| entry.state);
    for state in states {
        assert!(state.len() <= limits().state_bytes_max);
    }
}
