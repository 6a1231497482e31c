//! What an address names: the dialect of an upgrade request, and the document or the workspace that the connection is for.
//!
//! `/yjs/{workspace}/{document}` is the full form. `/{document}` is y-websocket in the workspace `default`, so that public
//! tutorials run unedited. A first segment that is a dialect's word is always the dialect: the document `yjs` of the
//! workspace `default` is at `/yjs/default/yjs` only.
//!
//! Hocuspocus clients name the document in their frames, so `/hocuspocus/{workspace}` is all of theirs, with a slash at the
//! end or without (some releases add one and some take it away). `/hocuspocus` and the bare `/` are the workspace `default`.
//! So do ShareDB clients, at `/sharedb/{workspace}` and `/sharedb`, and those of automerge-repo, at `/automerge/{workspace}`
//! and `/automerge`.
//!
//! The document's name is all that remains of the path. Its slashes are kept, also one at the end or two in a row: the
//! client puts its room name behind the server's address as it is, so whatever is there belongs to the name. Names are
//! percent-decoded once, after the path was cut into its parts, so `%2F` is a slash within a workspace's name. The query
//! is not looked at.

use std::borrow::Cow;

use engine::{DocumentKey, NameError, check_name};
use percent_encoding::percent_decode_str;
use thiserror::Error;

use crate::Dialect;

/// The workspace of addresses that name none.
pub const DEFAULT_WORKSPACE: &str = "default";

/// What an upgrade request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A connection for one document, in the y-websocket dialect.
    YWebsocket(DocumentKey),
    /// A connection for any documents of a workspace, in the Hocuspocus dialect. The name is one that a workspace may have.
    Hocuspocus(Box<str>),
    /// The same in the ShareDB dialect.
    ShareDb(Box<str>),
    /// The same in the dialect of automerge-repo.
    Automerge(Box<str>),
}

/// Why an address names no document. `at` counts bytes from the start of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// The address begins with the word of a dialect that is not served.
    #[error("dialect {0} is not served")]
    NotServed(&'static str),
    /// The address has no document's name.
    #[error("address names no document")]
    NoDocument,
    /// The address goes on after the workspace, where documents are not named in it.
    #[error("address goes on after the workspace")]
    TooMuch(Dialect),
    /// A percent sign is not followed by two hexadecimal digits.
    #[error("address has a broken percent escape at byte {at}")]
    BadEscape {
        /// Where the percent sign is.
        at: usize,
    },
    /// A name is not UTF-8 once it is decoded.
    #[error("address is not utf-8 once it is decoded")]
    NotUtf8,
    /// The workspace or document has a name that is not acceptable.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Route {
    /// Reads the address of an upgrade request: its path, with or without the query.
    ///
    /// # Errors
    /// The address names no document, or one whose name is not acceptable, or a dialect that is not served.
    pub fn parse(address: &str) -> Result<Self, RouteError> {
        let (path, _query) = address.split_once('?').unwrap_or((address, ""));
        check_escapes(path)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match dialect(&decode(first)?)? {
            Some(Dialect::YWebsocket) => Self::of_document(rest),
            Some(Dialect::Hocuspocus) => workspace(rest, Dialect::Hocuspocus).map(Self::Hocuspocus),
            Some(Dialect::ShareDb) => workspace(rest, Dialect::ShareDb).map(Self::ShareDb),
            Some(Dialect::Automerge) => workspace(rest, Dialect::Automerge).map(Self::Automerge),
            None if path.is_empty() => workspace(path, Dialect::Hocuspocus).map(Self::Hocuspocus),
            None => Self::ywebsocket(DEFAULT_WORKSPACE, path),
        }
    }

    /// The protocol to speak.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::YWebsocket(_) => Dialect::YWebsocket,
            Self::Hocuspocus(_) => Dialect::Hocuspocus,
            Self::ShareDb(_) => Dialect::ShareDb,
            Self::Automerge(_) => Dialect::Automerge,
        }
    }

    /// The document, if the address names one.
    pub fn document(&self) -> Option<&DocumentKey> {
        match self {
            Self::YWebsocket(document) => Some(document),
            Self::Hocuspocus(_) | Self::ShareDb(_) | Self::Automerge(_) => None,
        }
    }

    fn of_document(path: &str) -> Result<Self, RouteError> {
        let (workspace, name) = path.split_once('/').ok_or(RouteError::NoDocument)?;
        Self::ywebsocket(&decode(workspace)?, name)
    }

    fn ywebsocket(workspace: &str, name: &str) -> Result<Self, RouteError> {
        if name.is_empty() {
            return Err(RouteError::NoDocument);
        }
        let document = DocumentKey::new(workspace, &decode(name)?)?;
        Ok(Self::YWebsocket(document))
    }
}

