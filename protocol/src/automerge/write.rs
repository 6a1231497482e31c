//! Writes a frame. Fields that have no value are left out, as JavaScript takes a field that is not there for *undefined*.

use bytes::Bytes;

use super::cbor::Writer;
use super::message::{Envelope, Message, Metadata, PeerId, Said, StorageId, StoredHeads};

/// Writes a message.
pub fn encode(message: &Message) -> Bytes {
    match message {
        Message::Join {
            sender,
            metadata,
            versions,
        } => {
            let mut map = Map::of("join", 3, 0);
            map.sender(sender);
            map.metadata(metadata);
            map.texts(
                "supportedProtocolVersions",
                versions.iter().map(|text| &**text),
            );
            map.finish()
        }
        Message::Peer {
            envelope,
            metadata,
            version,
        } => {
            let mut map = Map::enclosed("peer", envelope, 2, 0);
            map.metadata(metadata);
            map.text("selectedProtocolVersion", version);
            map.finish()
        }
        Message::Leave { sender } => {
            let mut map = Map::of("leave", 1, 0);
            map.sender(sender);
            map.finish()
        }
        Message::Error { envelope, message } => {
            let mut map = Map::enclosed("error", envelope, 1, message.len());
            map.text("message", message);
            map.finish()
        }
        Message::Document {
            envelope,
            document,
            said,
        } => write_said(envelope, &document.to_string(), said),
        Message::Subscribe {
            envelope,
            add,
            remove,
        } => {
            let mut map = Map::enclosed("remote-subscription-change", envelope, 2, 0);
            map.texts("add", add.iter().map(|StorageId(id)| &**id));
            map.texts("remove", remove.iter().map(|StorageId(id)| &**id));
            map.finish()
        }
        Message::Heads {
            envelope,
            document,
            stores,
        } => {
            let mut map = Map::enclosed("remote-heads-changed", envelope, 2, 0);
            map.text("documentId", &document.to_string());
            map.heads(stores);
            map.finish()
        }
        Message::Unknown { kind } => Map::of(kind, 0, 0).finish(),
    }
}

fn write_said(envelope: &Envelope, document: &str, said: &Said) -> Bytes {
    let mut map = match said {
        Said::Request(data) => Map::enclosed("request", envelope, 2, data.len()),
        Said::Sync(data) => Map::enclosed("sync", envelope, 2, data.len()),
        Said::Unavailable => Map::enclosed("doc-unavailable", envelope, 1, 0),
        Said::Ephemeral { data, .. } => Map::enclosed("ephemeral", envelope, 4, data.len()),
    };
    map.text("documentId", document);
    match said {
        Said::Request(data) | Said::Sync(data) => map.bytes("data", data),
        Said::Unavailable => {}
        Said::Ephemeral {
            session,
            count,
            data,
        } => {
            map.text("sessionId", &session.0);
            map.key("count").number(*count);
            map.bytes("data", data);
        }
    }
    map.finish()
}

/// What a message has besides its data, about.
const FIELDS_BYTES: usize = 256;

/// A map that is being written.
struct Map(Writer);

impl Map {
    /// Begins a message of a kind, with so many fields besides, and about so many bytes of data.
    fn of(kind: &str, fields: usize, bytes: usize) -> Self {
        let mut writer = Writer::with_capacity(FIELDS_BYTES + bytes);
        writer.map(1 + fields);
        let mut map = Self(writer);
        map.text("type", kind);
        map
    }

    /// Begins a message that somebody says to somebody.
    fn enclosed(kind: &str, envelope: &Envelope, fields: usize, bytes: usize) -> Self {
        let targets = usize::from(envelope.target.is_some());
        let mut map = Self::of(kind, 1 + targets + fields, bytes);
        map.sender(&envelope.sender);
        if let Some(PeerId(target)) = &envelope.target {
            map.text("targetId", target);
        }
        map
    }

    fn key(&mut self, name: &str) -> &mut Writer {
        self.0.text(name);
        &mut self.0
    }

    fn sender(&mut self, PeerId(sender): &PeerId) {
        self.text("senderId", sender);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.key(name).text(text);
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.key(name).bytes(bytes);
    }

    fn texts<'a>(&mut self, name: &str, texts: impl ExactSizeIterator<Item = &'a str>) {
        let writer = self.key(name);
        writer.list(texts.len());
        texts.for_each(|text| writer.text(text));
    }

    fn metadata(&mut self, metadata: &Metadata) {
        let pairs = [
            metadata.storage.is_some(),
            metadata.is_ephemeral.is_some(),
            metadata.reads_errors,
        ];
        self.key("peerMetadata")
            .map(pairs.iter().filter(|is_some| **is_some).count());
        if let Some(StorageId(id)) = &metadata.storage {
            self.text("storageId", id);
        }
        if let Some(is_ephemeral) = metadata.is_ephemeral {
            self.key("isEphemeral").boolean(is_ephemeral);
        }
        if metadata.reads_errors {
            self.key("readsErrors").boolean(true);
        }
    }

    fn heads(&mut self, stores: &[StoredHeads]) {
        self.key("newHeads").map(stores.len());
        for StoredHeads {
            storage: StorageId(id),
            heads,
            timestamp_ms,
        } in stores
        {
            self.key(id).map(2);
            let heads: Vec<_> = heads.iter().map(|head| head.to_text()).collect();
            self.texts("heads", heads.iter().map(String::as_str));
            self.key("timestamp").number(*timestamp_ms);
        }
    }

    fn finish(self) -> Bytes {
        self.0.finish()
    }
}
