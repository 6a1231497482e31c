//! The conversation with a client about one document: what is asked of the document, and what the client is told.
//!
//! It knows no socket and no session. Its inputs are what the client says and what the document tells; its outputs are
//! [`Step`]s. Whatever it says names heads that are stored and no others, and a message is said only if it brings the client
//! something: changes that it lacks, heads that it was not told, or whether its changes are taken. So two who have the same fall
//! silent.
//!
//! A client that begins is answered once with all that it lacks; from then on it is told each change as soon as it is stored.

use std::collections::HashSet;

use bytes::Bytes;
use engine::{AutomergeChange, CloseReason, Event, Intent};

use super::bloom::Bloom;
use super::chunk::split_changes;
use super::hash::ChangeHash;
use super::shared_event::SharedEvent;
use super::stored::Stored;
use super::sync::{Flags, Have, SyncMessage, Version};

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask the document.
    Ask(Intent),
    /// Tell the client.
    Say(SyncMessage),
    /// Tell the client that its changes are not taken, and why.
    Refuse(CloseReason),
}

/// What the client has asked for, and has not got.
#[derive(Debug)]
enum Question {
    /// All that it lacks.
    Everything {
        /// The heads that it says it has.
        heads: Vec<ChangeHash>,
        /// What it said to have besides.
        have: Vec<Have>,
        /// Whether it has nothing at all, and reads messages of version 2.
        reads_kept: bool,
        /// Whether it has nothing and wants to hear so if nobody has anything.
        is_request: bool,
    },
    /// Changes by name.
    These(HashSet<ChangeHash>),
    /// What there is beyond the heads that it was told.
    Rest,
    /// Nothing: what the heads are is not certain.
    Heads,
}

/// The conversation about one document.
#[derive(Debug, Default)]
pub struct Conversation {
    stored: Stored,
    /// Whether the document has said what it has.
    is_open: bool,
    /// What the document is to be asked next.
    question: Option<Question>,
    /// What it was asked and has not answered.
    asked: Option<Question>,
    /// Whether it has said its heads since.
    has_heads: bool,
    /// Whether it has answered before. From then on it says its heads before each answer; the first time it has just said them.
    has_answered: bool,
    /// Whether its heads are to be asked for.
    is_uncertain: bool,
    /// What the document lacks of changes that it has told of, which are not for the client before. Too many are not remembered.
    lacked: HashSet<ChangeHash>,
    /// Whether some of that has come.
    has_rest: bool,
    /// Whether the client was sent all that it lacked, and is told what comes.
    is_answered: bool,
    /// The heads that the client was told last.
    told: Vec<ChangeHash>,
    is_read_only: bool,
    /// Whether the client was ever told that its changes are not taken; it has to be told otherwise then.
    has_flags: bool,
}

impl Conversation {
    /// The client has said something, without its changes.
    pub fn hear(&mut self, message: SyncMessage, is_request: bool, steps: &mut Vec<Step>) {
        let begins = is_request || !self.is_answered || self.begins_anew(&message);
        if begins && !matches!(self.asked, Some(Question::Everything { .. })) {
            self.is_answered = false;
            self.question = Some(Question::Everything {
                reads_kept: message.flags.is_some() && has_nothing(&message),
                heads: message.heads,
                have: message.have,
                is_request,
            });
        } else if !begins && !message.need.is_empty() && self.question.is_none() {
            self.question = Some(Question::These(message.need.into_iter().collect()));
        }
        self.ask(steps);
    }

    /// Whether a client that was answered lacks something all the same. One that has nothing has forgotten what it was told; one
    /// that cannot follow says that nothing is shared.
    fn begins_anew(&self, message: &SyncMessage) -> bool {
        let is_reset = |flags: Flags| flags.has(Flags::SYNC_RESET);
        if message.flags.is_some_and(is_reset) {
            return true;
        }
        let shares_nothing = matches!(&message.have[..], [have] if *have == Have::default());
        let lacks = !self.stored.are_among(&message.heads);
        lacks && message.changes.is_empty() && shares_nothing
    }

    /// Whether the client waits to hear that nobody has the document.
    pub fn is_missing(&self) -> bool {
        let is_request = matches!(
            self.question,
            Some(Question::Everything {
                is_request: true,
                ..
            })
        );
        self.is_open && is_request && self.stored.is_empty()
    }

