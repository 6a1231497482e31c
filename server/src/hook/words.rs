//! What is said to the application and what it answers, as JSON. `docs/hooks.md` describes it.
//!
//! An answer is read strictly: a field of another type, or one that is not known, makes it useless. An application that
//! misspells `denied` has so let nobody in.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::{Author, Capability, DocumentKey, UnknownCapability};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::{Changed, News};

use super::client::Fault;
use super::signals::Said;
use crate::place::timestamp;

/// A document's first content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First {
    pub(super) update: Bytes,
    /// Who wrote it, by the application's word.
    pub(super) author: Option<Author>,
}

/// Whether somebody is let in.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Allowed(Allowed),
    /// Not, and why.
    Denied(String),
}

/// What somebody may do with the document that they asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Allowed {
    /// Who it is; none if anonymous.
    pub(super) user: Option<String>,
    pub(super) may: Vec<Capability>,
    /// How many may edit at the same time.
    pub(super) editors_max: Option<u32>,
    /// Until when, in milliseconds since the Unix epoch.
    pub(super) expires_ms: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthenticateAnswer {
    user: Option<String>,
    may: Option<Vec<String>>,
    editors_max: Option<u32>,
    expires: Option<f64>,
    denied: Option<String>,
}

/// What becomes of a signal.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    /// For whoever sent it.
    pub(super) reply: Option<String>,
    /// For everybody.
    pub(super) broadcast: Option<String>,
}

/// A piece of news, as it is told.
#[derive(Debug, Serialize)]
struct Told<'a> {
    event: &'static str,
    workspace: &'a str,
    document: &'a str,
    kind: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadAnswer {
    update: Option<String>,
    user: Option<String>,
}

/// Asks whether somebody who shows a token, or nothing, is let in.
pub(super) fn authenticate(document: &DocumentKey, token: Option<&str>) -> Bytes {
    body(&json!({
        "event": "authenticate",
        "workspace": document.workspace(),
        "document": document.name(),
        "token": token,
    }))
}

/// Asks for a document's first content.
pub(super) fn load(document: &DocumentKey) -> Bytes {
    body(&json!({
        "event": "load",
        "workspace": document.workspace(),
        "document": document.name(),
    }))
}

/// Asks what becomes of a signal.
pub(super) fn signal(document: &DocumentKey, said: &Said) -> Bytes {
    body(&json!({
        "event": "signal",
        "workspace": document.workspace(),
        "document": document.name(),
        "user": said.author.as_ref().map(Author::as_str),
        "payload": said.text,
    }))
}

/// Tells that a document was created.
pub(super) fn created(news: &News, at_ms: u64) -> Bytes {
    body(&told("created", news, at_ms))
}

/// Tells that a document has changed.
pub(super) fn changed(news: &News, changed: &Changed) -> Bytes {
    body(&Told {
        order: Some(changed.through.0),
        user: changed.author.as_ref().map(Author::as_str),
        ..told("changed", news, changed.at_ms)
    })
}

/// Tells that a document was deleted.
pub(super) fn deleted(news: &News, at_ms: u64) -> Bytes {
    body(&told("deleted", news, at_ms))
}

fn told<'a>(event: &'static str, news: &'a News, at_ms: u64) -> Told<'a> {
    Told {
        event,
        workspace: news.document.workspace(),
        document: news.document.name(),
        kind: news.kind.as_str(),
        at: timestamp(at_ms),
        order: None,
        user: None,
    }
}

impl Decision {
    pub(super) fn read(answer: &[u8]) -> Result<Self, Fault> {
        let answer: AuthenticateAnswer = read(answer)?;
        match (answer.denied, answer.may) {
            (Some(reason), None) if answer.user.is_none() && is_name(&reason) => {
                Ok(Self::Denied(reason))
            }
            (None, Some(may)) => Ok(Self::Allowed(Allowed {
                user: answer.user.map(user).transpose()?,
                may: may
                    .iter()
                    .map(|word| capability(word))
                    .collect::<Result<_, _>>()?,
                editors_max: answer.editors_max,
                expires_ms: answer.expires.map(millis).transpose()?,
            })),
            _ => Err(useless(
                "it needs either may, or denied with a short reason and no user",
            )),
        }
    }
}

fn user(name: String) -> Result<String, Fault> {
    match is_name(&name) {
        true => Ok(name),
        false => Err(useless(&format!("user {NAME_WANTED}"))),
    }
}

fn capability(word: &str) -> Result<Capability, Fault> {
    word.parse()
        .map_err(|error: UnknownCapability| useless(&format!("may: {error}")))
}

