//! Reads a frame. What it does not know it ignores; of what it knows, everything has to be as it should.

use bytes::Bytes;

use super::cbor::Reader;
use super::document_id::DocumentId;
use super::hash::ChangeHash;
use super::message::{
    Envelope, Message, Metadata, PROTOCOL, PeerId, Said, SessionId, StorageId, StoredHeads,
};
use crate::FrameError;

/// The longest name of a peer, a store, a session or a document that is read, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The longest text for people, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// How many stores one message may name.
const STORES_MAX: usize = 1_024;

/// How many versions of the protocol a client may speak.
const VERSIONS_MAX: usize = 64;

/// How many heads one message may name, of all stores together.
const HEADS_MAX: usize = 65_536;

/// Reads a message.
///
/// # Errors
/// The frame is no message, or is beyond the bounds: whoever sent it is to be closed.
pub fn decode(frame: &Bytes) -> Result<Message, FrameError> {
    if frame.is_empty() {
        return Err(FrameError::Empty);
    }
    let fields = Fields::read(frame)?;
    let kind = fields.text("type", NAME_BYTES_MAX)?;
    match &*kind {
        "join" => fields.join(),
        "peer" => fields.peer(),
        "leave" => Ok(Message::Leave {
            sender: fields.sender()?,
        }),
        "error" => Ok(Message::Error {
            envelope: fields.envelope()?,
            message: fields.text("message", TEXT_BYTES_MAX)?,
        }),
        "request" => fields.document(Said::Request(fields.bytes("data")?)),
        "sync" => fields.document(Said::Sync(fields.bytes("data")?)),
        "doc-unavailable" => fields.document(Said::Unavailable),
        "ephemeral" => fields.document(fields.ephemeral()?),
        "remote-subscription-change" => Ok(Message::Subscribe {
            envelope: fields.envelope()?,
            add: fields.stores("add")?,
            remove: fields.stores("remove")?,
        }),
        "remote-heads-changed" => Ok(Message::Heads {
            envelope: fields.envelope()?,
            document: fields.document_id()?,
            stores: fields.heads()?,
        }),
        _ => Ok(Message::Unknown { kind }),
    }
}

/// The names of the fields that are ever read. Others are walked over.
const KNOWN: [&str; 18] = [
    "add",
    "count",
    "data",
    "documentId",
    "isEphemeral",
    "message",
    "metadata",
    "newHeads",
    "peerMetadata",
    "readsErrors",
    "remove",
    "selectedProtocolVersion",
    "senderId",
    "sessionId",
    "storageId",
    "supportedProtocolVersions",
    "targetId",
    "type",
];

/// Where the known fields of a map begin.
struct Fields {
    frame: Bytes,
    known: Vec<(&'static str, usize)>,
}

impl Fields {
    fn read(frame: &Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new(frame);
        let fields = Self::walk(frame, &mut reader)?;
        reader.finish("message")?;
        Ok(fields)
    }

    /// Notes where the fields of a map are, and whether all of it is CBOR.
    fn walk(frame: &Bytes, reader: &mut Reader) -> Result<Self, FrameError> {
        let mut known: Vec<(&'static str, usize)> = Vec::new();
        let mut pairs = reader.map("message")?;
        while reader.more(&mut pairs, "message")? {
            let name = Self::name(reader)?;
            let at = reader.position();
            if let Some(field) = name {
                if known.iter().any(|(known, _)| *known == field) {
                    return Err(FrameError::Repeated { field, at });
                }
                known.push((field, at));
            }
            reader.skip(name.unwrap_or("field"))?;
        }
        let frame = frame.clone();
        Ok(Self { frame, known })
    }

    /// The name of a field, if it is known.
    fn name(reader: &mut Reader) -> Result<Option<&'static str>, FrameError> {
        if !reader.is_text("field's name")? {
            return reader.skip("field's name").map(|()| None);
        }
        let name = reader.text(usize::MAX, "field's name")?;
        Ok(KNOWN.into_iter().find(|known| **known == *name))
    }

    fn join(&self) -> Result<Message, FrameError> {
        Ok(Message::Join {
            sender: self.sender()?,
            metadata: self.metadata()?,
            versions: self.versions()?,
        })
    }

    fn peer(&self) -> Result<Message, FrameError> {
        Ok(Message::Peer {
            envelope: self.envelope()?,
            metadata: self.metadata()?,
            version: self.text("selectedProtocolVersion", NAME_BYTES_MAX)?,
        })
    }

    fn document(&self, said: Said) -> Result<Message, FrameError> {
        Ok(Message::Document {
            envelope: self.envelope()?,
            document: self.document_id()?,
            said,
        })
    }

    fn ephemeral(&self) -> Result<Said, FrameError> {
        Ok(Said::Ephemeral {
            session: SessionId(self.text("sessionId", NAME_BYTES_MAX)?),
            count: self.some("count")?.number("count")?,
            data: self.bytes("data")?,
        })
    }

    fn envelope(&self) -> Result<Envelope, FrameError> {
        let target = self.field("targetId")?;
        let target = target.map(|mut reader| reader.text(NAME_BYTES_MAX, "targetId"));
        Ok(Envelope {
            sender: self.sender()?,
            target: target.transpose()?.map(PeerId),
        })
    }

    fn sender(&self) -> Result<PeerId, FrameError> {
        self.text("senderId", NAME_BYTES_MAX).map(PeerId)
    }

