//! The wire protocols that are served, as a closed list: whoever adds one is led by the compiler to all that it needs.

use engine::Kind;

use crate::ywebsocket;

/// A wire protocol that clients may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What the npm package `y-websocket` speaks.
    YWebsocket,
}

impl Dialect {
    /// The dialect's word, as it stands in addresses and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YWebsocket => "yjs",
        }
    }

    /// The kind of document that the dialect's clients expect.
    pub fn kind(self) -> Kind {
        match self {
            Self::YWebsocket => ywebsocket::KIND,
        }
    }
}