    /// The document tells something. `changes` are those that it carries.
    pub fn told(&mut self, shared: &SharedEvent, steps: &mut Vec<Step>) {
        match &shared.event {
            Event::Have { have } => self.has(have, steps),
            Event::Missing { payload } => self.answered(payload, shared, steps),
            Event::Change { payload } => {
                self.take_in(shared.changes());
                if self.is_answered {
                    self.say(split_changes(payload), steps);
                } else {
                    self.note_lacked(shared.changes().iter());
                }
                self.ask(steps);
            }
            Event::Ack { news, .. } => {
                if *news {
                    self.take_in(shared.changes());
                }
                self.say_heads(steps);
                self.ask(steps);
            }
            Event::Refused { reason, .. } => self.refused(*reason, steps),
            Event::Rights { may_write } => self.set_read_only(!may_write, steps),
            Event::Presence(_) | Event::Signal(_) => {}
        }
    }

    fn take_in(&mut self, changes: &[AutomergeChange]) {
        self.is_uncertain |= !self.stored.take_in(changes);
        let mut came = changes.iter().map(|change| ChangeHash(change.hash));
        self.has_rest |= !self.lacked.is_empty() && came.any(|hash| self.lacked.contains(&hash));
    }

    fn has(&mut self, have: &Bytes, steps: &mut Vec<Step>) {
        let heads = have.as_chunks::<{ ChangeHash::BYTES }>().0.iter();
        let heads: Vec<_> = heads.copied().map(ChangeHash).collect();
        self.stored.replace(&heads);
        self.is_open = true;
        self.has_heads = true;
        if self.asked.is_none() {
            self.say_heads(steps);
        }
        self.ask(steps);
    }

    /// Asks the document if there is something to ask, and answers the client where that is not needed.
    fn ask(&mut self, steps: &mut Vec<Step>) {
        if self.asked.is_some() || !self.is_open {
            return;
        }
        if self.question.is_none() && self.has_rest && self.is_answered {
            self.question = Some(Question::Rest);
        } else if self.question.is_none() && self.is_uncertain {
            self.question = Some(Question::Heads);
        }
        let intent = match &self.question {
            None => return,
            Some(Question::Everything { is_request, .. }) if self.stored.is_empty() => {
                if !is_request {
                    self.question = None;
                    self.begin(Vec::new(), steps);
                    self.ask(steps);
                }
                return;
            }
            Some(Question::Everything { heads, .. }) if self.stored.are_among(heads) => {
                self.question = None;
                self.begin(Vec::new(), steps);
                return self.ask(steps);
            }
            Some(Question::Everything {
                reads_kept: true, ..
            }) => Intent::PullKept,
            Some(Question::Everything { heads, have, .. }) => {
                let shared = have.iter().flat_map(|have| &have.last_sync);
                pull(heads.iter().chain(shared))
            }
            Some(Question::These(_)) => pull([].iter()),
            Some(Question::Rest) => {
                self.has_rest = false;
                self.lacked.clear();
                pull(self.told.iter())
            }
            Some(Question::Heads) => {
                self.is_uncertain = false;
                pull(self.stored.heads().iter())
            }
        };
        self.asked = self.question.take();
        self.has_heads = false;
        steps.push(Step::Ask(intent));
    }

    /// The document has answered.
    fn answered(&mut self, payload: &Bytes, shared: &SharedEvent, steps: &mut Vec<Step>) {
        // An answer may be long, and what comes of its beginning asks anew.
        let is_answer = self.has_heads || !self.has_answered;
        let Some(question) = self.asked.take_if(|_| is_answer) else {
            return self.goes_on(shared, steps);
        };
        self.has_answered = true;
        match question {
            Question::Everything {
                reads_kept: true, ..
            } => {
                self.is_answered = true;
                let all = Some(payload.clone()).filter(|all| !all.is_empty());
                self.say_in(Version::V2, all.into_iter().collect(), steps);
            }
            Question::Everything { have, .. } => {
                let blooms: Vec<_> = have.iter().map(|have| &have.bloom).collect();
                let changes = match blooms.iter().all(|bloom| bloom.entries() == 0) {
                    true => split_changes(payload),
                    false => without_known(shared.changes(), &blooms),
                };
                self.begin(changes, steps);
            }
            Question::These(names) => {
                let changes = shared.changes().iter();
                let named = changes.filter(|change| names.contains(&ChangeHash(change.hash)));
                let named: Vec<_> = named.map(|change| change.chunk.clone()).collect();
                if !named.is_empty() {
                    self.say(named, steps);
                }
            }
            Question::Rest => {
                self.take_in(shared.changes());
                self.say(split_changes(payload), steps);
            }
            Question::Heads if !self.has_heads => self.is_uncertain = true,
            Question::Heads => self.say(Vec::new(), steps),
        }
        self.ask(steps);
    }

