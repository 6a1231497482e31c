//! Where a request carries what it shows: a header, the address, a subprotocol or a cookie.
//!
//! What a client put there on purpose comes before the cookie, which a browser adds by itself, also to requests that
//! another site has it make. A cookie counts only where the browser says that a page of this server, or of an origin that
//! is listed, asks (`Origin`, or `Sec-Fetch-Site` where a browser sends no origin to its own). Addresses get into logs of
//! others, so what they carry is better a ticket.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use percent_encoding::percent_decode_str;

use super::Credential;
use crate::origins::Origins;

/// What a request shows, and how that is to be answered.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// What it shows; none if nothing.
    pub credential: Option<Credential>,
    /// The subprotocol to agree to; none if none was offered.
    pub subprotocol: Option<HeaderValue>,
}

impl Carried {
    /// Reads what a request shows.
    pub fn read(headers: &HeaderMap, uri: &Uri, origins: &Origins) -> Self {
        let offered = offered(headers);
        let credential = bearer(headers)
            .or_else(|| in_subprotocol(&offered))
            .or_else(|| in_query(uri.query().unwrap_or_default()))
            .or_else(|| in_cookie(headers).filter(|_| origins.may_use_cookie(headers)));
        Self {
            credential,
            subprotocol: agreed(&offered),
        }
    }
}

/// `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<Credential> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    given(token.trim()).filter(|_| is_bearer)
}

/// A subprotocol whose name is one of [`TOKEN_PROTOCOLS`] and the token.
fn in_subprotocol(offered: &[&str]) -> Option<Credential> {
    given(offered.iter().find_map(|name| token_of(name))?)
}

/// One of the [`TOKEN_PARAMETERS`], or `ticket`.
fn in_query(query: &str) -> Option<Credential> {
    let pairs = || query.split('&').filter_map(|pair| pair.split_once('='));
    let value = |wanted: &str| {
        let (_, value) = pairs().find(|(name, value)| *name == wanted && !value.is_empty())?;
        percent_decode_str(value).decode_utf8().ok()
    };
    let ticket = value(TICKET_PARAMETER).map(|ticket| Credential::ticket(&ticket));
    let token = || TOKEN_PARAMETERS.into_iter().find_map(value);
    ticket.or_else(|| given(&token()?))
}

fn in_cookie(headers: &HeaderMap) -> Option<Credential> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == COOKIE)?;
    given(token)
}

fn given(token: &str) -> Option<Credential> {
    (!token.is_empty()).then(|| Credential::new(token))
}

