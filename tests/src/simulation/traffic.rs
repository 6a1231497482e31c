//! Traffic: how clients come and go, and how frames get from one end of a line to the other.

use bytes::Bytes;
use engine::{Access, Capabilities, Capability, CloseReason, ConnectionId, Input, Intent};
use protocol::close::Close;
use protocol::preflight::Bounds;
use protocol::{Dialect, yjs, ywebsocket};

use super::checks::{Check, Found};
use super::line::{Line, Read};
use super::node::{Life, Mail, Session};
use super::plan::{Edit, Poison};
use super::world::World;
use crate::editor::Editor;
use crate::frames;

impl World {
    /// A client without a connection opens one.
    pub(super) fn join(&mut self, client: usize, node: usize) {
        let page = &self.clients[client];
        if page.line.is_some() || page.is_banished {
            return;
        }
        let (document, hello) = (page.document, page.hello());
        if let Some(connection) = self.connect(Some(client), document, node) {
            self.clients[client].line = Some(connection);
            self.line(connection).up.extend(hello);
        }
    }

    /// Opens a line to a node, if that lets anyone in.
    fn connect(
        &mut self,
        client: Option<usize>,
        document: usize,
        node: usize,
    ) -> Option<ConnectionId> {
        if self.nodes[node].life != Life::Up {
            return None;
        }
        let connection = self.new_connection();
        if !self.nodes[node].sessions.contains_key(&document) {
            let id = self.new_session();
            let replica = self.nodes[node].replica;
            let session = Session::new(id, document, replica, &self.setup);
            self.nodes[node].sessions.insert(document, session);
        }
        let session = self.nodes[node].sessions.get_mut(&document)?;
        if session.mailbox.len() >= self.setup.mailbox {
            return None;
        }
        session.mailbox.push_back(Mail::Join(connection));
        let mut line = Line::new(client, node, document, self.setup.outbox_frames);
        line.owed = Some(self.promised(document).clone());
        self.lines.insert(connection, line);
        Some(connection)
    }

    pub(super) fn line(&mut self, connection: ConnectionId) -> &mut Line {
        self.lines.get_mut(&connection).expect("the line is there")
    }

    /// A client leaves in good order, all that it has said arrives, and it comes back elsewhere.
    pub(super) fn roam(&mut self, client: usize, node: usize) {
        self.cut(client, usize::MAX);
        self.join(client, node);
    }

    /// A client is gone; a part of what it has said still arrives.
    pub(super) fn cut(&mut self, client: usize, arrive: usize) {
        if let Some(connection) = self.clients[client].line {
            let line = self.line(connection);
            line.up.truncate(arrive);
            line.is_dead = true;
            self.clients[client].disconnected();
        }
    }

    /// A node gets what was still under way on its dead lines, and notices that they are dead.
    pub(super) fn notice(&mut self, node: usize) -> Found<()> {
        let of_node = self.lines.iter().filter(|(_, line)| line.node == node);
        let dead: Vec<_> = of_node
            .filter(|(_, line)| line.is_dead)
            .map(|(connection, _)| *connection)
            .collect();
        for connection in dead {
            while self.lines.contains_key(&connection) && self.hand_over(connection)? {}
            self.hang_up(connection);
        }
        Ok(())
    }

    /// Tells the session, if it still is there, that a line has ended.
    fn hang_up(&mut self, connection: ConnectionId) {
        let Some(line) = self.lines.remove(&connection) else {
            return;
        };
        if let Some(session) = self.nodes[line.node].sessions.get_mut(&line.document)
            && !line.is_closing()
        {
            session.mailbox.push_back(Mail::Leave(connection));
        }
    }

    /// A page is loaded anew: another client, without a document. Not while it has something that is not stored: what
    /// builds on that, and is stored, would wait for it for ever.
    pub(super) fn reload(&mut self, client: usize, node: usize) {
        let page = &self.clients[client];
        let stored = &self.store.document(page.document).inserted;
        if page.is_banished || !page.own_edits().diff(stored).is_empty() {
            return;
        }
        self.cut(client, usize::MAX);
        let document = self.clients[client].document;
        self.clients[client] = self.new_client(document);
        self.join(client, node);
    }

    pub(super) fn edit(&mut self, client: usize, edit: &Edit) {
        if self.clients[client].is_banished {
            return;
        }
        let frame = self.clients[client].edit(edit);
        self.say(client, frame);
    }

    /// A client gets all that another has, past the server, and passes it on.
    pub(super) fn share(&mut self, client: usize, from: usize) -> Found<()> {
        let (reader, writer) = (&self.clients[client], &self.clients[from]);
        if reader.document == writer.document && !reader.is_banished {
            let update = writer.editor.everything();
            self.clients[client].take_update(update.clone())?;
            self.say(client, frames::update(&update));
        }
        Ok(())
    }

    /// A client is allowed to write, or no longer, and its session is told.
    pub(super) fn grant(&mut self, client: usize, may_write: bool) {
        let page = &mut self.clients[client];
        page.may_write = may_write || !page.counts;
        let access = access(page.may_write);
        let Some(connection) = page.line else {
            return;
        };
        let line = &self.lines[&connection];
        let sessions = &mut self.nodes[line.node].sessions;
        if let Some(session) = sessions.get_mut(&line.document)
            && !line.is_closing()
        {
            session.mailbox.push_back(Mail::Input(Input::Granted {
                connection,
                access,
                until_ms: None,
            }));
        }
    }

    /// A client that is connected sends a frame.
    pub(super) fn say(&mut self, client: usize, frame: Bytes) {
        if let Some(connection) = self.clients[client].line {
            self.line(connection).up.push_back(frame);
        }
    }

