//! The limits that a client can run into without any fault in what it sends: it has too much of something, or sends too
//! fast. Whoever closes it says which one it was, so that a person can tell what to change.

/// A limit that a client is closed for. Each is a setting of the section `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Connections from one address.
    ConnectionsPerAddress,
    /// Connections of one user.
    ConnectionsPerUser,
    /// Connections to one document.
    ConnectionsPerDocument,
    /// Documents on one connection.
    DocumentsPerConnection,
    /// Messages a second on one connection.
    MessagesPerSecond,
    /// Bytes a second on one connection.
    BytesPerSecond,
    /// Bytes that wait until their sender has said who it is.
    PreAuthBytes,
    /// Messages that wait until their sender has said who it is.
    PreAuthMessages,
    /// Time until a client has said who it is.
    PreAuthTime,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ConnectionsPerAddress,
        Self::ConnectionsPerUser,
        Self::ConnectionsPerDocument,
        Self::DocumentsPerConnection,
        Self::MessagesPerSecond,
        Self::BytesPerSecond,
        Self::PreAuthBytes,
        Self::PreAuthMessages,
        Self::PreAuthTime,
    ];

    /// Its name, which is that of its setting without the section.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionsPerAddress => "connections_per_address",
            Self::ConnectionsPerUser => "connections_per_user",
            Self::ConnectionsPerDocument => "connections_per_document",
            Self::DocumentsPerConnection => "documents_per_connection",
            Self::MessagesPerSecond => "messages_per_second",
            Self::BytesPerSecond => "bytes_per_second",
            Self::PreAuthBytes => "pre_auth_bytes",
            Self::PreAuthMessages => "pre_auth_messages",
            Self::PreAuthTime => "pre_auth_time",
        }
    }
}