/// The subprotocols that a client offers, in its order.
fn offered(headers: &HeaderMap) -> Vec<&str> {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// The first subprotocol that is not there for the token. A browser gives up when none that it offered is agreed to, so
/// where there is nothing else it is the one with the token, which goes to nobody but the client that sent it.
fn agreed(offered: &[&str]) -> Option<HeaderValue> {
    let plain = offered.iter().find(|name| token_of(name).is_none());
    HeaderValue::from_str(plain.or_else(|| offered.first())?).ok()
}

fn token_of(name: &str) -> Option<&str> {
    TOKEN_PROTOCOLS
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
}

/// The names in an address under which clients put a token: of this server, of RFC 6750, and of y/hub.
const TOKEN_PARAMETERS: [&str; 3] = ["token", "access_token", "yauth"];
const TICKET_PARAMETER: &str = "ticket";
/// The beginnings of subprotocols that are there for the token behind them: of this server, and of y/hub.
const TOKEN_PROTOCOLS: [&str; 2] = ["quire-token-", "yauth-"];
const COOKIE: &str = "quire_token";

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn read(uri: &str, headers: Headers) -> Carried {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let origins = "https://app.example".parse().unwrap();
        Carried::read(&headers, &uri.parse().unwrap(), &origins)
    }

    fn shown(uri: &str, headers: Headers) -> Option<String> {
        let credential = read(uri, headers).credential?;
        let kind = if credential.is_ticket() {
            "ticket"
        } else {
            "token"
        };
        Some(format!("{kind} {}", credential.reveal()))
    }

    fn token(token: &str) -> Option<String> {
        Some(format!("token {token}"))
    }

    #[test]
    fn a_token_is_found_wherever_clients_put_it() {
        assert_eq!(shown("/a", &[("authorization", "Bearer t")]), token("t"));
        assert_eq!(shown("/a", &[("authorization", "bearer  t")]), token("t"));
        let protocols = [("sec-websocket-protocol", "quire, quire-token-a.b-c_d")];
        assert_eq!(shown("/a", &protocols), token("a.b-c_d"));
        let protocols = [("sec-websocket-protocol", "yauth-t")];
        assert_eq!(shown("/a", &protocols), token("t"));
        for uri in ["/a?token=t", "/a?x=1&access_token=t", "/a?yauth=t&token="] {
            assert_eq!(shown(uri, &[]), token("t"), "{uri}");
        }
        assert_eq!(shown("/a?token=a%2Bb", &[]), token("a+b"));
        assert_eq!(shown("/a?ticket=t", &[]).as_deref(), Some("ticket t"));
    }

    #[test]
    fn nothing_is_made_of_what_is_no_token() {
        assert_eq!(shown("/a", &[]), None);
        assert_eq!(shown("/a?token=&tokens=t&xtoken=t&token", &[]), None);
        assert_eq!(shown("/a?token=%ff", &[]), None);
        for value in ["Basic t", "Bearer", "Bearer ", "t"] {
            assert_eq!(shown("/a", &[("authorization", value)]), None, "{value}");
        }
        let protocols = [("sec-websocket-protocol", "quire-token-, quire-token")];
        assert_eq!(shown("/a", &protocols), None);
    }

    #[test]
    fn what_was_put_on_purpose_comes_before_the_cookie() {
        let cookie = [
            ("cookie", "quire_token=c"),
            ("host", "q.example"),
            ("origin", "https://q.example"),
        ];
        assert_eq!(shown("/a", &cookie), token("c"));
        assert_eq!(shown("/a?token=t", &cookie), token("t"));
        let mut all = cookie.to_vec();
        all.push(("sec-websocket-protocol", "quire-token-p"));
        assert_eq!(shown("/a?token=t", &all), token("p"));
        all.push(("authorization", "Bearer h"));
        assert_eq!(shown("/a?token=t", &all), token("h"));
    }

    #[test]
    fn a_cookie_counts_only_with_an_origin_that_may_use_it() {
        let cookie = ("cookie", "a=b; quire_token=c; d");
        let with = |host: &'static str, origin: &'static str| {
            shown("/a", &[cookie, ("host", host), ("origin", origin)])
        };
        for (host, origin) in [
            ("good.example", "https://good.example"),
            ("good.example:80", "http://good.example"),
            ("good.example", "https://good.example:443"),
            ("GOOD.example:8080", "http://good.example:8080"),
            ("good.example", "https://app.example"),
        ] {
            assert_eq!(with(host, origin), token("c"), "{origin} at {host}");
        }
        for (host, origin) in [
            ("good.example", "https://evil.example"),
            ("good.example", "https://good.example.evil.com"),
            ("good.example", "https://evil.com/good.example"),
            ("good.example", "https://evilgood.example"),
            ("good.example", "https://good.example:8443"),
            ("good.example", "http://good.example:443"),
            ("good.example:8080", "https://good.example"),
            ("good.example", "https://sub.app.example"),
            ("good.example", "http://app.example"),
            ("good.example", "https://app.example/"),
            ("good.example", "file://good.example"),
            ("good.example", "null"),
            ("null", "null"),
            ("", ""),
        ] {
            assert_eq!(with(host, origin), None, "{origin} at {host}");
        }
        assert_eq!(shown("/a", &[cookie, ("host", "good.example")]), None);
        let fetched = |site| shown("/a", &[cookie, ("sec-fetch-site", site)]);
        assert_eq!(fetched("same-origin"), token("c"));
        assert_eq!(fetched("same-site"), None);
        assert_eq!(fetched("none"), None);
    }

    #[test]
    fn the_subprotocol_agreed_to_holds_no_token_if_it_can() {
        let agreed = |offered: &str| {
            let carried = read("/a", &[("sec-websocket-protocol", offered)]);
            carried
                .subprotocol
                .map(|it| it.to_str().unwrap().to_owned())
        };
        assert_eq!(agreed("quire, quire-token-t").as_deref(), Some("quire"));
        assert_eq!(agreed("yauth-t, y").as_deref(), Some("y"));
        assert_eq!(agreed("quire-token-t").as_deref(), Some("quire-token-t"));
        assert_eq!(agreed(" , "), None);
        assert!(read("/a", &[]).subprotocol.is_none());
    }
}
