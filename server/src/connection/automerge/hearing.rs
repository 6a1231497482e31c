//! What a client says: who it is, and which document something is for.

use std::ops::ControlFlow;

use bytes::Bytes;
use engine::{CloseReason, ConnectionId, Intent, Limit, PushTag};
use protocol::FrameError;
use protocol::automerge::{
    Bounds, Chunk, Have, Message, Metadata, PROTOCOL, Said, StorageId, SyncMessage, decode,
    decode_abridged, encode, preflight,
};
use protocol::websocket::{Abridged, Frame};
use storage::Failpoint;
use tokio::time::Instant;

use super::super::entering::Own;
use super::super::mailing::Mailing;
use super::super::{End, flooding};
use super::seat::{Heard, Seats, State, Unpacked};
use super::{HOLD, Stop};
use crate::automerge_file::payload_of;
use crate::joins::Joiner;
use crate::receiving::Held;
use crate::session::apart;
use crate::socket::Incoming;
use crate::telemetry::metrics;

impl Seats {
    pub(super) fn take(&mut self, incoming: Incoming) -> ControlFlow<Stop> {
        let reason = match incoming {
            Incoming::Binary(frame, held) => return self.take_frame(&frame, held),
            Incoming::Alive => return ControlFlow::Continue(()),
            Incoming::Withheld => return self.withhold(),
            Incoming::Abridged(message, held) => return self.take_abridged(&message, held),
            Incoming::Closed => return ControlFlow::Break(Stop::End(End::ByPeer)),
            Incoming::Text(..) | Incoming::Malformed | Incoming::NotUtf8 => CloseReason::BadFrame,
            Incoming::Overloaded => CloseReason::Overloaded,
            Incoming::TooFast(limit) => CloseReason::Flooding(limit),
            Incoming::TooLarge => CloseReason::TooLarge,
        };
        ControlFlow::Break(Stop::End(End::Close(reason)))
    }

    /// The client begins a message that is longer than may wait. It is taken once the client is known. If nobody is being asked
    /// about the client, it is to be seen which document the message is about; but not again and again.
    fn withhold(&mut self) -> ControlFlow<Stop> {
        if self.is_deciding() || self.is_known {
            self.is_withheld = true;
            return ControlFlow::Break(Stop::Settle);
        }
        if self.peer.is_none() || self.abridged >= self.limits.pre_auth.messages_max {
            return ControlFlow::Break(Stop::End(self.too_long()));
        }
        self.abridged += 1;
        ControlFlow::Break(Stop::Abridge)
    }

    /// How the connection ends of a client that is not known, and sends more than may wait.
    pub(super) fn too_long(&self) -> End {
        End::Close(match self.was_denied {
            true => CloseReason::Unauthorized,
            false => flooding(Limit::PreAuthBytes),
        })
    }

    /// The first that an unknown client says of a document is what it has of it: there are no changes in it, for it was told
    /// nothing yet. It is taken for one that has nothing, is sent all, and sends what is lacking here.
    fn take_abridged(&mut self, abridged: &Abridged, held: Held) -> ControlFlow<Stop> {
        let bytes = abridged.beginning.len() + abridged.end.len();
        metrics::frame_received(bytes + abridged.left_out);
        let begins = SyncMessage {
            have: vec![Have::default()],
            ..SyncMessage::default()
        };
        match decode_abridged(abridged) {
            Ok(Message::Document {
                envelope,
                document,
                said: Said::Sync(_),
            }) => {
                let message = Message::Document {
                    envelope,
                    document,
                    said: Said::Sync(begins.write()),
                };
                self.hear(message, bytes, held)
            }
            _ => ControlFlow::Break(Stop::End(self.too_long())),
        }
    }

    fn take_frame(&mut self, frame: &Bytes, held: Held) -> ControlFlow<Stop> {
        metrics::frame_received(frame.len());
        Failpoint::FrameReceived.reach();
        match decode(frame) {
            Ok(message) => match &self.peer {
                None => self.greet(message),
                Some(_) => self.hear(message, frame.len(), held),
            },
            Err(fault) => refuse(CloseReason::BadFrame, fault),
        }
    }