/// What is behind the word of a dialect whose documents are named in its frames.
fn workspace(path: &str, dialect: Dialect) -> Result<Box<str>, RouteError> {
    let workspace = match path.strip_suffix('/').unwrap_or(path) {
        "" => DEFAULT_WORKSPACE.into(),
        workspace if workspace.contains('/') => return Err(RouteError::TooMuch(dialect)),
        workspace => decode(workspace)?,
    };
    check_name(&workspace)?;
    Ok(workspace.into())
}

/// The dialect that a first segment names, if it names any.
fn dialect(word: &str) -> Result<Option<Dialect>, RouteError> {
    let mut served = SERVED.into_iter();
    if let Some(dialect) = served.find(|dialect| dialect.as_str() == word) {
        return Ok(Some(dialect));
    }
    match RESERVED.into_iter().find(|&reserved| reserved == word) {
        Some(reserved) => Err(RouteError::NotServed(reserved)),
        None => Ok(None),
    }
}

fn decode(part: &str) -> Result<Cow<'_, str>, RouteError> {
    percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| RouteError::NotUtf8)
}

/// The decoder lets a broken escape stand for itself; then two addresses would name one document.
fn check_escapes(path: &str) -> Result<(), RouteError> {
    let bytes = path.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let broken = |&(at, _): &(usize, &u8)| !(is_hex(at + 1) && is_hex(at + 2));
    let mut percents = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'%');
    match percents.find(broken) {
        Some((at, _)) => Err(RouteError::BadEscape { at }),
        None => Ok(()),
    }
}

/// Words that will be dialects. They are refused from the start, so that no document settles at their addresses.
const RESERVED: [&str; 1] = ["quire"];