/// Seconds since the Unix epoch, as in a token.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was looked at"
)]
fn millis(seconds: f64) -> Result<u64, Fault> {
    match (0.0..=SECONDS_MAX).contains(&seconds) {
        true => Ok((seconds * 1000.0) as u64),
        false => Err(useless("expires has to be a time in seconds since 1970")),
    }
}

fn useless(why: &str) -> Fault {
    Fault::Useless(why.to_owned())
}

impl First {
    pub(super) fn read(answer: &[u8]) -> Result<Option<Self>, Fault> {
        let LoadAnswer { update, user } = read(answer)?;
        let Some(update) = update else {
            return Ok(None);
        };
        let update = BASE64_STANDARD
            .decode(update)
            .map_err(|error| useless(&format!("update is not base64: {error}")))?;
        let user = user.map(self::user).transpose()?;
        Ok(Some(Self {
            update: update.into(),
            author: user.as_deref().map(Author::new),
        }))
    }
}

impl Reply {
    pub(super) fn read(answer: &[u8]) -> Result<Self, Fault> {
        read(answer)
    }
}

/// How long an answer may be that holds so many bytes of content.
pub(super) fn encoded_max(content_max: usize) -> usize {
    content_max.div_ceil(3) * 4 + BESIDES_BYTES
}

/// Whether it can be somebody's name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

/// Reads an answer. One without a word says nothing.
pub(super) fn read<T: Default + DeserializeOwned>(answer: &[u8]) -> Result<T, Fault> {
    if answer.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(answer).map_err(|error| Fault::Useless(error.to_string()))
}

pub(super) fn body(words: &impl Serialize) -> Bytes {
    let words: Value = serde_json::to_value(words).unwrap_or_default();
    words.to_string().into()
}

/// What a name has to be.
pub(super) const NAME_WANTED: &str = "has to be 1 to 512 bytes without control characters";
const NAME_BYTES_MAX: usize = 512;
/// Beyond it milliseconds would not be exact, and nobody waits for that.
const SECONDS_MAX: f64 = 1e12;
/// An answer's other fields, and what stands between them.
const BESIDES_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn why(answer: &str) -> String {
        match First::read(answer.as_bytes()) {
            Err(Fault::Useless(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_without_content_says_that_there_is_none() {
        for nothing in ["", " \n", "{}", r#"{"update":null}"#, r#"{"user":"ada"}"#] {
            assert_eq!(First::read(nothing.as_bytes()), Ok(None), "{nothing}");
        }
    }

    #[test]
    fn content_comes_in_base64_with_its_author() {
        let first = First::read(br#"{"update":"AAA=","user":"ada"}"#).unwrap();
        let wanted = First {
            update: Bytes::from_static(&[0, 0]),
            author: Some(Author::new("ada")),
        };
        assert_eq!(first, Some(wanted));
    }

    #[test]
    fn nobody_is_let_in_by_an_answer_that_says_anything_else() {
        let why = |answer: &str| match Decision::read(answer.as_bytes()) {
            Err(Fault::Useless(why)) => why,
            other => panic!("{answer} is {other:?}"),
        };
        for answer in [
            "",
            "{}",
            "null",
            "true",
            "[]",
            "<html>ok</html>",
            r#"{"user":"ada"}"#,
            r#"{"denied":""}"#,
            r#"{"denied":null}"#,
            r#"{"denied":"no","may":["read"]}"#,
            r#"{"denied":"no","user":"ada"}"#,
            r#"{"may":"read"}"#,
            r#"{"may":["read"],"user":7}"#,
            r#"{"may":["read"],"user":""}"#,
            r#"{"may":["read"],"editors_max":-1}"#,
            r#"{"may":["read"],"expires":"tomorrow"}"#,
            r#"{"may":["read"],"expires":-1}"#,
            r#"{"may":["read"],"deny":"no"}"#,
        ] {
            assert!(!why(answer).is_empty(), "{answer}");
        }
        assert!(why(r#"{"may":["edit"]}"#).contains(r#"unknown capability "edit""#));
    }

    #[test]
    fn what_is_useless_is_told_by_its_name() {
        assert!(why("<html>").contains("expected value"));
        assert!(why(r#"{"update":[0]}"#).contains("invalid type"));
        assert!(why(r#"{"updates":"AAA="}"#).contains("unknown field `updates`"));
        assert!(why(r#"{"update":"&&&"}"#).contains("update is not base64"));
        assert!(why(r#"{"update":"AAA=","user":""}"#).contains("user has to be"));
    }
}
