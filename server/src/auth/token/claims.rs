//! What a token claims (RFC 7519, section 4.1), each by its type first and then by its value.

use std::time::Duration;

use engine::{Author, Capabilities, Pattern, Rule};
use serde_json::Value;

use super::Fault;
use super::object::{Object, shown};
use super::rules;
use crate::config::AuthConfig;

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: who it is for.
    pub subject: Author,
    /// `exp`, in milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// `nbf`, likewise.
    pub not_before_ms: Option<u64>,
    /// `iat`, likewise.
    pub issued_ms: Option<u64>,
    /// `iss`: who issued it.
    pub issuer: Option<String>,
    /// `aud`: whom it is meant for.
    pub audience: Option<Vec<String>>,
    /// `jti`: its id.
    pub id: Option<Box<str>>,
    /// `quire`: what may be done; none if it does not say.
    pub rules: Option<Vec<Rule>>,
}

/// What a token has to claim to be good here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Who has to have issued it; anybody who has a key if none is said.
    pub issuer: Option<String>,
    /// Whom it has to be meant for; only for nobody in particular if none is said.
    pub audience: Option<String>,
    /// Whether it may be meant for nobody else besides.
    pub only_audience: bool,
    /// What a token allows that does not say.
    pub default_may: Capabilities,
    /// How far the issuer's clock may be ahead.
    pub leeway: Duration,
}

impl From<&AuthConfig> for Expected {
    fn from(config: &AuthConfig) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            only_audience: config.only_audience,
            default_may: config.default_may,
            leeway: config.leeway,
        }
    }
}

impl Expected {
    /// What a token allows that does not say: the same as one that says no more than `may`.
    pub(super) fn default_rules(&self) -> Vec<Rule> {
        rules_of(self.default_may)
    }
}

/// The rules of whoever may do some things, and nothing is said about where.
pub(in crate::auth) fn rules_of(may: Capabilities) -> Vec<Rule> {
    let rule = Rule {
        workspace: Pattern::exactly(rules::DEFAULT_WORKSPACE),
        document: Pattern::new("*"),
        may,
        editors_max: None,
    };
    Vec::from_iter((!may.is_empty()).then_some(rule))
}

impl Claims {
    pub(super) fn read(claims: &Object) -> Result<Self, Fault> {
        let time = |name| claims.get(name).map(|value| time(name, value)).transpose();
        let text = |name| claims.get(name).map(|value| text(name, value)).transpose();
        let audience = claims.get("aud").map(audience).transpose()?;
        let id = text("jti")?.map(Into::into);
        Ok(Self {
            subject: Author::new(text("sub")?.ok_or_else(|| missing("sub", TEXT))?),
            expires_ms: time("exp")?.ok_or_else(|| missing("exp", TIME))?,
            not_before_ms: time("nbf")?,
            issued_ms: time("iat")?,
            issuer: text("iss")?.map(str::to_owned),
            audience,
            id,
            rules: claims.get("quire").map(rules::read).transpose()?,
        })
    }

    /// Whether a token with these claims is good now and here.
    pub(super) fn check(&self, expected: &Expected, now_ms: u64) -> Result<(), Fault> {
        let leeway_ms = u64::try_from(expected.leeway.as_millis()).unwrap_or(u64::MAX);
        let is_future =
            |ms: Option<u64>| ms.is_some_and(|ms| ms > now_ms.saturating_add(leeway_ms));
        if self.expires_ms <= now_ms {
            return Err(Fault::Expired);
        }
        if is_future(self.not_before_ms) {
            return Err(Fault::NotYet("nbf"));
        }
        if is_future(self.issued_ms) {
            return Err(Fault::NotYet("iat"));
        }
        self.check_issuer(expected)?;
        self.check_audience(expected)
    }

    fn check_issuer(&self, expected: &Expected) -> Result<(), Fault> {
        match &expected.issuer {
            Some(issuer) if self.issuer.as_ref() != Some(issuer) => Err(Fault::Value {
                path: "iss".to_owned(),
                found: found(self.issuer.as_ref().map(|it| format!("{it:?}"))),
                expected: "what auth.issuer says",
            }),
            _ => Ok(()),
        }
    }

    /// A token that is meant for somebody is not for a server that goes by no such name (RFC 7519, section 4.1.3).
    fn check_audience(&self, expected: &Expected) -> Result<(), Fault> {
        let fault = |expected| Fault::Value {
            path: "aud".to_owned(),
            found: found(self.audience.as_ref().map(|it| format!("{it:?}"))),
            expected,
        };
        match (&expected.audience, &self.audience) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(fault("none, since auth.audience says none")),
            (Some(ours), Some(audience)) if audience.contains(ours) => {
                let is_only = audience.iter().all(|it| it == ours);
                match is_only || !expected.only_audience {
                    true => Ok(()),
                    false => Err(fault("what auth.audience says and nobody else")),
                }
            }
            (Some(_), _) => Err(fault("what auth.audience says")),
        }
    }
}

/// A time in seconds since the Unix epoch (NumericDate), as milliseconds.
fn time(name: &str, value: &Value) -> Result<u64, Fault> {
    let seconds = value.as_f64().filter(|it| (0.0..=SECONDS_MAX).contains(it));
    let seconds = seconds.ok_or_else(|| fault(name, value, TIME))?;
    Ok((seconds * 1_000.0).floor() as u64)
}

fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, Fault> {
    let is_good = |text: &&str| {
        (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
    };
    let text = value.as_str().filter(is_good);
    text.ok_or_else(|| fault(name, value, TEXT))
}

/// One name, or a list of them.
fn audience(value: &Value) -> Result<Vec<String>, Fault> {
    let Value::Array(list) = value else {
        return Ok(vec![text("aud", value)?.to_owned()]);
    };
    let text = |(at, value)| text(&format!("aud[{at}]"), value).map(str::to_owned);
    list.iter().enumerate().map(text).collect()
}

fn found(value: Option<String>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(text) if text.len() > FOUND_BYTES_MAX => "another".to_owned(),
        Some(text) => text,
    }
}

fn fault(name: &str, value: &Value, expected: &'static str) -> Fault {
    Fault::Value {
        path: name.to_owned(),
        found: shown(value),
        expected,
    }
}

fn missing(name: &str, expected: &'static str) -> Fault {
    Fault::Value {
        path: name.to_owned(),
        found: "missing".to_owned(),
        expected,
    }
}

const TIME: &str = "a number of seconds since 1970, before the year 10000";
const TEXT: &str = "a text of 1 to 512 bytes without control characters";
/// The end of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;
/// As long as a name may be: a subject is the author of changes.
const TEXT_BYTES_MAX: usize = 512;
const FOUND_BYTES_MAX: usize = 200;