    /// The client says who it is, and is answered at once: it does not wait long for that.
    fn greet(&mut self, message: Message) -> ControlFlow<Stop> {
        let Message::Join {
            sender,
            metadata,
            versions,
        } = message
        else {
            return refuse(CloseReason::BadFrame, FrameError::Missing { field: "join" });
        };
        self.peer = Some(sender.clone());
        self.reads_errors = metadata.reads_errors;
        if !versions.iter().any(|version| **version == *PROTOCOL) {
            self.say_error("unsupported protocol version");
            self.ending = Some(End::Close(CloseReason::BadFrame));
            return ControlFlow::Break(Stop::Settle);
        }
        let user = match &self.guest.own {
            Some(Own::Pass(pass)) => pass.author(),
            _ => None,
        };
        self.place = Some(self.hub.joins().join(Joiner {
            workspace: self.guest.workspace.clone(),
            user,
            peer: sender,
        }));
        let storage = self.hub.world().storage_id.clone();
        let welcome = Message::Peer {
            envelope: self.envelope(),
            metadata: Metadata {
                is_ephemeral: Some(storage.is_none()),
                storage,
                reads_errors: false,
            },
            version: PROTOCOL.into(),
        };
        self.frames.push_back(Frame::binary(encode(&welcome)));
        ControlFlow::Break(Stop::Settle)
    }

