//! `[hook]`: the application that is asked and told things over HTTP, if there is one.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;

use super::error::ConfigError;
use super::form::{Count, Form};
use super::values::Values;

/// `[hook]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookConfig {
    /// Where the application listens; none if there is none.
    pub url: Option<Uri>,
    /// The file with the secret that requests are signed with.
    pub secret_file: Option<PathBuf>,
    /// How long the application may take to answer, all attempts together.
    pub timeout: Duration,
    /// Requests that may be under way at once.
    pub requests: usize,
    /// Whether a URL without TLS may lead to another machine.
    pub allow_insecure: bool,
    /// Whether the application decides who is let in.
    pub authenticate: bool,
    /// How long what it decided may be used again for the same token and document; none if not at all.
    pub authenticate_cache: Option<Duration>,
    /// Whether the application is asked for the first content of documents.
    pub load: bool,
    /// Whether clients' signals go to the application instead of to the others.
    pub signals: bool,
    /// What the application is told of.
    pub events: HookEvents,
    /// How long a document's news waits for more. At most five times as long while more keeps coming.
    pub debounce: Duration,
}

/// What an application is told of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookEvents {
    /// That they are created.
    pub created: bool,
    /// That they change.
    pub changed: bool,
    /// That they are deleted.
    pub deleted: bool,
}

/// Something that may be left out, by the word `none`.
struct Optional<T>(Option<T>);

/// An address of HTTP with a host.
struct Address(Uri);

impl HookConfig {
    pub(super) fn read(values: &Values) -> Result<Self, ConfigError> {
        let Optional(url) = values.get("hook.url")?;
        let Optional(secret_file) = values.get("hook.secret_file")?;
        let Optional(authenticate_cache) = values.get("hook.authenticate_cache")?;
        let Optional(events) = values.get("hook.events")?;
        let Count(requests) = values.get("hook.requests")?;
        Ok(Self {
            url: url.map(|Address(url)| url),
            secret_file,
            timeout: values.get("hook.timeout")?,
            requests,
            allow_insecure: values.get("hook.allow_insecure")?,
            authenticate: values.get("hook.authenticate")?,
            authenticate_cache,
            load: values.get("hook.load")?,
            signals: values.get("hook.signals")?,
            events: events.unwrap_or_default(),
            debounce: values.get("hook.debounce")?,
        })
    }

    /// Refuses what could not work, or would send secrets in the clear.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(url) = &self.url else {
            return match self.first_use() {
                Some(key) => Err(ConfigError::HookWithoutUrl { key }),
                None => Ok(()),
            };
        };
        if self.secret_file.is_none() {
            return Err(ConfigError::HookWithoutSecret);
        }
        if is_exposed(url) && !self.allow_insecure {
            return Err(ConfigError::HookInTheClear {
                url: url.to_string(),
            });
        }
        Ok(())
    }

    /// The first setting that asks for something of the application.
    fn first_use(&self) -> Option<&'static str> {
        let uses = [
            (self.authenticate, "hook.authenticate"),
            (self.load, "hook.load"),
            (self.signals, "hook.signals"),
            (self.events.any(), "hook.events"),
        ];
        uses.into_iter().find(|(on, _)| *on).map(|(_, key)| key)
    }
}

impl HookEvents {
    /// Whether it is told of anything.
    pub fn any(self) -> bool {
        self.created || self.changed || self.deleted
    }
}

/// Whether others could read what is sent there.
fn is_exposed(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    let is_here = host == "localhost" || address.is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    url.scheme_str() != Some("https") && !is_here
}

impl Form for Optional<Address> {
    const EXPECTED: &'static str =
        "none, or an address such as https://app.example.com/quire-hook without user or password";

    fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self(None));
        }
        let url: Uri = text.parse().ok()?;
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        let authority = url.authority()?;
        let is_plain = !authority.as_str().contains('@') && !authority.host().is_empty();
        (is_http && is_plain).then_some(Self(Some(Address(url))))
    }
}

impl Form for Optional<PathBuf> {
    const EXPECTED: &'static str = "none, or the path of a file";

    fn parse(text: &str) -> Option<Self> {
        match text {
            NONE => Some(Self(None)),
            path => PathBuf::parse(path).map(|path| Self(Some(path))),
        }
    }
}

impl Form for Optional<Duration> {
    const EXPECTED: &'static str = "none, or a duration from 1ms to 60s such as 5s";

    fn parse(text: &str) -> Option<Self> {
        match text {
            NONE => Some(Self(None)),
            text => Duration::parse(text)
                .filter(|time| *time <= CACHED_MAX)
                .map(|time| Self(Some(time))),
        }
    }
}

impl Form for Optional<HookEvents> {
    const EXPECTED: &'static str =
        "none, or words of created, changed, deleted with commas between";

    fn parse(text: &str) -> Option<Self> {
        if text == NONE {
            return Some(Self(None));
        }
        let mut events = HookEvents::default();
        for word in text.split(',') {
            match word.trim() {
                "created" => events.created = true,
                "changed" => events.changed = true,
                "deleted" => events.deleted = true,
                _ => return None,
            }
        }
        Some(Self(Some(events)))
    }
}

const NONE: &str = "none";
/// Whoever was shut out by the application is let in by what it said before for no longer than this.
const CACHED_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_http_and_names_a_host_and_nobody() {
        let url = |text| Optional::<Address>::parse(text).map(|Optional(url)| url.is_some());
        assert_eq!(url("none"), Some(false));
        assert_eq!(url("https://app.example.com/hook?x=1"), Some(true));
        for bad in [
            "",
            "app.example.com",
            "ftp://a/",
            "/hook",
            "http://",
            "http://u:p@a/",
        ] {
            assert_eq!(url(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_stays_on_this_machine_needs_no_tls() {
        for (url, exposed) in [
            ("http://127.0.0.1:3000/", false),
            ("http://localhost/hook", false),
            ("http://[::1]:80/", false),
            ("https://app.example.com/", false),
            ("http://app.example.com/", true),
            ("http://10.0.0.5/", true),
            ("http://localhost.example.com/", true),
        ] {
            assert_eq!(is_exposed(&url.parse().unwrap()), exposed, "{url}");
        }
    }

    #[test]
    fn events_are_a_list_of_words() {
        let events = |text| Optional::<HookEvents>::parse(text).map(|Optional(events)| events);
        assert_eq!(events("none"), Some(None));
        let some = events("created, changed").unwrap().unwrap();
        assert!(some.created && some.changed && !some.deleted);
        assert!(events("changed,moved").is_none() && events("").is_none());
    }
}
