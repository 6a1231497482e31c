//! What somebody may do: a grant, as whoever issued a token worded it, and what it comes to for one document.
//!
//! A grant is a list of rules. A rule names documents by two patterns, of the workspace and of the name within it, and says
//! what may be done with them. Rules only ever allow: what a grant comes to for a document is all that the rules allow
//! which cover it, and nothing where none does.
//!
//! What holds for one client of one document, and until when, are its rights.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::names::{Author, DocumentKey};
use crate::time::Now;

/// One thing that may be done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// See the document's content, as it is and as it changes.
    Read,
    /// Add comments.
    Comment,
    /// Edit the document. Creating it is its first edit.
    Write,
    /// Show oneself to the others.
    Presence,
    /// See who changed what, and the content of earlier times.
    History,
    /// Delete the document, lift its quarantine, speak to all who have it open.
    Admin,
}

/// Things that may be done with a document.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u8);

/// A word that names no capability.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown capability {0:?}, expected one of read, comment, write, presence, history, admin")]
pub struct UnknownCapability(pub String);

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Comment,
        Self::Write,
        Self::Presence,
        Self::History,
        Self::Admin,
    ];

    /// The capability's word, as it stands in tokens and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Comment => "comment",
            Self::Write => "write",
            Self::Presence => "presence",
            Self::History => "history",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(word: &str) -> Result<Self, UnknownCapability> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.as_str() == word)
            .ok_or_else(|| UnknownCapability(word.to_owned()))
    }
}

impl Capabilities {
    /// Everything.
    pub fn all() -> Self {
        Capability::ALL.into_iter().collect()
    }

    /// Whether one of them is among these.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One after another.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .into_iter()
            .filter(move |capability| self.contains(*capability))
    }
}

/// Words with commas or spaces between them.
impl FromStr for Capabilities {
    type Err = UnknownCapability;

    fn from_str(words: &str) -> Result<Self, UnknownCapability> {
        let words = words.split([',', ' ']).filter(|word| !word.is_empty());
        words.map(str::parse::<Capability>).collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(capabilities.into_iter().fold(0, |set, it| set | it.bit()))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Names by their shape: `*` stands for any text, slashes and nothing at all included; every other character for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    /// Whether a star, too, stands for itself.
    is_exact: bool,
}

impl Pattern {
    /// A pattern.
    pub fn new(pattern: &str) -> Self {
        Self {
            text: pattern.into(),
            is_exact: false,
        }
    }

    /// A pattern that covers one name only.
    pub fn exactly(name: &str) -> Self {
        Self {
            text: name.into(),
            is_exact: true,
        }
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it covers one name only, stars included.
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The text that every name of this shape begins with.
    pub fn beginning(&self) -> &str {
        match self.is_exact {
            true => &self.text,
            false => self.text.split('*').next().unwrap_or_default(),
        }
    }

    /// Whether every name has this shape.
    pub fn covers_all(&self) -> bool {
        !self.is_exact && !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    /// Whether a name has this shape. Takes at most the product of both lengths.
    pub fn covers(&self, name: &str) -> bool {
        if self.is_exact {
            return &*self.text == name;
        }
        let mut parts = self.text.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The earliest place of each part leaves most for those behind it.
        for part in parts {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// What may be done with some documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which workspaces.
    pub workspace: Pattern,
    /// Which of their documents.
    pub document: Pattern,
    /// What may be done with them.
    pub may: Capabilities,
    /// How many may edit one of them at the same time, this one included; any number if none is said.
    pub editors_max: Option<u32>,
}

impl Rule {
    /// Whether it is about a document.
    pub fn covers(&self, document: &DocumentKey) -> bool {
        self.workspace.covers(document.workspace()) && self.document.covers(document.name())
    }
}

/// What somebody may do, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is; none if anonymous.
    pub principal: Option<Author>,
    /// What is allowed.
    pub rules: Vec<Rule>,
    /// From when on it allows nothing any more, in milliseconds since the Unix epoch; never if none is said.
    pub expires_ms: Option<u64>,
}

/// What a grant comes to for one document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// What may be done with it.
    pub may: Capabilities,
    /// How many may edit it at the same time; any number if none is said.
    pub editors_max: Option<u32>,
}

impl Grant {
    /// Anything, with any document, for ever, by nobody in particular: for servers that know nobody.
    pub fn anonymous() -> Self {
        let everything = Rule {
            workspace: Pattern::new("*"),
            document: Pattern::new("*"),
            may: Capabilities::all(),
            editors_max: None,
        };
        Self {
            principal: None,
            rules: vec![everything],
            expires_ms: None,
        }
    }

    /// What may be done with a document. Of several limits of editors the widest holds, as everywhere with rules.
    pub fn access(&self, document: &DocumentKey) -> Access {
        let rules = self.rules.iter().filter(|rule| rule.covers(document));
        let may = rules
            .clone()
            .fold(Capabilities::default(), |may, rule| may.union(rule.may));
        let limits = rules
            .filter(|rule| rule.may.contains(Capability::Write))
            .map(|rule| rule.editors_max.unwrap_or(u32::MAX));
        let editors_max = limits.max().filter(|limit| *limit < u32::MAX);
        Access { may, editors_max }
    }

    /// What may be done with every document of every workspace.
    pub fn everywhere(&self) -> Capabilities {
        let rules = self.rules.iter();
        rules
            .filter(|rule| rule.workspace.covers_all() && rule.document.covers_all())
            .fold(Capabilities::default(), |may, rule| may.union(rule.may))
    }

    /// The rules that allow something with documents of a workspace.
    pub fn rules_of<'a>(
        &'a self,
        workspace: &'a str,
        capability: Capability,
    ) -> impl Iterator<Item = &'a Rule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.may.contains(capability) && rule.workspace.covers(workspace))
    }