    /// The document goes on with its answer. At its end there are changes that lack something, which are not for clients.
    fn goes_on(&mut self, shared: &SharedEvent, steps: &mut Vec<Step>) {
        let mut wanted: HashSet<_> = self.stored.heads().into_iter().collect();
        let mut found = Vec::new();
        for change in shared.changes().iter().rev() {
            if wanted.contains(&ChangeHash(change.hash)) {
                wanted.extend(change.deps.iter().copied().map(ChangeHash));
                found.push(change.chunk.clone());
            }
        }
        let here = shared.changes().iter();
        self.note_lacked(here.filter(|change| !wanted.contains(&ChangeHash(change.hash))));
        if !found.is_empty() {
            found.reverse();
            self.say(found, steps);
        }
    }

    /// Takes note of what changes lack that the client is not told of.
    fn note_lacked<'a>(&mut self, early: impl Iterator<Item = &'a AutomergeChange>) {
        let lacked = early.flat_map(|change| change.deps.iter().copied().map(ChangeHash));
        let room = LACKED_MAX.saturating_sub(self.lacked.len());
        self.lacked.extend(lacked.take(room));
    }

    /// Answers a client that begins.
    fn begin(&mut self, changes: Vec<Bytes>, steps: &mut Vec<Step>) {
        self.is_answered = true;
        self.say(changes, steps);
    }

    fn say_heads(&mut self, steps: &mut Vec<Step>) {
        if self.is_answered && self.stored.heads() != self.told {
            self.say(Vec::new(), steps);
        }
    }

    fn say(&mut self, changes: Vec<Bytes>, steps: &mut Vec<Step>) {
        self.say_in(Version::V1, changes, steps);
    }

    fn say_in(&mut self, version: Version, changes: Vec<Bytes>, steps: &mut Vec<Step>) {
        if !self.is_answered {
            return;
        }
        let heads = self.stored.heads();
        self.told.clone_from(&heads);
        steps.push(Step::Say(SyncMessage {
            version,
            heads: heads.clone(),
            need: Vec::new(),
            have: vec![Have {
                last_sync: heads,
                bloom: Bloom::default(),
            }],
            changes,
            flags: self.flags(),
        }));
    }

    /// Clients that were never sent flags send each change by itself.
    fn flags(&self) -> Option<Flags> {
        let flags = match self.is_read_only {
            true => Flags::READ_ONLY,
            false => 0,
        };
        self.has_flags.then_some(Flags(flags))
    }

    fn refused(&mut self, reason: CloseReason, steps: &mut Vec<Step>) {
        steps.push(Step::Refuse(reason));
        self.set_read_only(true, steps);
    }

    fn set_read_only(&mut self, is_read_only: bool, steps: &mut Vec<Step>) {
        if std::mem::replace(&mut self.is_read_only, is_read_only) != is_read_only {
            self.has_flags = true;
            self.say(Vec::new(), steps);
        }
    }
}

/// How much is remembered that the document lacks: more than there is where clients are as they should be.
const LACKED_MAX: usize = 1_024;

/// The changes that are in no filter, and what builds on those: a filter may seem to have what it has not.
fn without_known(changes: &[AutomergeChange], blooms: &[&Bloom]) -> Vec<Bytes> {
    let mut sent = HashSet::new();
    let lacking = changes.iter().filter(|change| {
        let hash = ChangeHash(change.hash);
        let is_known = blooms.iter().any(|bloom| bloom.contains(&hash));
        let is_lacking = !is_known || change.deps.iter().any(|dep| sent.contains(dep));
        is_lacking && sent.insert(change.hash)
    });
    lacking.map(|change| change.chunk.clone()).collect()
}

/// Whether somebody has nothing, and had nothing before.
fn has_nothing(message: &SyncMessage) -> bool {
    let mut have = message.have.iter();
    message.heads.is_empty() && have.all(|have| *have == Have::default())
}

/// The question for what somebody lacks who has this.
fn pull<'a>(heads: impl Iterator<Item = &'a ChangeHash>) -> Intent {
    let have = encode(heads);
    Intent::Pull { have }
}

/// Heads as the engine reads them.
fn encode<'a>(heads: impl Iterator<Item = &'a ChangeHash>) -> Bytes {
    let heads: std::collections::BTreeSet<_> = heads.collect();
    let bytes: Vec<u8> = heads.iter().flat_map(|head| head.0).collect();
    bytes.into()
}

