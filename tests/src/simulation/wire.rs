//! What updates and state vectors say, as sets of units.

use yrs::updates::decoder::Decode;
use yrs::{ClientID, IdSet, StateVector, Update};

/// What an update inserts; nothing if it is no update.
pub(super) fn inserted(update: &[u8]) -> IdSet {
    Update::decode_v1(update)
        .unwrap_or_default()
        .insertions(true)
}

/// What a state vector claims; none if it is no state vector.
pub(super) fn claimed(vector: &[u8]) -> Option<IdSet> {
    let vector = StateVector::decode_v1(vector).ok()?;
    let clocks = vector.iter().filter(|(_, clock)| **clock > 0);
    let claims = clocks.map(|(client, clock)| (*client, std::iter::once(0..*clock)));
    Some(IdSet::from_iter(claims))
}

/// Those of some units that one client made.
pub(super) fn of_client(units: &IdSet, client: u64) -> IdSet {
    let client = ClientID::new(client);
    let own = units.iter().filter(|(author, _)| **author == client);
    IdSet::from_iter(own.map(|(author, ranges)| (*author, ranges.iter().cloned())))
}