    /// As much of it as is about one workspace, or about one document of it.
    #[must_use]
    pub fn narrowed(&self, workspace: &str, document: Option<&str>) -> Self {
        let covers = |rule: &&Rule| {
            let covers_document = document.is_none_or(|name| rule.document.covers(name));
            rule.workspace.covers(workspace) && covers_document
        };
        let narrowed = |rule: &Rule| Rule {
            workspace: Pattern::exactly(workspace),
            document: document.map_or_else(|| rule.document.clone(), Pattern::exactly),
            ..rule.clone()
        };
        Self {
            rules: self.rules.iter().filter(covers).map(narrowed).collect(),
            ..self.clone()
        }
    }

    /// Whether it has expired, at a time in milliseconds since the Unix epoch.
    pub fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires| expires <= wall_ms)
    }
}

/// What a client may do with a document, who it is, and until when that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Who it is; none if anonymous.
    pub author: Option<Author>,
    /// What it may do.
    pub access: Access,
    /// When this ends, in monotonic milliseconds; never if none is said.
    pub until_ms: Option<u64>,
}

impl Rights {
    /// Everything, for as long as the client stays.
    pub fn all(author: Option<Author>) -> Self {
        Self {
            author,
            access: Access {
                may: Capabilities::all(),
                editors_max: None,
            },
            until_ms: None,
        }
    }

    /// Whether one thing is among what may be done.
    pub fn allow(&self, capability: Capability) -> bool {
        self.access.may.contains(capability)
    }