#[cfg(test)]
mod tests {
    use engine::PushTag;

    use super::*;

    fn hash(number: u8) -> ChangeHash {
        ChangeHash([number; ChangeHash::BYTES])
    }

    /// What a client says that has these heads.
    fn says(heads: &[u8]) -> SyncMessage {
        SyncMessage {
            heads: heads.iter().copied().map(hash).collect(),
            have: vec![Have::default()],
            ..SyncMessage::default()
        }
    }

    fn hears(conversation: &mut Conversation, message: SyncMessage, is_request: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        conversation.hear(message, is_request, &mut steps);
        steps
    }

    fn told(conversation: &mut Conversation, event: Event) -> Vec<Step> {
        let mut steps = Vec::new();
        conversation.told(&SharedEvent::new(event), &mut steps);
        steps
    }

    fn has(heads: &[u8]) -> Event {
        let hashes: Vec<_> = heads.iter().copied().map(hash).collect();
        Event::Have {
            have: encode(hashes.iter()),
        }
    }

    fn missing() -> Event {
        let payload = Bytes::new();
        Event::Missing { payload }
    }

    /// Two changes, of which the second builds on the first.
    fn two_changes() -> [automerge::Change; 2] {
        use automerge::transaction::Transactable;
        let mut doc = automerge::AutoCommit::new();
        [1, 2].map(|number| {
            doc.put(automerge::ROOT, "number", number).unwrap();
            doc.commit();
            doc.get_last_local_change().unwrap()
        })
    }

    fn payload_of(change: &automerge::Change) -> Bytes {
        Bytes::copy_from_slice(change.raw_bytes())
    }

