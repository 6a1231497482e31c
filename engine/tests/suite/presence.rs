//! The presence table by itself: who owns an entry, who may change it, and when it goes.

use bytes::Bytes;
use engine::{
    ConnectionId, Now, Presence, PresenceDropped, PresenceEntry, PresenceId, PresenceLimits,
};

const ADA: ConnectionId = ConnectionId(1);
const BEN: ConnectionId = ConnectionId(2);

pub(crate) fn at(monotonic_ms: u64) -> Now {
    Now {
        monotonic_ms,
        wall_ms: 0,
    }
}

pub(crate) fn entry(id: u64, version: u32, state: Option<&'static str>) -> PresenceEntry {
    PresenceEntry {
        id: PresenceId(id),
        version,
        state: state.map(|text| Bytes::from_static(text.as_bytes())),
    }
}

fn table() -> Presence {
    Presence::new(PresenceLimits::default())
}

#[test]
fn states_pass_through_unparsed() {
    let mut presence = table();
    let odd = entry(7, 0, Some("not json {"));
    assert_eq!(
        presence.update(ADA, 0, vec![odd.clone()], at(0)),
        vec![odd.clone()]
    );
    assert_eq!(presence.all(), vec![odd]);
}

#[test]
fn closing_a_connection_removes_what_it_owns_at_once() {
    let mut presence = table();
    presence.update(
        ADA,
        0,
        vec![entry(1, 4, Some("a")), entry(2, 1, Some("b"))],
        at(0),
    );
    presence.update(BEN, 0, vec![entry(3, 1, Some("c"))], at(0));
    assert_eq!(
        presence.close(ADA, at(5)),
        vec![entry(1, 4, None), entry(2, 1, None)]
    );
    assert_eq!(presence.all(), vec![entry(3, 1, Some("c"))]);
    assert_eq!(presence.close(ADA, at(6)), vec![]);
}

#[test]
fn only_the_owner_changes_or_removes_an_entry() {
    let mut presence = table();
    presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
    assert_eq!(
        presence.update(BEN, 0, vec![entry(1, 9, Some("spoof"))], at(1)),
        vec![]
    );
    assert_eq!(
        presence.update(BEN, 0, vec![entry(1, u32::MAX, None)], at(1)),
        vec![]
    );
    assert_eq!(
        presence.update(ADA, 0, vec![entry(1, 5, Some("b"))], at(2)),
        vec![entry(1, 5, Some("b"))]
    );
    assert_eq!(
        presence.update(ADA, 0, vec![entry(1, 5, Some("stale"))], at(2)),
        vec![]
    );
    assert_eq!(
        presence.update(ADA, 0, vec![entry(1, 5, None)], at(3)),
        vec![entry(1, 5, None)]
    );
    assert!(presence.is_empty());
}

#[test]
fn a_silent_owner_is_taken_over_by_a_newer_version() {
    let mut presence = table();
    presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
    assert_eq!(
        presence.update(BEN, 20_000, vec![entry(1, 5, Some("b"))], at(29_999)),
        vec![]
    );
    let taken = entry(1, 5, Some("b"));
    assert_eq!(
        presence.update(BEN, 20_000, vec![taken.clone()], at(30_000)),
        vec![taken.clone()]
    );
    assert_eq!(presence.close(ADA, at(30_001)), vec![]);
    assert_eq!(presence.all(), vec![taken]);
}

#[test]
fn who_speaks_for_itself_takes_its_entry_from_who_passed_it_on() {
    let mut presence = table();
    let tab = entry(2, 3, Some("tab two"));
    presence.update(ADA, 0, vec![entry(1, 1, Some("tab one"))], at(0));
    presence.update(ADA, 0, vec![tab.clone()], at(1));
    presence.update(BEN, 2, vec![tab], at(3));
    assert_eq!(presence.close(BEN, at(4)), vec![entry(2, 3, None)]);
    let spoof = entry(1, 9, Some("spoof"));
    assert_eq!(
        presence.update(ConnectionId(3), 5, vec![spoof], at(6)),
        vec![]
    );
}