    pub(crate) fn have_ended(&self, now: Now) -> bool {
        self.until_ms
            .is_some_and(|until_ms| until_ms <= now.monotonic_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn set(words: &str) -> Capabilities {
        words.parse().unwrap()
    }

    fn rule(workspace: &str, document: &str, may: &str, editors_max: Option<u32>) -> Rule {
        Rule {
            workspace: Pattern::new(workspace),
            document: Pattern::new(document),
            may: set(may),
            editors_max,
        }
    }

    fn access(rules: Vec<Rule>, workspace: &str, name: &str) -> Access {
        let grant = Grant {
            principal: None,
            rules,
            expires_ms: None,
        };
        grant.access(&DocumentKey::new(workspace, name).unwrap())
    }

    #[test]
    fn capabilities_are_read_by_their_words() {
        for capability in Capability::ALL {
            assert_eq!(capability.as_str().parse(), Ok(capability));
        }
        let error = "Write".parse::<Capability>().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("unknown capability \"Write\"")
        );
        assert_eq!(set("write read").iter().count(), 2);
        assert!(!set("write").contains(Capability::Read));
        assert_eq!(Capabilities::all().iter().count(), 6);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        let covers = |pattern: &str, name: &str| Pattern::new(pattern).covers(name);
        assert!(covers("*", "anything/at all"));
        assert!(covers("drafts/*", "drafts/a/b"));
        assert!(!covers("drafts/*", "draft/a"));
        assert!(covers("*-notes", "my-notes"));
        assert!(!covers("*-notes", "my-notes-2"));
        assert!(covers("a*b*c", "a-b-b-c"));
        assert!(!covers("a*b*c", "a-c-b"));
        assert!(covers("plain", "plain"));
        assert!(!covers("plain", "plain2"));
        assert!(!covers("ab*ba", "aba"));
        assert!(!covers("", "x"));
    }

    #[test]
    fn an_exact_pattern_covers_one_name() {
        let star = Pattern::exactly("a*");
        assert!(star.covers("a*") && !star.covers("ab"));
        assert_eq!((star.beginning(), star.as_str()), ("a*", "a*"));
        assert!(!Pattern::exactly("*").covers_all());
    }

    #[test]
    fn a_pattern_says_how_its_names_begin() {
        let beginning = |pattern: &str| Pattern::new(pattern).beginning().to_owned();
        assert_eq!(beginning("drafts/*-old"), "drafts/");
        assert_eq!(beginning("plain"), "plain");
        assert_eq!(beginning("*"), "");
        assert!(Pattern::new("*").covers_all() && Pattern::new("**").covers_all());
        assert!(!Pattern::new("").covers_all() && !Pattern::new("a*").covers_all());
    }

    #[test]
    fn what_holds_everywhere_holds_for_every_name() {
        let rules = vec![
            rule("*", "*", "read", None),
            rule("*", "a*", "write", None),
            rule("team", "*", "admin", None),
        ];
        let grant = Grant {
            principal: None,
            rules,
            expires_ms: None,
        };
        assert_eq!(grant.everywhere(), set("read"));
        let of = |workspace, capability| grant.rules_of(workspace, capability).count();
        assert_eq!(of("team", Capability::Admin), 1);
        assert_eq!(of("other", Capability::Admin), 0);
        assert_eq!(of("other", Capability::Read), 1);
        assert_eq!(Grant::anonymous().everywhere(), Capabilities::all());
    }

    #[test]
    fn a_narrowed_grant_allows_nothing_elsewhere() {
        let grant = Grant {
            principal: Some(Author::new("ada")),
            rules: vec![
                rule("*", "drafts/*", "read write", Some(3)),
                rule("team", "*", "presence", None),
                rule("other", "*", "admin", None),
            ],
            expires_ms: Some(9),
        };
        let may = |grant: &Grant, workspace: &str, name: &str| {
            grant
                .access(&DocumentKey::new(workspace, name).unwrap())
                .may
        };
        let team = grant.narrowed("team", None);
        assert_eq!(may(&team, "team", "drafts/*"), set("read write presence"));
        assert_eq!(may(&team, "team", "final"), set("presence"));
        assert!(may(&team, "other", "drafts/one").is_empty());
        let one = grant.narrowed("team", Some("drafts/*"));
        assert_eq!(may(&one, "team", "drafts/*"), set("read write presence"));
        assert!(may(&one, "team", "drafts/one").is_empty());
        assert_eq!((one.principal, one.expires_ms), (grant.principal, Some(9)));
    }

    #[test]
    fn a_document_gets_what_all_rules_that_cover_it_allow() {
        let rules = || {
            vec![
                rule("team", "*", "read presence", None),
                rule("team", "drafts/*", "write", Some(3)),
                rule("other", "*", "admin", None),
            ]
        };
        let draft = access(rules(), "team", "drafts/one");
        assert_eq!(draft.may, set("read presence write"));
        assert_eq!(draft.editors_max, Some(3));
        assert_eq!(access(rules(), "team", "final").may, set("read presence"));
        assert_eq!(access(rules(), "nobody", "x"), Access::default());
    }

    #[test]
    fn of_limits_the_widest_holds_and_readers_set_none() {
        let limits = |limits: &[Option<u32>]| {
            let rules = limits.iter().map(|limit| rule("*", "*", "write", *limit));
            access(rules.collect(), "w", "d").editors_max
        };
        assert_eq!(limits(&[Some(2), Some(5)]), Some(5));
        assert_eq!(limits(&[Some(2), None]), None);
        let reader = access(vec![rule("*", "*", "read", Some(1))], "w", "d");
        assert_eq!(reader.editors_max, None);
    }

    #[test]
    fn a_grant_ends_at_its_time() {
        let mut grant = Grant::anonymous();
        assert!(!grant.is_expired(u64::MAX));
        grant.expires_ms = Some(1_000);
        assert!(!grant.is_expired(999));
        assert!(grant.is_expired(1_000));
    }

    /// The same by trying every split: slow, and plainly right.
    fn covers_plainly(pattern: &[char], name: &[char]) -> bool {
        match pattern {
            [] => name.is_empty(),
            ['*', rest @ ..] => (0..=name.len()).any(|at| covers_plainly(rest, &name[at..])),
            [one, rest @ ..] => name.first() == Some(one) && covers_plainly(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn patterns_cover_what_they_should(pattern in "[ab*]{0,7}", name in "[ab]{0,9}") {
            let plainly = covers_plainly(
                &pattern.chars().collect::<Vec<_>>(),
                &name.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(Pattern::new(&pattern).covers(&name), plainly);
        }

        #[test]
        fn a_further_rule_never_takes_anything_away(
            rules in vec(("[ab*]{1,3}", "[ab*]{1,3}", 0..6_usize), 1..5),
            name in "[ab]{1,4}",
        ) {
            let rules: Vec<_> = rules
                .iter()
                .map(|(workspace, document, at)| rule(workspace, document, Capability::ALL[*at].as_str(), None))
                .collect();
            let fewer = access(rules[1..].to_vec(), "a", &name).may;
            let more = access(rules, "a", &name).may;
            prop_assert_eq!(more.union(fewer), more);
        }
    }
}
