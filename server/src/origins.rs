//! Where pages come from: the origins (RFC 6454) whose pages may use this server from a browser.
//!
//! A browser says with each request of a page whose page it is. It does so truthfully, so what it says protects the people
//! who use it from pages that would use what the browser holds for them; it says nothing about who sends a request. Origins
//! are compared as a whole: `https://good.example.evil.com` begins like a good one.

use std::fmt;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Origins of pages, besides this server's own, as browsers write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// It is no list of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedOrigins;

/// Whose page a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// No page: a browser does not say, or it is none.
    None,
    /// A page of this server.
    Own,
    /// A page of an origin that is listed.
    Listed,
    /// Any other page, or one whose origin the browser keeps to itself (`null`).
    Foreign,
}

impl Origins {
    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose page a request comes from.
    pub fn page(&self, headers: &HeaderMap) -> Page {
        let mut said = headers.get_all(header::ORIGIN).iter();
        match (said.next(), said.next()) {
            (None, _) => Page::None,
            (Some(origin), None) if is_own(origin, headers) => Page::Own,
            (Some(origin), None) if self.lists(origin) => Page::Listed,
            _ => Page::Foreign,
        }
    }

    /// Whether a request may use the cookie, which the browser adds whoever has it make the request.
    pub fn may_use_cookie(&self, headers: &HeaderMap) -> bool {
        match self.page(headers) {
            Page::Own | Page::Listed => true,
            Page::Foreign => false,
            Page::None => headers
                .get(FETCH_SITE)
                .is_some_and(|site| site == "same-origin"),
        }
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| origin == listed.as_str())
    }
}

impl FromStr for Origins {
    type Err = MalformedOrigins;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self::default());
        }
        let origins = text.split(',').map(|origin| parse(origin.trim()));
        let origins: Option<_> = origins.collect();
        origins.map(Self).ok_or(MalformedOrigins)
    }
}

impl fmt::Display for MalformedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a list of origins")
    }
}

impl std::error::Error for MalformedOrigins {}

/// An origin as a browser writes it: in small letters, and without the port that its scheme has anyway.
fn parse(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase());
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "-._:[]".contains(sign);
    if !is_scheme || authority.is_empty() || !authority.chars().all(is_sign) {
        return None;
    }
    let port = default_port(scheme);
    let authority = port
        .and_then(|port| authority.strip_suffix(port))
        .unwrap_or(authority);
    Some(format!("{scheme}://{authority}"))
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some(":80"),
        "https" => Some(":443"),
        _ => None,
    }
}

/// Whether an origin is that of this server: of the host that the request was sent to. Which scheme that was is known to a
/// proxy in front of it at best, and a page of the same host and port with another scheme cannot be somebody else's.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let own = || {
        let (scheme, authority) = origin.to_str().ok()?.split_once("://")?;
        let port = default_port(scheme)?;
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let plain = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_owned();
        Some(plain(authority).eq_ignore_ascii_case(&plain(host)))
    };
    own().unwrap_or(false)
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn page(origins: &str, host: &str, said: &[&str]) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for origin in said {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        origins.parse::<Origins>().unwrap().page(&headers)
    }

    #[test]
    fn an_origin_is_compared_as_a_whole() {
        let origins = "https://good.example, http://localhost:5173";
        let page = |said: &[&str]| page(origins, "q.example", said);
        assert_eq!(page(&[]), Page::None);
        assert_eq!(page(&["https://good.example"]), Page::Listed);
        assert_eq!(page(&["http://localhost:5173"]), Page::Listed);
        assert_eq!(page(&["https://q.example"]), Page::Own);
        for evil in [
            "https://good.example.evil.com",
            "https://evil.com/https://good.example",
            "https://sub.good.example",
            "http://good.example",
            "https://good.example:8443",
            "https://good.example/",
            "https://q.example.evil.com",
            "null",
            "",
            "*",
        ] {
            assert_eq!(page(&[evil]), Page::Foreign, "{evil}");
        }
        let two = ["https://good.example", "https://evil.com"];
        assert_eq!(page(&two), Page::Foreign);
    }

    #[test]
    fn a_list_is_written_as_people_write_origins() {
        let origins = |text: &str| text.parse::<Origins>();
        let list = vec![
            "https://good.example".to_owned(),
            "app://localhost".to_owned(),
        ];
        assert_eq!(
            origins("https://Good.example:443 , app://localhost"),
            Ok(Origins(list))
        );
        assert!(origins("none").unwrap().is_empty());
        for text in [
            "",
            "*",
            "null",
            "good.example",
            "https://",
            "https://a/b",
            "https://a,",
            "https://*.a",
            "https://u@a",
            "://a",
        ] {
            assert_eq!(origins(text), Err(MalformedOrigins), "{text}");
        }
    }
}