    /// Passes on what is said to the document that it is about. What others would have to answer is nothing to a server.
    fn hear(&mut self, message: Message, bytes: usize, held: Held) -> ControlFlow<Stop> {
        let (envelope, document, said) = match message {
            Message::Document {
                envelope,
                document,
                said,
            } => (envelope, document, said),
            Message::Subscribe { add, remove, .. } => {
                self.subscribe(&add, &remove);
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        // Clients pass on what others show of themselves; all else they say for themselves.
        let is_own = self.peer.as_ref() == Some(&envelope.sender);
        if !is_own && !matches!(said, Said::Ephemeral { .. }) {
            return ControlFlow::Continue(());
        }
        let Some(number) = self.seat(&document) else {
            return ControlFlow::Break(Stop::Settle);
        };
        let heard = Heard {
            said,
            author: envelope.sender,
            held,
            bytes,
        };
        match self.seats.get_mut(&number).map(|seat| &seat.state) {
            Some(State::Joined(_)) => self.deliver(number, heard),
            Some(State::Entering(_)) => self.wait(number, heard),
            Some(State::Denied) => {
                if matches!(heard.said, Said::Request(_)) {
                    self.say(&document, Said::Unavailable);
                }
                ControlFlow::Continue(())
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// The client wants to hear what heads some stores have. Of others than its own this server knows nothing.
    fn subscribe(&mut self, add: &[StorageId], remove: &[StorageId]) {
        if let Some(own) = &self.hub.world().storage_id {
            self.is_subscribed |= add.contains(own);
            self.is_subscribed &= !remove.contains(own);
        }
    }

    fn wait(&mut self, number: ConnectionId, heard: Heard) -> ControlFlow<Stop> {
        self.waiting.0 += 1;
        self.waiting.1 += heard.bytes;
        if let Some(seat) = self.seats.get_mut(&number) {
            seat.waiting.push_back(heard);
        }
        ControlFlow::Break(Stop::Settle)
    }

    /// Gives a document that the client is in what the client has said of it.
    pub(super) fn deliver(&mut self, number: ConnectionId, heard: Heard) -> ControlFlow<Stop> {
        if !self.is_new(&heard.author, &heard.said) {
            return ControlFlow::Continue(());
        }
        match heard.said {
            Said::Request(data) => self.synchronise(number, &data, true, heard.held),
            Said::Sync(data) => self.synchronise(number, &data, false, heard.held),
            said @ Said::Ephemeral { .. } => self.show(number, &heard.author, said, heard.held),
            // A client that has nothing itself.
            Said::Unavailable => ControlFlow::Continue(()),
        }
    }

    fn synchronise(
        &mut self,
        number: ConnectionId,
        data: &Bytes,
        is_request: bool,
        held: Held,
    ) -> ControlFlow<Stop> {
        let bounds = Bounds::default();
        let is_heavy = data.len() >= HEAVY_BYTES;
        let read = apart(is_heavy, || {
            let message = SyncMessage::read(data)?;
            let chunks = preflight(&message, &bounds)?;
            Ok((message, chunks))
        });
        let (message, chunks) = match read {
            Ok(read) => read,
            Err(fault) => return refuse(CloseReason::BadFrame, fault),
        };
        Failpoint::FrameChecked.reach();
        let has_documents = chunks
            .iter()
            .any(|chunk| matches!(chunk, Chunk::Document(_)));
        if has_documents {
            self.unpack(number, message, is_request, chunks, held);
            return ControlFlow::Break(Stop::Settle);
        }
        let payload = chunks.iter().map(bytes_of).collect::<Vec<_>>().concat();
        self.sync(Unpacked {
            to: number,
            is_request,
            message,
            payload: Ok(payload.into()),
            held,
        })
    }

    /// Saved documents are read where that holds up nobody.
    fn unpack(
        &mut self,
        to: ConnectionId,
        message: SyncMessage,
        is_request: bool,
        chunks: Vec<Chunk>,
        held: Held,
    ) {
        let unpacking = tokio::task::spawn_blocking(move || payload_of(&chunks));
        self.unpacking = Some(Box::pin(async move {
            let payload = unpacking
                .await
                .unwrap_or_else(|error| Err(engine::ContentError::Undecodable(error.to_string())));
            Unpacked {
                to,
                is_request,
                message,
                payload,
                held,
            }
        }));
    }

    /// Takes a sync message and the changes that were in it.
    pub(super) fn sync(&mut self, unpacked: Unpacked) -> ControlFlow<Stop> {
        let Unpacked {
            to,
            is_request,
            message,
            payload,
            held,
        } = unpacked;
        let Ok(payload) = payload else {
            let end = End::Close(CloseReason::BadUpdate);
            return ControlFlow::Break(Stop::End(end));
        };
        let mut steps = Vec::new();
        if let Some(seat) = self.seats.get_mut(&to) {
            seat.conversation.hear(message, is_request, &mut steps);
            if is_request {
                seat.missing_at = Some(Instant::now() + HOLD);
            }
        }
        self.go(to, steps);
        if payload.is_empty() {
            return ControlFlow::Break(Stop::Settle);
        }
        let tag = PushTag(0);
        self.post(to, Intent::Push { payload, tag }, Some(held))
    }

    /// Asks a document that the client is in for something.
    pub(super) fn post(
        &mut self,
        number: ConnectionId,
        intent: Intent,
        held: Option<Held>,
    ) -> ControlFlow<Stop> {
        self.post_all(number, vec![intent], held)
    }

    /// Asks it for several things at once.
    pub(super) fn post_all(
        &mut self,
        number: ConnectionId,
        intents: Vec<Intent>,
        held: Option<Held>,
    ) -> ControlFlow<Stop> {
        let Some(State::Joined(mailbox)) = self.seats.get(&number).map(|seat| &seat.state) else {
            return ControlFlow::Continue(());
        };
        let mail = self.mail(number, intents, held);
        self.mailing = Mailing::send(mailbox, mail);
        ControlFlow::Break(Stop::Settle)
    }
}

fn bytes_of(chunk: &Chunk) -> &[u8] {
    match chunk {
        Chunk::Change(change) => &change.chunk,
        Chunk::Document(document) => &document.chunk,
    }
}

fn refuse(reason: CloseReason, fault: FrameError) -> ControlFlow<Stop> {
    ControlFlow::Break(Stop::End(End::refuse(reason, fault)))
}

/// Looking through so many bytes takes long enough that others would notice.
const HEAVY_BYTES: usize = 64 * 1024;
