//! What a client sees of a document: all of it, or what a projection shows. The document itself knows nothing of that; what it
//! tells is cut down here, on its way to the client, and what the client submits is looked at before the document has it.

use engine::ConnectionId;
use engine::ordered::{Deed, Record, Request, State};
use engine::ot::OtType;
use protocol::sharedb::{self, Address, Code, Projection};

use super::requests::{Outcome, What};
use super::seat::Seats;

impl Seats {
    /// The client is sent the whole document, as far as it sees it.
    pub(super) fn whole(&mut self, to: ConnectionId, state: &State) -> Outcome {
        let Some(seat) = self.seats.get_mut(&to) else {
            return Outcome::Done;
        };
        seat.filling.expect(Some(state.version));
        let seen = match &seat.projection {
            None => return Outcome::Data(sharedb::snapshot(state)),
            Some(projection) => projection.state(state),
        };
        match seen {
            Ok(state) => Outcome::Data(sharedb::snapshot(&state)),
            Err(ot_type) => {
                self.tell_no_more(to);
                let (code, why) = not_projected(ot_type);
                Outcome::Failed(code, why)
            }
        }
    }

    /// Whoever was refused a document does not expect to be told what comes.
    fn tell_no_more(&mut self, to: ConnectionId) {
        if let Some(seat) = self.seats.get_mut(&to)
            && std::mem::take(&mut seat.is_subscribed)
        {
            let tag = self.requests.add(to, What::Own);
            self.ask(to, Request::Unsubscribe { tag }, None);
        }
    }

    /// Whether a client that sees only a part of a document may do this to it.
    pub(super) fn shows_all_of(&self, address: &Address, deed: &Deed) -> bool {
        let projection = self.projection(address);
        projection.is_none_or(|projection| projection.allows(deed))
    }
}

/// What a client is told of an operation of which it sees only a part.
pub(super) fn operation(projection: &Projection, address: &Address, record: &Record) -> String {
    sharedb::operation(address, &projection.record(record))
}

/// As much of a state as is seen.
pub(super) fn state(
    projection: Option<&Projection>,
    state: State,
) -> Result<State, (Code, String)> {
    match projection {
        Some(projection) => projection.state(&state).map_err(not_projected),
        None => Ok(state),
    }
}

fn not_projected(ot_type: OtType) -> (Code, String) {
    let why = format!("Cannot project snapshots of type {}", ot_type.uri());
    (Code::NotProjected, why)
}

/// What is said of an operation that goes beyond what its author sees.
pub(super) const NOT_SEEN: &str = "Invalid op submitted. Operation invalid in projected collection";
