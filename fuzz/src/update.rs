//! Updates: what pre-flight lets through must be taken in, or refused, without harm; and then every question be answered.

use bytes::Bytes;
use engine::Content;
use protocol::preflight::{self, Bounds};

use crate::findings;
use crate::script::Script;
use crate::writer;

/// One update, given to an empty document and to one that has content.
///
/// # Panics
/// A promise was broken.
pub fn one(input: &[u8]) {
    all(writer::empty(), &[input]);
    all(writer::document(), &[input]);
}

/// Several updates, one after the other: each two bytes that say how long it is, and the update.
///
/// # Panics
/// A promise was broken.
pub fn several(input: &[u8]) {
    let mut script = Script::new(input);
    let mut updates = Vec::new();
    while !script.is_done() {
        updates.push(script.chunk());
    }
    all(writer::empty(), &updates);
}

/// The deletions of an update that brings nothing else.
///
/// # Panics
/// A promise was broken.
pub fn deletions(input: &[u8]) {
    let update = [&[0], input].concat();
    all(writer::document(), &[&update]);
}

/// Gives content some updates, and asks everything there is to ask after each.
///
/// # Panics
/// A promise was broken.
pub fn all(mut content: Content, updates: &[&[u8]]) {
    let mut taken = Vec::new();
    for update in updates {
        if preflight::check_update(update, &Bounds::default()).is_err() {
            continue;
        }
        if !take(&mut content, update) {
            return;
        }
        taken.push(Bytes::copy_from_slice(update));
    }
    question(&content);
    merged(&content, &taken);
}

/// Updates that are merged are updates that we would take.
fn merged(content: &Content, taken: &[Bytes]) {
    for update in content.merge(taken) {
        let checked = preflight::check_update(&update, &bounds_of_many());
        assert!(checked.is_ok(), "merged: {checked:?}");
        findings::expect(content.brings(&update));
    }
}

/// Those of what came in many updates: each advances a client by less than is let through, and all of them by any number.
fn bounds_of_many() -> Bounds {
    Bounds {
        advance_max: u64::MAX,
        ..Bounds::default()
    }
}

/// Gives content one update that pre-flight has let through; false if the content is no longer to be used.
///
/// # Panics
/// A library did, or the content changed although it refused the update.
pub fn take(content: &mut Content, update: &[u8]) -> bool {
    let before = content.have(std::iter::empty());
    let Err(error) = content.integrate(update) else {
        return true;
    };
    findings::judge(&error);
    let unchanged = !error.breaks();
    assert!(
        !unchanged || content.have(std::iter::empty()) == before,
        "content changed by what it refused"
    );
    unchanged
}

/// Asks content everything there is to ask.
///
/// # Panics
/// A library did, or an answer was wrong.
pub fn question(content: &Content) {
    let whole = findings::expect(content.update());
    let checked = preflight::check_update(&whole, &bounds_of_many());
    assert!(checked.is_ok(), "what we send we would take: {checked:?}");
    let have = content.have(std::iter::empty());
    assert_eq!(
        preflight::check_state_vector(&have, &Bounds::default()),
        Ok(())
    );
    for have in [&[0], &have[..]] {
        findings::expect(content.missing_from(have));
    }
    findings::expect(content.text(None));
    findings::expect(content.json(None));
    let state = findings::expect(content.state());
    let matches = findings::expect(content.matches(&state));
    assert!(matches, "content matches its own state");
    restored(content, &state);
}

/// Content can be restored from its state, and has all that it had. It may read otherwise: an item that was put between
/// others as no writer does stands in yjs, too, where the order of arrival puts it, and a state is another order. What
/// is made of honest edits alone is held to more ([`crate::document`]).
fn restored(content: &Content, state: &Bytes) {
    let mut restored = writer::empty();
    findings::expect(restored.restore(state));
    let have = |content: &Content| content.have(std::iter::empty());
    assert_eq!(have(&restored), have(content));
    findings::expect(restored.text(None));
    findings::expect(restored.json(None));
}
