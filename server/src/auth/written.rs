//! A pass as the store keeps it with a ticket: JSON, which names all that the pass is made of.
//!
//! Nodes of neighbouring versions read each other's. What one does not know it refuses: a limit that is passed over must
//! not be one that does not hold.

use bytes::Bytes;
use engine::{Author, Capability, Grant, Pattern, Rule};
use serde::{Deserialize, Serialize};

use super::Pass;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPass {
    user: Option<String>,
    rules: Vec<WrittenRule>,
    expires_ms: Option<u64>,
    token_id: Option<String>,
    issued_ms: Option<u64>,
    key_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    workspace: WrittenPattern,
    document: WrittenPattern,
    may: Vec<String>,
    editors_max: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenPattern {
    Like(String),
    Exactly(String),
}

/// Writes a pass down.
pub(super) fn write(pass: &Pass) -> Bytes {
    let grant = &pass.grant;
    let written = WrittenPass {
        user: grant.principal.as_ref().map(|it| it.as_str().to_owned()),
        rules: grant.rules.iter().map(WrittenRule::from).collect(),
        expires_ms: grant.expires_ms,
        token_id: pass.token_id.as_deref().map(str::to_owned),
        issued_ms: pass.issued_ms,
        key_id: pass.key_id.as_deref().map(str::to_owned),
    };
    let json = serde_json::to_vec(&written);
    json.expect("texts and numbers can be written as JSON")
        .into()
}

/// Reads a pass that was written down.
///
/// # Errors
/// It says something that this program does not know.
pub(super) fn read(json: &[u8]) -> anyhow::Result<Pass> {
    let written: WrittenPass = serde_json::from_slice(json)?;
    let rules = written.rules.into_iter().map(Rule::try_from);
    Ok(Pass {
        grant: Grant {
            principal: written.user.as_deref().map(Author::new),
            rules: rules.collect::<Result<_, _>>()?,
            expires_ms: written.expires_ms,
        },
        token_id: written.token_id.map(Into::into),
        issued_ms: written.issued_ms,
        key_id: written.key_id.map(Into::into),
    })
}

impl From<&Rule> for WrittenRule {
    fn from(rule: &Rule) -> Self {
        let words = rule.may.iter().map(Capability::as_str);
        Self {
            workspace: (&rule.workspace).into(),
            document: (&rule.document).into(),
            may: words.map(str::to_owned).collect(),
            editors_max: rule.editors_max,
        }
    }
}

impl TryFrom<WrittenRule> for Rule {
    type Error = anyhow::Error;

    fn try_from(rule: WrittenRule) -> anyhow::Result<Self> {
        let words = rule.may.iter().map(|word| word.parse::<Capability>());
        Ok(Self {
            workspace: rule.workspace.into(),
            document: rule.document.into(),
            may: words.collect::<Result<_, _>>()?,
            editors_max: rule.editors_max,
        })
    }
}

impl From<&Pattern> for WrittenPattern {
    fn from(pattern: &Pattern) -> Self {
        let text = pattern.as_str().to_owned();
        match pattern.is_exact() {
            true => Self::Exactly(text),
            false => Self::Like(text),
        }
    }
}

impl From<WrittenPattern> for Pattern {
    fn from(pattern: WrittenPattern) -> Self {
        match pattern {
            WrittenPattern::Like(text) => Self::new(&text),
            WrittenPattern::Exactly(text) => Self::exactly(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> impl Strategy<Value = Pattern> {
        (".{0,9}", any::<bool>()).prop_map(|(text, is_exact)| match is_exact {
            true => Pattern::exactly(&text),
            false => Pattern::new(&text),
        })
    }

    prop_compose! {
        fn rule()(
            workspace in pattern(), document in pattern(), editors_max in any::<Option<u32>>(),
            may in vec(0..Capability::ALL.len(), 0..6),
        ) -> Rule {
            let may = may.into_iter().map(|at| Capability::ALL[at]).collect();
            Rule { workspace, document, may, editors_max }
        }
    }

    prop_compose! {
        fn pass()(
            user in option::of(".{0,9}"), rules in vec(rule(), 0..4), expires_ms in any::<Option<u64>>(),
            token_id in option::of(".{0,9}"), issued_ms in any::<Option<u64>>(), key_id in option::of(".{0,9}"),
        ) -> Pass {
            let principal = user.as_deref().map(Author::new);
            let grant = Grant { principal, rules, expires_ms };
            Pass { grant, token_id: token_id.map(Into::into), issued_ms, key_id: key_id.map(Into::into) }
        }
    }

    proptest! {
        #[test]
        fn a_pass_is_read_as_it_was_written(pass in pass()) {
            prop_assert_eq!(read(&write(&pass)).unwrap(), pass);
        }

        #[test]
        fn part_of_a_pass_is_none(pass in pass(), part in any::<prop::sample::Index>()) {
            let written = write(&pass);
            prop_assert!(read(&written[..part.index(written.len())]).is_err());
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let unknown = [
            r#"{"rules": [], "only_on": "mondays"}"#,
            r#"{"rules": [{"workspace": {"like": "*"}, "document": {"like": "*"}, "may": ["fly"]}]}"#,
            r#"{"rules": [{"workspace": {"like": "*"}, "document": {"not": "a"}, "may": ["read"]}]}"#,
            r#"{"rules": [{"workspace": {"like": "*"}, "document": {"like": "*"}, "may": [], "hours": 2}]}"#,
            r#"{"user": "ada"}"#,
        ];
        for json in unknown {
            assert!(read(json.as_bytes()).is_err(), "{json}");
        }
    }
}
