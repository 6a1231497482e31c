//! The wire of automerge-repo, as the npm package `@automerge/automerge-repo` 2.x speaks it over a WebSocket
//! (`network/messages.ts`, and `messages.ts` of `automerge-repo-network-websocket`), and what Automerge puts into it.
//!
//! A binary frame is one message: a CBOR map ([`decode`], [`encode`]). Messages about a document name it by its
//! [`DocumentId`], and those that synchronise it carry bytes of Automerge itself: a [`SyncMessage`] (`src/sync.rs` of the
//! crate `automerge`), in which changes lie as *chunks* (`src/storage/`). [`preflight`] takes the chunks apart far enough that
//! Automerge can be shown what is left, and says of each change what its place in the document's history is. A change's
//! [`ChangeHash`] is the hash of its bytes, so that nobody can say anything else of it.
//!
//! All of this reads and writes bytes and remembers nothing. What is remembered of a client is its [`Conversation`] about a
//! document, which decides what it is told, and when.

mod abridged;
pub use abridged::decode_abridged;

mod base58;

mod bloom;
pub use bloom::Bloom;

mod bounds;
pub use bounds::Bounds;

mod cbor;
pub use cbor::check_value;

mod chunk;
pub use chunk::{ActorId, Change, Chunk, Document, preflight, read_chunks, split_changes};

mod conversation;
pub use conversation::{Conversation, Step};

mod document_id;
pub use document_id::{DocumentId, HEADS_MAX, of_url};

mod hash;
pub use hash::ChangeHash;

mod message;
pub use message::{
    Envelope, Message, Metadata, PROTOCOL, PeerId, Said, SessionId, StorageId, StoredHeads,
};

mod presence;
pub use presence::{Channels, Showing};

mod read;
pub use read::decode;

mod scan;

mod shared_event;
pub use shared_event::SharedEvent;

mod stored;

mod sync;
pub use sync::{Flags, Have, SyncMessage, Version};

mod write;
pub use write::encode;