    #[test]
    fn what_waited_is_told_once_what_it_lacked_has_come() {
        let [first, second] = two_changes();
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1]));
        hears(&mut conversation, says(&[]), false);
        told(&mut conversation, missing());
        let payload = payload_of(&second);
        let steps = told(&mut conversation, Event::Missing { payload });
        assert!(steps.is_empty(), "it lacks something");
        let payload = payload_of(&first);
        let mut steps = told(&mut conversation, Event::Change { payload });
        let ask = Step::Ask(pull(conversation.told.iter()));
        assert_eq!(steps.pop(), Some(ask), "the rest is asked for");
        told(&mut conversation, has(&[1]));
        let payload = payload_of(&second);
        let changes = vec![payload.clone()];
        let answer = told(&mut conversation, Event::Missing { payload });
        let said = answer.iter().find_map(|step| match step {
            Step::Say(message) => Some(&message.changes),
            _ => None,
        });
        assert_eq!(said, Some(&changes));
    }

    #[test]
    fn whose_own_change_waited_is_told_of_it_once_what_it_lacked_is_stored() {
        let [first, second] = two_changes();
        let acked = |change: &automerge::Change| Event::Ack {
            tag: PushTag(0),
            payload: payload_of(change),
            news: true,
        };
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[]));
        hears(&mut conversation, says(&[]), false);
        told(&mut conversation, acked(&second));
        told(&mut conversation, missing());
        told(&mut conversation, has(&[]));
        told(&mut conversation, missing());
        let first_hash = ChangeHash(first.hash().0);
        let steps = told(&mut conversation, acked(&first));
        let ask = Step::Ask(pull([first_hash].iter()));
        assert_eq!(steps.last(), Some(&ask), "the second follows from it");
        told(&mut conversation, has(&[2]));
        let steps = told(&mut conversation, missing());
        assert_eq!(heads_said(&steps), [[hash(2)]]);
    }

    #[test]
    fn what_goes_on_is_no_answer_to_what_was_asked_since() {
        let [first, second] = two_changes();
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1]));
        hears(&mut conversation, says(&[]), false);
        let payload = payload_of(&second);
        told(&mut conversation, Event::Change { payload });
        let steps = told(&mut conversation, missing());
        assert!(
            matches!(steps[..], [Step::Say(_), Step::Ask(_)]),
            "{steps:?}"
        );
        let payload = payload_of(&second);
        assert!(told(&mut conversation, Event::Missing { payload }).is_empty());
        told(&mut conversation, has(&[1]));
        let steps = told(&mut conversation, missing());
        assert_eq!(heads_said(&steps), [[hash(1)]]);
        assert!(conversation.lacked.contains(&ChangeHash(first.hash().0)));
    }

    #[test]
    fn who_begins_while_the_document_is_asked_something_else_is_answered_for_itself() {
        let [first, _] = two_changes();
        let payload = Bytes::copy_from_slice(first.raw_bytes());
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1]));
        hears(&mut conversation, says(&[1]), false);
        let steps = told(&mut conversation, Event::Change { payload });
        assert!(
            matches!(steps[..], [Step::Say(_), Step::Ask(_)]),
            "its place is not known"
        );
        assert!(hears(&mut conversation, says(&[]), false).is_empty());
        let steps = told(&mut conversation, missing());
        assert_eq!(steps, [Step::Ask(pull([].iter()))]);
    }

    fn heads_said(steps: &[Step]) -> Vec<Vec<ChangeHash>> {
        let said = steps.iter().filter_map(|step| match step {
            Step::Say(message) => Some(message.heads.clone()),
            _ => None,
        });
        said.collect()
    }

    #[test]
    fn a_client_is_answered_once_the_document_has_said_what_it_has() {
        let mut conversation = Conversation::default();
        assert!(hears(&mut conversation, says(&[]), true).is_empty());
        assert!(!conversation.is_missing(), "nobody knows yet");
        assert_eq!(
            told(&mut conversation, has(&[1])),
            [Step::Ask(pull([].iter()))]
        );
        assert!(
            hears(&mut conversation, says(&[]), true).is_empty(),
            "it is being asked"
        );
        let steps = told(&mut conversation, missing());
        assert_eq!(heads_said(&steps), [[hash(1)]]);
        assert!(hears(&mut conversation, says(&[1]), false).is_empty());
    }

    #[test]
    fn who_has_nothing_and_reads_it_is_sent_what_is_kept_as_it_is() {
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1]));
        let message = SyncMessage {
            flags: Some(Flags::default()),
            ..says(&[])
        };
        let steps = hears(&mut conversation, message, true);
        assert_eq!(steps, [Step::Ask(Intent::PullKept)]);
        let payload = Bytes::from_static(b"a document");
        let changes = vec![payload.clone()];
        match &told(&mut conversation, Event::Missing { payload })[..] {
            [Step::Say(said)] => {
                assert_eq!((said.version, &said.changes), (Version::V2, &changes));
                assert_eq!(said.flags, None, "it is to send each change by itself");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_for_nothing_waits_and_a_client_that_has_something_does_not() {
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[]));
        assert!(hears(&mut conversation, says(&[]), true).is_empty());
        assert!(conversation.is_missing());
        let steps = hears(&mut conversation, says(&[1]), false);
        assert_eq!(heads_said(&steps), [Vec::new()]);
        assert!(!conversation.is_missing());
    }

    #[test]
    fn who_has_all_is_told_so_without_a_question() {
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1, 2]));
        let steps = hears(&mut conversation, says(&[2, 1, 7]), false);
        assert_eq!(heads_said(&steps), [[hash(1), hash(2)]]);
        assert!(hears(&mut conversation, says(&[1, 2]), false).is_empty());
    }

    #[test]
    fn who_cannot_follow_begins_anew() {
        let mut conversation = Conversation::default();
        told(&mut conversation, has(&[1]));
        hears(&mut conversation, says(&[1]), false);
        let steps = hears(&mut conversation, says(&[9]), false);
        assert_eq!(steps, [Step::Ask(pull([hash(9)].iter()))]);
    }

    #[test]
    fn whose_changes_are_not_taken_is_told_so_once_and_when_they_are_again() {
        let mut conversation = Conversation::default();
        told(&mut conversation, Event::Rights { may_write: true });
        told(&mut conversation, has(&[1]));
        hears(&mut conversation, says(&[1]), false);
        let (tag, reason) = (PushTag(0), CloseReason::Forbidden);
        let flags = |steps: &[Step]| {
            let said = steps.iter().filter_map(|step| match step {
                Step::Say(message) => Some(message.flags.map(|flags| flags.0)),
                _ => None,
            });
            said.collect::<Vec<_>>()
        };
        let steps = told(&mut conversation, Event::Refused { tag, reason });
        assert_eq!(steps[0], Step::Refuse(reason));
        assert_eq!(flags(&steps), [Some(Flags::READ_ONLY)]);
        let again = told(&mut conversation, Event::Refused { tag, reason });
        assert!(flags(&again).is_empty());
        let steps = told(&mut conversation, Event::Rights { may_write: true });
        assert_eq!(flags(&steps), [Some(0)]);
    }
}
