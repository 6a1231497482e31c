//! Filling gaps: what a slow reader was not told is asked for again, once all is written that it was told.
//!
//! A gap in operations begins at the first version that the client was not sent. Until the document has sent them again,
//! operations behind the gap are passed over, and answers wait: a client has to have all that came before them. The document
//! sends them in steps, the next of which is asked for when all of one is written: of what does not fit into the queue there is
//! never much to be read again. A gap in presence is filled by being told of everybody anew; who is not among them has gone.

use std::collections::BTreeMap;
use std::task::Context;

use engine::ConnectionId;
use engine::ordered::{Presence, PresenceName, Request, RequestTag};
use engine::ot::Json;

use super::requests::What;
use super::seat::Seats;
use crate::ordered::Gap;

/// What a seat's client was sent, and what it missed.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// The version up to which the client has everything, counted from what it said to have; none if it has nothing.
    sent: Option<u64>,
    operations: Hole,
    /// The presences that the client was told of, by their numbers; none if it does not want to be.
    shown: Option<BTreeMap<PresenceName, u64>>,
    presence: Hole,
    /// Those that were shown when everybody was asked for anew, and have not been shown since.
    doubtful: BTreeMap<PresenceName, u64>,
}

/// Where the filling of a gap is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hole {
    #[default]
    None,
    /// Something was left out.
    Open,
    /// It was asked for.
    Asked(RequestTag),
}

impl Filling {
    /// The client has a version, and is to be sent what came since.
    pub(super) fn expect(&mut self, from: Option<u64>) {
        self.sent = from.or(self.sent);
    }

    /// Whether the client is to be sent an operation now, which it then has; or knows that its own is stored.
    pub(super) fn passes(&mut self, version: u64) -> bool {
        let sent = self.sent.unwrap_or(version);
        if sent == version {
            self.sent = Some(version + 1);
        }
        self.operations == Hole::None || version <= sent
    }

    /// The version up to which the client has everything.
    pub(super) fn sent(&self) -> Option<u64> {
        self.sent
    }

    /// Whether answers have to wait.
    pub(super) fn is_behind(&self) -> bool {
        self.operations != Hole::None
    }

    /// Something was left out.
    pub(super) fn miss(&mut self, gap: Gap) {
        match gap {
            Gap::Operations => self.operations = Hole::Open,
            Gap::Presence => self.presence = Hole::Open,
        }
    }

    /// The client wants to be told where people are, or does not.
    pub(super) fn tell_presence(&mut self, is_wanted: bool) {
        self.shown = is_wanted.then(BTreeMap::new);
        self.doubtful.clear();
    }

    pub(super) fn tells_presence(&self) -> bool {
        self.shown.is_some()
    }

    /// Whether the client is to be told where somebody is, which it then knows.
    pub(super) fn shows(&mut self, presence: &Presence) -> bool {
        self.doubtful.remove(&presence.name);
        let Some(shown) = &mut self.shown else {
            return false;
        };
        match &presence.value {
            Json::Null => drop(shown.remove(&presence.name)),
            _ => drop(shown.insert(presence.name.clone(), presence.number)),
        }
        true
    }

    /// Some of what was asked for was told. Whether more is to be asked for on account of that.
    pub(super) fn goes_on(&mut self, tag: RequestTag) -> bool {
        let is_asked = self.operations == Hole::Asked(tag);
        if is_asked {
            self.operations = Hole::Open;
        }
        is_asked
    }

    /// Takes the answer to what was asked for. What it brings was told before it.
    pub(super) fn filled(&mut self, tag: RequestTag) -> Filled {
        if self.operations == Hole::Asked(tag) {
            self.operations = Hole::None;
            return Filled::Operations;
        }
        if self.presence == Hole::Asked(tag) {
            self.presence = Hole::None;
            let gone = std::mem::take(&mut self.doubtful);
            if let Some(shown) = &mut self.shown {
                shown.retain(|name, _| !gone.contains_key(name));
            }
            return Filled::Presence(self.gone(gone));
        }
        Filled::Nothing
    }

    fn gone(&self, gone: BTreeMap<PresenceName, u64>) -> Vec<Presence> {
        let version = self.sent.unwrap_or(0);
        let gone = gone.into_iter().map(|(name, number)| Presence {
            name,
            number,
            version,
            value: Json::Null,
        });
        gone.collect()
    }