const SERVED: [Dialect; 4] = [
    Dialect::YWebsocket,
    Dialect::Hocuspocus,
    Dialect::ShareDb,
    Dialect::Automerge,
];

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn names(address: &str) -> (String, String) {
        let route = Route::parse(address).unwrap();
        let key = route.document().expect("a document");
        (key.workspace().to_owned(), key.name().to_owned())
    }

    fn named(workspace: &str, name: &str) -> (String, String) {
        (workspace.to_owned(), name.to_owned())
    }

    #[test]
    fn short_addresses_are_in_the_default_workspace() {
        assert_eq!(names("/my-room"), named("default", "my-room"));
        assert_eq!(
            names("/stories/one?token=a/b"),
            named("default", "stories/one")
        );
        assert_eq!(names("/yjsroom"), named("default", "yjsroom"));
    }

    #[test]
    fn full_addresses_name_the_workspace() {
        assert_eq!(names("/yjs/team/story/1"), named("team", "story/1"));
        assert_eq!(names("/yjs/default/yjs"), named("default", "yjs"));
        assert_eq!(names("/%79js/team/a"), named("team", "a"));
    }

    #[test]
    fn slashes_belong_to_the_document_and_are_kept() {
        assert_eq!(names("/a/"), named("default", "a/"));
        assert_eq!(names("//a//b"), named("default", "/a//b"));
        assert_eq!(names("/yjs/w/a/"), named("w", "a/"));
        assert_eq!(names("/yjs/a%2Fb/c"), named("a/b", "c"));
        assert_eq!(names("/yjs%2Fa/b"), named("default", "yjs/a/b"));
    }

    #[test]
    fn names_are_decoded_once() {
        assert_eq!(names("/a%20b/%C3%A9"), named("default", "a b/é"));
        assert_eq!(names("/100%2525"), named("default", "100%25"));
        assert_eq!(names("/%3Fx?y"), named("default", "?x"));
    }

    #[test]
    fn addresses_without_a_document_are_refused() {
        for address in ["/yjs", "/yjs/", "/yjs/team", "/yjs/team/"] {
            assert_eq!(
                Route::parse(address),
                Err(RouteError::NoDocument),
                "{address}"
            );
        }
        let empty = Err(RouteError::Name(NameError::Empty));
        assert_eq!(Route::parse("/yjs//a"), empty);
    }

    #[test]
    fn a_connection_for_many_documents_names_their_workspace() {
        for (address, workspace) in [
            ("/", "default"),
            ("", "default"),
            ("/?token=a/b", "default"),
            ("/hocuspocus", "default"),
            ("/hocuspocus/", "default"),
            ("/hocuspocus/team", "team"),
            ("/hocuspocus/team/?x", "team"),
            ("/hocuspocus/a%2Fb", "a/b"),
        ] {
            let route = Ok(Route::Hocuspocus(workspace.into()));
            assert_eq!(Route::parse(address), route, "{address}");
        }
        for address in ["/hocuspocus/team/doc", "/hocuspocus/a//"] {
            let refused = Err(RouteError::TooMuch(Dialect::Hocuspocus));
            assert_eq!(Route::parse(address), refused, "{address}");
        }
        let control = Err(RouteError::Name(NameError::ControlCharacter(0)));
        assert_eq!(Route::parse("/hocuspocus/%00"), control);
        for (address, workspace) in [("/sharedb", "default"), ("/sharedb/team/", "team")] {
            let route = Ok(Route::ShareDb(workspace.into()));
            assert_eq!(Route::parse(address), route, "{address}");
        }
        for (address, workspace) in [("/automerge", "default"), ("/automerge/team/", "team")] {
            let route = Ok(Route::Automerge(workspace.into()));
            assert_eq!(Route::parse(address), route, "{address}");
        }
    }

    #[test]
    fn dialects_to_come_keep_their_addresses() {
        for dialect in RESERVED {
            let refused = Err(RouteError::NotServed(dialect));
            assert_eq!(Route::parse(&format!("/{dialect}")), refused);
            assert_eq!(Route::parse(&format!("/{dialect}/w/a")), refused);
        }
    }

    #[test]
    fn broken_addresses_say_what_is_wrong() {
        for (address, at) in [("/100%", 4), ("/%2", 1), ("/%20%zz", 4), ("/yjs/%+1/a", 5)] {
            assert_eq!(
                Route::parse(address),
                Err(RouteError::BadEscape { at }),
                "{address}"
            );
        }
        assert_eq!(Route::parse("/%C3%28"), Err(RouteError::NotUtf8));
        assert_eq!(Route::parse("/yjs/%FF/a"), Err(RouteError::NotUtf8));
        assert_eq!(
            Route::parse("/a%00"),
            Err(RouteError::Name(NameError::ControlCharacter(1)))
        );
        assert_eq!(
            Route::parse(&format!("/{}", "a".repeat(1_000_000))),
            Err(RouteError::Name(NameError::TooLong(1_000_000)))
        );
    }

    proptest! {
        #[test]
        fn every_document_can_be_addressed(workspace in "\\PC{1,20}", name in "\\PC{1,20}") {
            let escaped = |part| utf8_percent_encode(part, NON_ALPHANUMERIC);
            let address = format!("/yjs/{}/{}", escaped(&workspace), escaped(&name));
            prop_assert_eq!(names(&address), (workspace, name));
        }

        #[test]
        fn no_address_is_too_odd_to_be_read(address in "(/|%|%2|%[0-9A-F]{2}|[a-z]|yjs/|.){0,20}") {
            if let Ok(route) = Route::parse(&address) {
                prop_assert!(route.document().is_none_or(|key| !key.name().is_empty()));
            }
        }
    }
}