    /// Frames of a client arrive. True if any did.
    pub(super) fn upload(&mut self, client: usize, frames: usize) -> Found<bool> {
        let mut arrived = false;
        for _ in 0..frames {
            let Some(connection) = self.clients[client].line else {
                break;
            };
            if !self.hand_over(connection)? {
                break;
            }
            arrived = true;
        }
        Ok(arrived)
    }

    /// Hands the next frame of a line to the session, as the server's connection task does. False if there is none, or the
    /// mailbox is full.
    fn hand_over(&mut self, connection: ConnectionId) -> Found<bool> {
        let line = self.lines.get_mut(&connection).expect("the line is there");
        let node = &mut self.nodes[line.node];
        let running = node.is_running();
        let Some(session) = node.sessions.get_mut(&line.document) else {
            return Ok(false);
        };
        let has_room = session.mailbox.len() < self.setup.mailbox;
        if line.is_closing() || !has_room || !running {
            return Ok(false);
        }
        let Some(frame) = line.up.pop_front() else {
            return Ok(false);
        };
        match read(&frame) {
            Ok(intents) => {
                let mail = Mail::Intents(connection, intents, line.seen);
                session.mailbox.push_back(mail);
            }
            Err(reason) => {
                session.mailbox.push_back(Mail::Leave(connection));
                self.closed(connection, reason)?;
            }
        }
        Ok(true)
    }

    /// The node closes a line. A client that did nothing wrong must not be told to stay away.
    pub(super) fn closed(&mut self, connection: ConnectionId, reason: CloseReason) -> Found<()> {
        let Some(line) = self.lines.get_mut(&connection) else {
            return Ok(());
        };
        line.close(reason);
        if line.client.is_none() || line.is_dead {
            self.lines.remove(&connection);
            return Ok(());
        }
        let document = line.document;
        let deleted = reason == CloseReason::Deleted && self.store.document(document).deleted;
        let for_ever = Close::new(Dialect::YWebsocket, reason).is_permanent();
        let allowed = !for_ever || deleted || self.poisoned[document];
        Check::Alarms.that(allowed, || format!("a good client was closed: {reason:?}"))
    }

    /// A client reads. True if there was anything.
    pub(super) fn download(&mut self, client: usize, frames: usize) -> Found<bool> {
        let mut any = false;
        for _ in 0..frames {
            let Some(connection) = self.clients[client].line else {
                break;
            };
            any |= self.flush(connection);
            match self.line(connection).read() {
                Read::Frame(frame) => {
                    let answer = self.clients[client].take(&frame, self.now_ms)?;
                    answer.into_iter().for_each(|frame| self.say(client, frame));
                }
                Read::Closed(reason) => self.end(client, connection, reason),
                Read::Nothing => break,
            }
            any = true;
        }
        Ok(any)
    }

    /// The node's writer writes. A node that stands still, or is dead, writes nothing.
    fn flush(&mut self, connection: ConnectionId) -> bool {
        let line = self.lines.get_mut(&connection).expect("the line is there");
        let node = &mut self.nodes[line.node];
        if !node.is_running() || !line.flush() {
            return false;
        }
        if let Some(session) = node.sessions.get_mut(&line.document) {
            let drained = Mail::Drained(connection, line.seen);
            session.mailbox.push_back(drained);
        }
        true
    }

    fn end(&mut self, client: usize, connection: ConnectionId, reason: CloseReason) {
        self.lines.remove(&connection);
        self.clients[client].disconnected();
        let close = Close::new(Dialect::YWebsocket, reason);
        self.clients[client].is_banished |= close.is_permanent();
    }

    /// A stranger comes, sends poison, and never reads.
    pub(super) fn poison(&mut self, document: usize, node: usize, poison: Poison) -> Found<()> {
        let Some(connection) = self.connect(None, document, node) else {
            return Ok(());
        };
        self.poisoned[document] = true;
        self.line(connection).up.push_back(poisonous(poison));
        self.hand_over(connection)?;
        if let Some(line) = self.lines.get_mut(&connection) {
            line.is_dead = true;
        }
        Ok(())
    }
}

/// What a client may do that may write, or not.
pub(super) fn access(may_write: bool) -> Access {
    let all = Capabilities::all().iter();
    let may = all.filter(|capability| may_write || *capability != Capability::Write);
    Access {
        may: may.collect(),
        editors_max: None,
    }
}

/// Reads a frame and checks it, before any library takes it apart.
fn read(frame: &Bytes) -> Result<Vec<Intent>, CloseReason> {
    let intents = ywebsocket::decode(frame).map_err(|_| CloseReason::BadFrame)?;
    for intent in &intents {
        let checked = yjs::check(intent, &Bounds::default());
        checked.map_err(|(reason, _)| reason)?;
    }
    Ok(intents)
}

fn poisonous(poison: Poison) -> Bytes {
    match poison {
        Poison::BrokenFrame => Bytes::from_static(&[0, 2, 200]),
        Poison::BrokenUpdate => frames::update(&[1, 2, 3]),
        Poison::Panic => frames::update(&Editor::new(STRANGER).append("[[panic]]")),
        Poison::Contradiction => frames::update(PARENT_IS_NO_TYPE),
        Poison::BrokenVector => frames::have(&[0xff, 0xff, 0x03]),
    }
}

/// A client number that nobody else has.
const STRANGER: u64 = 9_000_001;
/// An item whose parent is a deleted number (`docs/decisions/0002-yrs-and-yjs.md`); the client number is nobody's.
const PARENT_IS_NO_TYPE: &[u8] = &[
    0x01, 0x02, 0xfd, 0x07, 0x00, 0x08, 0x01, 0x01, 0x61, 0x01, 0x7d, 0x01, 0x04, 0x00, 0xfd, 0x07,
    0x00, 0x01, 0x78, 0x00,
];
