//! The claim `quire`: what may be done with which documents, as one rule or a list of them.
//!
//! ```json
//! {"may": ["read", "write"], "workspace": "default", "document": "stories/*", "editors_max": 10}
//! ```
//!
//! Only `may` has to be there. A member that is not known refuses the token: a limit that is misspelt must not be one
//! that does not hold.

use engine::{Capabilities, Capability, Pattern, Rule};
use serde_json::{Map, Value};

use super::Fault;
use super::object::shown;

/// Reads the claim.
pub(super) fn read(value: &Value) -> Result<Vec<Rule>, Fault> {
    match value {
        Value::Array(rules) if rules.len() <= RULES_MAX => {
            let rules = rules.iter().enumerate();
            rules
                .map(|(at, value)| rule(&format!("quire[{at}]"), value))
                .collect()
        }
        Value::Object(_) => Ok(vec![rule("quire", value)?]),
        other => Err(fault(
            "quire",
            other,
            "a rule or a list of at most 64 rules",
        )),
    }
}

fn rule(path: &str, value: &Value) -> Result<Rule, Fault> {
    let Value::Object(members) = value else {
        return Err(fault(path, value, "a rule such as {\"may\": [\"read\"]}"));
    };
    if let Some((name, value)) = members.iter().find(|(name, _)| !is_known(name)) {
        let expected = "no such member: a rule has may, workspace, document and editors_max";
        let name: String = name
            .chars()
            .filter(|it| !it.is_control())
            .take(80)
            .collect();
        return Err(fault(&format!("{path}.{name}"), value, expected));
    }
    let workspace = pattern(path, members, "workspace")?;
    let document = pattern(path, members, "document")?;
    Ok(Rule {
        workspace: workspace.unwrap_or_else(|| Pattern::exactly(DEFAULT_WORKSPACE)),
        document: document.unwrap_or_else(|| Pattern::new("*")),
        may: may(path, members.get("may"))?,
        editors_max: members
            .get("editors_max")
            .map(|value| editors(path, value))
            .transpose()?,
    })
}

fn is_known(name: &str) -> bool {
    ["may", "workspace", "document", "editors_max"].contains(&name)
}

fn may(path: &str, value: Option<&Value>) -> Result<Capabilities, Fault> {
    let path = format!("{path}.may");
    let expected = "a list of capabilities";
    let Some(Value::Array(words)) = value else {
        return Err(match value {
            Some(value) => fault(&path, value, expected),
            None => Fault::Value {
                path,
                found: "missing".to_owned(),
                expected,
            },
        });
    };
    let capability = |(at, value): (usize, &Value)| {
        let known = value
            .as_str()
            .and_then(|word| word.parse::<Capability>().ok());
        known.ok_or_else(|| {
            let path = format!("{path}[{at}]");
            fault(
                &path,
                value,
                "one of read, comment, write, presence, history, admin",
            )
        })
    };
    words.iter().enumerate().map(capability).collect()
}

fn pattern(path: &str, rule: &Map<String, Value>, name: &str) -> Result<Option<Pattern>, Fault> {
    let Some(value) = rule.get(name) else {
        return Ok(None);
    };
    let is_good = |text: &&str| {
        (1..=PATTERN_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
    };
    let text = value.as_str().filter(is_good);
    let expected = "a name, in which * stands for any text";
    let text = text.ok_or_else(|| fault(&format!("{path}.{name}"), value, expected))?;
    Ok(Some(Pattern::new(text)))
}

fn editors(path: &str, value: &Value) -> Result<u32, Fault> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    let expected = "a whole number from 1 to 1000000";
    count
        .filter(|count| (1..=EDITORS_MAX).contains(count))
        .ok_or_else(|| fault(&format!("{path}.editors_max"), value, expected))
}

fn fault(path: &str, value: &Value, expected: &'static str) -> Fault {
    Fault::Value {
        path: path.to_owned(),
        found: shown(value),
        expected,
    }
}

/// The workspace of a rule that names none, and of clients that name none.
pub(super) const DEFAULT_WORKSPACE: &str = "default";
const RULES_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 512;
const EDITORS_MAX: u32 = 1_000_000;
