//! What the other nodes have of the keys that many places are taken of here: how many, and when they said so.
//!
//! A key is only worth a word between nodes when this one has a sixteenth of what may be; most people and addresses never come
//! that far, and cost nothing. What the others have is asked for before somebody is let in if it is not known, or was said some
//! seconds ago, or a moment ago where few places are left; rounds ask for the rest. What was said long ago counts no more, so
//! while the others cannot be asked this node goes by what it has itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What is known of the other nodes' counts, by key.
#[derive(Debug)]
pub(super) struct Others<K> {
    max: usize,
    known: HashMap<K, Known>,
}

#[derive(Debug)]
struct Known {
    /// When somebody came last who was let in or not.
    wanted: Instant,
    /// How many the others have, and when they said so.
    heard: Option<(usize, Instant)>,
    /// How many they were told that are here.
    said: Option<usize>,
    asked: Option<Instant>,
}

impl<K: Eq + Hash + Clone> Others<K> {
    /// Nothing is known yet. There may be so many of each key.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            known: HashMap::new(),
        }
    }

    /// How many of a key the others have, as far as is known.
    pub(super) fn have(&self, key: &K, now: Instant) -> usize {
        self.known.get(key).map_or(0, |known| known.have(now))
    }

    /// Whether few places of a key are left, if it is one that the others are told of.
    pub(super) fn is_near(&self, key: &K, here: usize, now: Instant) -> bool {
        let known = self.known.get(key);
        known.is_some_and(|known| known.is_near(here, self.max, now))
    }

    /// A further one is about to be let in. If that is worth a word, rounds tell the others of the key from now on. True if
    /// they did not before.
    pub(super) fn note(&mut self, key: &K, here: usize, now: Instant) -> bool {
        if let Some(known) = self.known.get_mut(key) {
            known.wanted = now;
            return false;
        }
        let is_taken_up = here + 1 >= self.worth_a_word() && self.known.len() < KEYS_MAX;
        if is_taken_up {
            self.known.insert(key.clone(), Known::new(now));
        }
        is_taken_up
    }

    /// The same; whether the others are to be asked before. If so, they are.
    pub(super) fn ask(&mut self, key: &K, here: usize, now: Instant) -> bool {
        self.note(key, here, now);
        let max = self.max;
        let known = self.known.get_mut(key);
        known.is_some_and(|known| known.ask_if_due(here, max, now))
    }

    /// They were told how many are here, and have said how many they have.
    pub(super) fn hear(&mut self, key: &K, said: usize, have: usize, now: Instant) {
        if let Some(known) = self.known.get_mut(key) {
            known.said = Some(said);
            known.heard = Some((have, now));
        }
    }

    /// The keys that the others are to be told of and asked for by now, with how many are here. Those of few are forgotten
    /// when the others know that and nobody has come for a while.
    pub(super) fn round(&mut self, here: impl Fn(&K) -> usize, now: Instant) -> Vec<(K, usize)> {
        let (worth, max) = (self.worth_a_word(), self.max);
        let mut due = Vec::new();
        self.known.retain(|key, known| {
            let here = here(key);
            let is_told = known.said.is_none_or(|said| said == here);
            let is_few = here == 0 || here + 1 < worth;
            if is_few && is_told && now - known.wanted >= HEARD_LASTS {
                return false;
            }
            if !is_told {
                known.asked = Some(now);
            }
            if !is_told || known.ask_if_due(here, max, now) {
                due.push((key.clone(), here));
            }
            true
        });
        due
    }

    /// From how many on.
    fn worth_a_word(&self) -> usize {
        self.max.div_ceil(PARTS)
    }
}

impl Known {
    fn new(wanted: Instant) -> Self {
        Self {
            wanted,
            heard: None,
            said: None,
            asked: None,
        }
    }

    fn have(&self, now: Instant) -> usize {
        let heard = self.heard.filter(|(_, at)| now - *at < HEARD_LASTS);
        heard.map_or(0, |(have, _)| have)
    }