    fn document_id(&self) -> Result<DocumentId, FrameError> {
        let field = "documentId";
        let mut reader = self.some(field)?;
        if reader.is_text(field)? {
            DocumentId::of_text(&reader.text(NAME_BYTES_MAX, field)?)
        } else {
            DocumentId::new(&reader.bytes(field)?)
        }
    }

    /// Under the name that clients write it by, or else the one that their documentation has.
    fn metadata(&self) -> Result<Metadata, FrameError> {
        let reader = match self.field("peerMetadata")? {
            Some(reader) => Some(reader),
            None => self.field("metadata")?,
        };
        let Some(mut reader) = reader else {
            return Ok(Metadata::default());
        };
        let fields = Self::walk(&self.frame, &mut reader)?;
        let storage = fields.field("storageId")?;
        let storage = storage.map(|mut reader| reader.text(NAME_BYTES_MAX, "storageId"));
        let is_ephemeral = fields.field("isEphemeral")?;
        let is_ephemeral = is_ephemeral.map(|mut reader| reader.boolean("isEphemeral"));
        let reads_errors = fields.field("readsErrors")?;
        let reads_errors = reads_errors.map(|mut reader| reader.boolean("readsErrors"));
        Ok(Metadata {
            storage: storage.transpose()?.map(StorageId),
            is_ephemeral: is_ephemeral.transpose()?,
            reads_errors: reads_errors.transpose()?.unwrap_or_default(),
        })
    }

    fn versions(&self) -> Result<Vec<Box<str>>, FrameError> {
        let field = "supportedProtocolVersions";
        match self.field(field)? {
            Some(reader) => texts(reader, VERSIONS_MAX, field),
            None => Ok(vec![PROTOCOL.into()]),
        }
    }

    fn stores(&self, field: &'static str) -> Result<Vec<StorageId>, FrameError> {
        let stores = match self.field(field)? {
            Some(reader) => texts(reader, STORES_MAX, field)?,
            None => Vec::new(),
        };
        Ok(stores.into_iter().map(StorageId).collect())
    }

    fn heads(&self) -> Result<Vec<StoredHeads>, FrameError> {
        let field = "newHeads";
        let mut reader = self.some(field)?;
        let mut stores = Vec::new();
        let mut left = HEADS_MAX;
        let mut pairs = reader.map(field)?;
        while reader.more(&mut pairs, field)? {
            check_count(stores.len(), STORES_MAX, field, &reader)?;
            let storage = StorageId(reader.text(NAME_BYTES_MAX, field)?);
            let entry = StoredHeads::read(&self.frame, &mut reader, storage, left)?;
            left -= entry.heads.len();
            stores.push(entry);
        }
        Ok(stores)
    }

    fn text(&self, field: &'static str, max: usize) -> Result<Box<str>, FrameError> {
        self.some(field)?.text(max, field)
    }

    fn bytes(&self, field: &'static str) -> Result<Bytes, FrameError> {
        self.some(field)?.bytes(field)
    }

    fn some(&self, field: &'static str) -> Result<Reader, FrameError> {
        self.field(field)?.ok_or(FrameError::Missing { field })
    }

    /// A reader of a field's value, if it has one.
    fn field(&self, field: &'static str) -> Result<Option<Reader>, FrameError> {
        let Some((_, at)) = self.known.iter().find(|(known, _)| *known == field) else {
            return Ok(None);
        };
        let mut reader = Reader::at(&self.frame, *at);
        let is_nothing = reader.nothing(field)?;
        Ok((!is_nothing).then_some(reader))
    }
}

impl StoredHeads {
    /// Reads what one store has: at most so many heads.
    fn read(
        frame: &Bytes,
        reader: &mut Reader,
        storage: StorageId,
        max: usize,
    ) -> Result<Self, FrameError> {
        let (mut heads, mut timestamp_ms) = (None, None);
        let mut pairs = reader.map("heads of a store")?;
        while reader.more(&mut pairs, "heads of a store")? {
            let name = reader.text(NAME_BYTES_MAX, "field's name")?;
            let value = Reader::at(frame, reader.position());
            reader.skip("heads of a store")?;
            match &*name {
                "heads" => heads = Some(texts(value, max, "heads")?),
                "timestamp" => timestamp_ms = Some({ value }.number("timestamp")?),
                _ => {}
            }
        }
        let heads = heads.ok_or(FrameError::Missing { field: "heads" })?;
        let heads = heads.iter().map(|head| ChangeHash::of_text(head));
        Ok(Self {
            storage,
            heads: heads.collect::<Result<_, _>>()?,
            timestamp_ms: timestamp_ms.ok_or(FrameError::Missing { field: "timestamp" })?,
        })
    }
}

/// A list of at most so many names.
fn texts(mut reader: Reader, max: usize, field: &'static str) -> Result<Vec<Box<str>>, FrameError> {
    let mut texts = Vec::new();
    let mut items = reader.list(field)?;
    while reader.more(&mut items, field)? {
        check_count(texts.len(), max, field, &reader)?;
        texts.push(reader.text(NAME_BYTES_MAX, field)?);
    }
    Ok(texts)
}

fn check_count(
    count: usize,
    max: usize,
    field: &'static str,
    reader: &Reader,
) -> Result<(), FrameError> {
    let at = reader.position();
    if count < max {
        Ok(())
    } else {
        Err(FrameError::TooMany { field, at, max })
    }
}