#[test]
fn an_echo_does_not_bring_back_who_has_left() {
    let mut presence = table();
    presence.update(ADA, 0, vec![entry(1, 4, Some("a"))], at(0));
    presence.close(ADA, at(100));
    assert_eq!(
        presence.update(BEN, 50, vec![entry(1, 4, Some("a"))], at(101)),
        vec![]
    );
    let back = entry(1, 4, Some("a"));
    assert_eq!(
        presence.update(ConnectionId(3), 200, vec![back.clone()], at(201)),
        vec![back]
    );
}

#[test]
fn entries_expire_by_the_time_passed_in() {
    let mut presence = table();
    presence.update(ADA, 0, vec![entry(1, 1, Some("a"))], at(1_000));
    presence.update(BEN, 0, vec![entry(2, 1, Some("b"))], at(50_000));
    assert_eq!(presence.expire(at(90_999)), vec![]);
    assert_eq!(presence.expire(at(91_000)), vec![entry(1, 1, None)]);
    assert_eq!(presence.len(), 1);
    assert_eq!(presence.expire(at(140_000)), vec![entry(2, 1, None)]);
    presence.expire(at(170_000));
    assert!(!presence.can_expire());
}

#[test]
fn one_connection_can_not_fill_the_table() {
    let limits = PresenceLimits {
        entries_per_connection_max: 2,
        state_bytes_max: 3,
        ..PresenceLimits::default()
    };
    let mut presence = Presence::new(limits);
    let flood = (0..9).map(|id| entry(id, 1, Some("x"))).collect();
    assert_eq!(presence.update(ADA, 0, flood, at(0)).len(), 2);
    assert_eq!(
        presence.update(BEN, 0, vec![entry(20, 1, Some("long"))], at(0)),
        vec![]
    );
    let dropped = presence.take_dropped();
    assert_eq!((dropped.entries, dropped.states), (7, 1));
    assert_eq!(presence.take_dropped(), PresenceDropped::default());
    presence.update(ADA, 0, vec![entry(0, 2, None)], at(1));
    assert_eq!(
        presence
            .update(ADA, 0, vec![entry(10, 1, Some("x"))], at(1))
            .len(),
        1
    );
}

/// Who was first to say somebody's id with the largest version there is keeps it only as long as he stays, and it can be
/// remembered.
#[test]
fn the_last_version_freezes_nobody_for_good() {
    let mut presence = table();
    presence.update(ADA, 0, vec![entry(5, u32::MAX, Some("squatter"))], at(0));
    let own = |version| vec![entry(5, version, Some("own"))];
    assert_eq!(presence.update(BEN, 0, own(1), at(1)), vec![]);
    assert_eq!(presence.close(ADA, at(10)), vec![entry(5, u32::MAX, None)]);
    assert_eq!(presence.update(BEN, 0, own(2), at(11)), vec![], "an echo");
    presence.expire(at(30_011));
    assert_eq!(presence.update(BEN, 0, own(3), at(30_012)), own(3));
}

#[test]
fn floods_of_ids_and_of_goodbyes_leave_nothing_behind() {
    let mut presence = table();
    let goodbyes = (0..10_000).map(|id| entry(id, u32::MAX, None)).collect();
    assert_eq!(presence.update(ADA, 0, goodbyes, at(0)), vec![]);
    assert!(presence.is_empty() && presence.recently_gone().is_empty());
    let ids = (0..10_000).map(|id| entry(id, 1, Some("x"))).collect();
    assert_eq!(presence.update(ADA, 0, ids, at(1)).len(), 64);
    assert_eq!(presence.close(ADA, at(2)).len(), 64);
    assert!(presence.is_empty());
}

#[test]
fn a_state_that_is_too_long_is_dropped_and_its_neighbour_is_not() {
    let mut presence = table();
    let long = PresenceEntry {
        id: PresenceId(1),
        version: 1,
        state: Some(Bytes::from(vec![b' '; 1024 * 1024])),
    };
    let short = entry(2, 1, Some("x"));
    assert_eq!(
        presence.update(ADA, 0, vec![long, short.clone()], at(0)),
        vec![short]
    );
}
