//! The opening handshake of a WebSocket (RFC 6455, section 4.2): read strictly, answered plainly. No extension is ever
//! agreed to, so nothing that comes is compressed.

use std::future::Future;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};
use tracing::{debug, error};

use super::problem::Problem;
use crate::limits::{Pace, Turn};
use crate::receiving::Meter;
use crate::socket::Socket;

/// A request to upgrade that is as it should be.
pub(super) struct Handshake {
    accept: String,
    subprotocol: Option<HeaderValue>,
    upgrade: OnUpgrade,
    message_bytes_max: usize,
    meter: Meter,
    pace: Pace,
    turn: Option<Turn>,
}

/// Why a request to upgrade is refused.
#[derive(Debug)]
pub(super) enum NoHandshake {
    /// It is not as RFC 6455 has it: this is expected.
    Bad(&'static str),
    /// It asks for another version of the protocol.
    OtherVersion,
}

/// Whether a request asks for a WebSocket at all.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket")
}

impl Handshake {
    /// Reads a request to upgrade.
    ///
    /// # Errors
    /// It is not as it should be, and why.
    pub(super) fn read(
        mut request: Request,
        message_bytes_max: usize,
        meter: Meter,
        pace: Pace,
    ) -> Result<Self, NoHandshake> {
        let headers = request.headers();
        if request.method() != Method::GET {
            return Err(NoHandshake::Bad("the method is GET"));
        }
        if !names(headers, &header::CONNECTION, "upgrade") {
            return Err(NoHandshake::Bad("the header Connection says Upgrade"));
        }
        if !names(headers, &header::SEC_WEBSOCKET_VERSION, VERSION) {
            return Err(NoHandshake::OtherVersion);
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY);
        let Some(key) = key.filter(|key| is_key(key.as_bytes())) else {
            return Err(NoHandshake::Bad(
                "the header Sec-WebSocket-Key holds 16 bytes in base64",
            ));
        };
        let accept = accept_of(key.as_bytes());
        Ok(Self {
            accept,
            subprotocol: None,
            upgrade: hyper::upgrade::on(&mut request),
            message_bytes_max,
            meter,
            pace,
            turn: None,
        })
    }

    /// Has a turn until there is a socket, or will be none.
    pub(super) fn in_turn(self, turn: Turn) -> Self {
        Self {
            turn: Some(turn),
            ..self
        }
    }

    /// Agrees to a subprotocol, too.
    pub(super) fn choose(self, subprotocol: Option<HeaderValue>) -> Self {
        Self {
            subprotocol,
            ..self
        }
    }

    /// Agrees, and serves the socket as soon as there is one.
    pub(super) fn agree<F>(self, serve: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            accept,
            subprotocol,
            upgrade,
            message_bytes_max,
            meter,
            pace,
            turn,
        } = self;
        tokio::spawn(async move {
            let upgraded = match upgrade.await {
                Ok(upgraded) => upgraded,
                Err(error) => return debug!("connection broke while it was upgraded: {error}"),
            };
            match Socket::new(upgraded, message_bytes_max, meter, pace) {
                // A task of its own is no larger than what it serves.
                Some(socket) => drop(tokio::spawn(serve(socket))),
                None => error!("connection of an unknown kind was upgraded"),
            }
            drop(turn);
        });
        let headers = [
            (header::UPGRADE, "websocket"),
            (header::CONNECTION, "Upgrade"),
            (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        ];
        let mut response =
            (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response();
        if let Some(subprotocol) = subprotocol {
            let headers = response.headers_mut();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        response
    }
}

impl IntoResponse for NoHandshake {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(expected) => {
                let detail =
                    format!("this is no request for a WebSocket as RFC 6455 has it: {expected}");
                Problem::new(StatusCode::BAD_REQUEST, "bad_upgrade", detail).into_response()
            }
            Self::OtherVersion => {
                let detail = "only version 13 of WebSocket is spoken here";
                let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "bad_upgrade", detail);
                ([(header::SEC_WEBSOCKET_VERSION, VERSION)], problem).into_response()
            }
        }
    }
}

/// Whether a header's list has a word in it.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    words.any(|said| said.trim().eq_ignore_ascii_case(word))
}

/// Sixteen bytes are 22 digits of base64 and two signs that fill up.
fn is_key(key: &[u8]) -> bool {
    let digits = key.strip_suffix(b"==");
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    digits.is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

/// What proves that the request was understood (RFC 6455, section 4.2.2).
fn accept_of(key: &[u8]) -> String {
    let proof = Sha1::new().chain_update(key).chain_update(PROOF);
    base64(&proof.finalize())
}

fn base64(bytes: &[u8]) -> String {
    let group = |three: &[u8]| {
        let number = (0..3).fold(0, |number, at| {
            number << 8 | usize::from(three.get(at).copied().unwrap_or(0))
        });
        let digits = three.len() + 1;
        (0..4).map(move |at| match at < digits {
            true => char::from(BASE64[number >> (18 - 6 * at) & 0x3f]),
            false => '=',
        })
    };
    bytes.chunks(3).flat_map(group).collect()
}

const VERSION: &str = "13";
const PROOF: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        for key in [
            "",
            "==",
            "YQ==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ?==",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn the_proof_is_that_of_the_standard() {
        let accept = accept_of(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!([base64(b"f"), base64(b"foo")], ["Zg==", "Zm9v"]);
    }

    #[test]
    fn a_word_is_found_in_any_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::CONNECTION, "keep-alive, Upgrade".parse().unwrap());
        assert!(names(&headers, &header::CONNECTION, "upgrade"));
        assert!(!names(&headers, &header::CONNECTION, "grade"));
        assert!(!is_asked_for(&headers));
    }
}
