//! `[auth]`: whose tokens are good here, and what is allowed without one.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::Uri;
use engine::Capabilities;

use super::error::ConfigError;
use super::form::Form;
use super::values::Values;

/// `[auth]`. The keys themselves are in the data folder, see `quire key`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthConfig {
    /// Who has to have issued a token (`iss`); not looked at if none is said.
    pub issuer: Option<String>,
    /// Whom a token has to be meant for (`aud`); nobody in particular if none is said.
    pub audience: Option<String>,
    /// Whether it may be meant for nobody else besides.
    pub only_audience: bool,
    /// What is allowed without a token, where tokens are asked for; nothing if none is said.
    pub anonymous: Option<Capabilities>,
    /// What a token allows that does not say.
    pub default_may: Capabilities,
    /// Whether everybody may read the metrics and how the server is in detail, also where tokens are asked for.
    pub open_metrics: bool,
    /// How far the clock of whoever issues tokens may be ahead.
    pub leeway: Duration,
    /// The keys of an issuer, if they are to be fetched.
    pub jwks: Option<JwksConfig>,
}

/// Where the keys of an issuer are fetched, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksConfig {
    /// Where they are.
    pub url: Uri,
    /// How often they are fetched.
    pub refresh: Duration,
    /// How long after an attempt they are not fetched again, whatever key a token names.
    pub pause: Duration,
    /// How long they are used after they could last be fetched.
    pub stale_max: Duration,
}

/// A text that may be left out.
struct Text(Option<String>);

/// Capabilities, or none.
struct May(Option<Capabilities>);

/// Where keys may be fetched.
struct KeysUrl(Option<Uri>);

impl AuthConfig {
    pub(super) fn read(values: &Values) -> Result<Self, ConfigError> {
        let Text(issuer) = values.get("auth.issuer")?;
        let Text(audience) = values.get("auth.audience")?;
        let May(anonymous) = values.get("auth.anonymous")?;
        let May(default_may) = values.get("auth.default_may")?;
        let KeysUrl(url) = values.get("auth.jwks_url")?;
        let (refresh, pause) = (
            values.get("auth.jwks_refresh")?,
            values.get("auth.jwks_pause")?,
        );
        let stale_max = values.get("auth.jwks_stale_max")?;
        Ok(Self {
            issuer,
            audience,
            only_audience: values.get("auth.only_audience")?,
            anonymous,
            default_may: default_may.unwrap_or_default(),
            open_metrics: values.get("auth.open_metrics")?,
            leeway: values.get("auth.leeway")?,
            jwks: url.map(|url| JwksConfig {
                url,
                refresh,
                pause,
                stale_max,
            }),
        })
    }
}

impl Form for Text {
    const EXPECTED: &'static str = "none, or a text of 1 to 512 bytes";

    fn parse(text: &str) -> Option<Self> {
        match text {
            NONE => Some(Self(None)),
            text if (1..=512).contains(&text.len()) => Some(Self(Some(text.to_owned()))),
            _ => None,
        }
    }
}

impl Form for May {
    const EXPECTED: &'static str =
        "none, or words of read, comment, write, presence, history, admin with commas between them";

    fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self(None));
        }
        let may: Capabilities = text.parse().ok()?;
        (!may.is_empty()).then_some(Self(Some(may)))
    }
}

impl Form for KeysUrl {
    const EXPECTED: &'static str = "none, an https address such as https://login.example.com/jwks.json, \
        or an http address of this machine";

    fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self(None));
        }
        let url: Uri = text.parse().ok()?;
        let is_plain = !url.authority()?.as_str().contains('@');
        let is_safe = match url.scheme_str()? {
            "https" => true,
            "http" => is_loopback(url.host()?),
            _ => false,
        };
        (is_plain && is_safe).then_some(Self(Some(url)))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|ip: IpAddr| ip.is_loopback())
}

const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_where_nobody_can_change_them_on_the_way() {
        let url = |text| KeysUrl::parse(text).map(|KeysUrl(url)| url.is_some());
        assert_eq!(url("none"), Some(false));
        for good in [
            "https://login.example.com/jwks.json",
            "http://127.0.0.1:9000/keys",
            "http://localhost/keys",
            "http://[::1]/keys",
        ] {
            assert_eq!(url(good), Some(true), "{good}");
        }
        for bad in [
            "",
            "http://login.example.com/jwks.json",
            "http://localhost.example.com/",
            "http://169.254.169.254/",
            "file:///etc/keys",
            "https://u:p@login.example.com/",
            "/keys",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_may_be_done_is_a_list_of_words() {
        let may = |text| May::parse(text).map(|May(may)| may.map(|may| may.iter().count()));
        assert_eq!(may("none"), Some(None));
        assert_eq!(may("read,presence"), Some(Some(2)));
        assert_eq!(may("read, write presence"), Some(Some(3)));
        assert_eq!(may(""), None);
        assert_eq!(may("reed"), None);
    }
}