    fn is_near(&self, here: usize, max: usize, now: Instant) -> bool {
        let left = max.saturating_sub(here).saturating_sub(self.have(now));
        left <= (max / 4).max(FEW)
    }

    fn ask_if_due(&mut self, here: usize, max: usize, now: Instant) -> bool {
        let lasts = match self.is_near(here, max, now) {
            true => SEEN_LASTS_NEAR,
            false => SEEN_LASTS,
        };
        let is_due = self.asked.is_none_or(|at| now - at >= lasts);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }
}

/// What a node has less of than one of so many parts of the limit, it says nothing of.
const PARTS: usize = 16;

/// So many places are few, of whatever number.
const FEW: usize = 2;

/// Keys of one kind that the others are told of; of further ones this node goes by what it has itself.
const KEYS_MAX: usize = 1_000;

/// For how long what the others have said is as good as asking again. What they are told is forgotten after five seconds.
const SEEN_LASTS: Duration = Duration::from_secs(2);

/// The same where few places are left.
const SEEN_LASTS_NEAR: Duration = Duration::from_millis(200);

/// For how long it counts at all.
const HEARD_LASTS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_few_is_not_worth_a_word() {
        let mut others = Others::new(100);
        let now = Instant::now();
        assert!((0..6).all(|here| !others.ask(&"ada", here, now)));
        assert!(others.known.is_empty(), "nothing is remembered");
        assert!(others.ask(&"ada", 6, now));
        let mut small = Others::new(2);
        assert!(small.ask(&"ada", 0, now));
    }

    #[test]
    fn the_nearer_the_limit_the_oftener_they_are_asked() {
        let mut others = Others::new(100);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert!(others.ask(&"ada", 10, at(0)));
        others.hear(&"ada", 10, 30, at(0));
        assert!(!others.ask(&"ada", 11, at(1_999)) && others.ask(&"ada", 11, at(2_000)));
        others.hear(&"ada", 11, 70, at(2_000));
        assert_eq!(others.have(&"ada", at(2_000)), 70);
        assert!(!others.ask(&"ada", 12, at(2_199)) && others.ask(&"ada", 12, at(2_200)));
        // Nobody answers any more.
        assert_eq!(others.have(&"ada", at(6_999)), 70);
        assert_eq!(others.have(&"ada", at(7_000)), 0);
    }

    #[test]
    fn a_round_tells_what_has_changed_and_forgets_what_is_few() {
        let mut others = Others::new(100);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert!(others.ask(&"ada", 10, at(0)));
        others.hear(&"ada", 10, 0, at(0));
        assert_eq!(others.round(|_| 10, at(1_000)), []);
        assert_eq!(others.round(|_| 12, at(1_000)), [("ada", 12)]);
        others.hear(&"ada", 12, 0, at(1_000));
        assert_eq!(others.round(|_| 12, at(3_000)), [("ada", 12)]);
        // That few are left is told once, and again if nobody has heard it.
        assert_eq!(others.round(|_| 0, at(3_100)), [("ada", 0)]);
        assert_eq!(others.round(|_| 0, at(3_200)), [("ada", 0)]);
        others.hear(&"ada", 0, 0, at(3_200));
        assert_eq!(others.round(|_| 0, at(4_999)), []);
        assert!(others.known.contains_key("ada"), "somebody was here");
        assert_eq!(others.round(|_| 0, at(5_000)), []);
        assert!(others.known.is_empty());
    }

    #[test]
    fn only_so_many_keys_are_told_of() {
        let mut others = Others::new(1);
        let now = Instant::now();
        let told = (0..2 * KEYS_MAX).filter(|key| others.ask(key, 0, now));
        assert_eq!(told.count(), KEYS_MAX);
        assert_eq!(others.known.len(), KEYS_MAX);
    }
}