    /// What is to be asked for now, by tags that `tag` makes.
    fn questions(&mut self, mut tag: impl FnMut() -> RequestTag) -> Vec<Request> {
        let mut questions = Vec::new();
        if self.operations == Hole::Open {
            let (tag, from) = (tag(), self.sent);
            self.operations = Hole::Asked(tag);
            questions.push(match from {
                Some(from) => Request::CatchUp { tag, from },
                None => Request::Fetch { tag, from },
            });
        }
        if let (Hole::Open, Some(shown)) = (self.presence, &self.shown) {
            let tag = tag();
            self.presence = Hole::Asked(tag);
            self.doubtful = shown.clone();
            questions.push(Request::SubscribePresence { tag });
        }
        questions
    }
}

/// What was filled.
#[derive(Debug, PartialEq)]
pub(super) enum Filled {
    Nothing,
    Operations,
    /// The gap in presence; these are gone.
    Presence(Vec<Presence>),
}

impl Seats {
    /// A client that loads a document forgets where people are in it.
    pub(super) fn show_people_again(&mut self, to: ConnectionId) {
        if let Some(seat) = self.seats.get_mut(&to)
            && seat.filling.tells_presence()
        {
            seat.filling.miss(Gap::Presence);
            self.behind.insert(to);
        }
    }

    /// Asks for what was left out. All that was told before is written.
    pub(super) fn fill_gaps(&mut self, context: &mut Context<'_>) {
        for number in std::mem::take(&mut self.behind) {
            self.fill(number);
        }
        let _ = self.poll_sending(context);
    }

    fn fill(&mut self, number: ConnectionId) {
        let Self {
            seats, requests, ..
        } = self;
        let Some(seat) = seats.get_mut(&number) else {
            return;
        };
        let questions = seat.filling.questions(|| requests.add(number, What::Own));
        for question in questions {
            self.ask(number, question, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(filling: &mut Filling, tag: u64) -> Vec<Request> {
        filling.questions(|| RequestTag(tag))
    }

    #[test]
    fn what_was_left_out_is_asked_for_from_where_it_began() {
        let mut filling = Filling::default();
        filling.expect(Some(3));
        assert!(filling.passes(3) && filling.passes(4));
        filling.miss(Gap::Operations);
        assert!(!filling.passes(6) && filling.is_behind());
        let (tag, from) = (RequestTag(1), 5);
        assert_eq!(asked(&mut filling, 1), [Request::CatchUp { tag, from }]);
        assert_eq!(asked(&mut filling, 2), []);
        assert!(!filling.passes(7), "it comes again with the others");
        assert!(filling.passes(5) && filling.passes(6) && filling.passes(7));
        assert_eq!(filling.filled(RequestTag(9)), Filled::Nothing);
        assert_eq!(filling.filled(tag), Filled::Operations);
        assert!(filling.passes(8) && !filling.is_behind());
    }

    #[test]
    fn a_gap_is_filled_in_steps_one_after_the_other() {
        let mut filling = Filling::default();
        filling.expect(Some(7));
        filling.miss(Gap::Operations);
        asked(&mut filling, 1);
        assert!(filling.passes(7) && filling.goes_on(RequestTag(1)));
        let (tag, from) = (RequestTag(2), 8);
        assert_eq!(asked(&mut filling, 2), [Request::CatchUp { tag, from }]);
        assert!(!filling.goes_on(RequestTag(1)), "that is another one");
        assert_eq!(asked(&mut filling, 3), []);
        assert!(filling.is_behind());
    }

    #[test]
    fn a_gap_in_what_fills_a_gap_is_filled_as_well() {
        let mut filling = Filling::default();
        filling.expect(Some(7));
        filling.miss(Gap::Operations);
        asked(&mut filling, 1);
        assert!(filling.passes(7));
        filling.miss(Gap::Operations);
        assert_eq!(filling.filled(RequestTag(1)), Filled::Nothing);
        let (tag, from) = (RequestTag(2), 8);
        assert_eq!(asked(&mut filling, 2), [Request::CatchUp { tag, from }]);
    }

    #[test]
    fn who_is_not_told_of_again_has_gone() {
        let presence = |id: &str, value| Presence {
            name: PresenceName {
                source: "me".into(),
                id: id.into(),
            },
            number: 4,
            version: 1,
            value,
        };
        let mut filling = Filling::default();
        filling.tell_presence(true);
        for id in ["a", "b"] {
            filling.shows(&presence(id, Json::Bool(true)));
        }
        filling.miss(Gap::Presence);
        let tag = RequestTag(1);
        assert_eq!(asked(&mut filling, 1), [Request::SubscribePresence { tag }]);
        filling.shows(&presence("b", Json::Bool(true)));
        filling.shows(&presence("c", Json::Bool(true)));
        let Filled::Presence(gone) = filling.filled(tag) else {
            panic!("the gap is filled");
        };
        let ids: Vec<_> = gone.iter().map(|gone| &*gone.name.id).collect();
        assert_eq!((ids, &gone[0].value), (vec!["a"], &Json::Null));
    }
}
