//! Traffic: how clients come and go, and how frames get from one end of a line to the other.

use bytes::Bytes;
use engine::{Access, Capabilities, Capability, CloseReason, ConnectionId, Input};
use protocol::close::Close;

use super::checks::{Check, Found};
use super::line::{Line, Read};
use super::node::{Life, Mail, Session};
use super::plan::{Edit, Poison};
use super::poison::poisonous;
use super::world::World;

impl World {
    /// A client without a connection opens one.
    pub(super) fn join(&mut self, client: usize, node: usize) {
        let joining = &self.clients[client];
        if joining.line.is_some() || joining.is_banished {
            return;
        }
        if let Some(connection) = self.connect(Some(client), joining.document, node) {
            let joined = &mut self.clients[client];
            joined.line = Some(connection);
            let hello = joined.page.connected();
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
        let mut line = Line::new(
            client,
            node,
            (self.setup.kind, document),
            self.setup.outbox_frames,
        );
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
        let before = &self.clients[client];
        let stored = &self.store.document(before.document).inserted;
        if before.is_banished || !before.page.own_edits().diff(stored).is_empty() {
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
        let frames = self.clients[client].page.edit(edit);
        self.say(client, frames);
    }

    /// A client gets all that another has, past the server, and passes it on.
    pub(super) fn share(&mut self, client: usize, from: usize) -> Found<()> {
        let (reader, writer) = (&self.clients[client], &self.clients[from]);
        if reader.document == writer.document && !reader.is_banished {
            let everything = writer.page.everything();
            let frames = self.clients[client].page.take_everything(everything)?;
            self.say(client, frames);
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

    /// A client that is connected sends frames.
    pub(super) fn say(&mut self, client: usize, frames: Vec<Bytes>) {
        if let Some(connection) = self.clients[client].line {
            self.line(connection).up.extend(frames);
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
        if let Some(intents) = line.next_mail() {
            let mail = Mail::Intents(connection, intents, line.seen);
            session.mailbox.push_back(mail);
            return Ok(true);
        }
        let Some(frame) = line.up.pop_front() else {
            return Ok(false);
        };
        match line.hear(&frame) {
            Ok(()) => {
                if let Some(intents) = line.next_mail() {
                    let mail = Mail::Intents(connection, intents, line.seen);
                    session.mailbox.push_back(mail);
                }
            }
            Err(reason) => self.cut_off(connection, reason)?,
        }
        Ok(true)
    }

    /// The node closes a line by itself, and its session learns of it.
    pub(super) fn cut_off(&mut self, connection: ConnectionId, reason: CloseReason) -> Found<()> {
        self.tell(|| format!("  {connection} is cut off: {reason:?}"));
        let line = &self.lines[&connection];
        if let Some(session) = self.nodes[line.node].sessions.get_mut(&line.document) {
            session.mailbox.push_back(Mail::Leave(connection));
        }
        self.closed(connection, reason)
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
        let for_ever = Close::new(line.dialect(), reason).is_permanent();
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
            any |= self.flush(connection)?;
            match self.line(connection).read() {
                Read::Frame(frame) => {
                    let answer = self.clients[client].page.take(&frame, self.now_ms)?;
                    self.say(client, answer);
                }
                Read::Closed(reason) => self.end(client, connection, reason),
                Read::Nothing => break,
            }
            any = true;
        }
        Ok(any)
    }

    /// The node's writer writes. A node that stands still, or is dead, writes nothing.
    fn flush(&mut self, connection: ConnectionId) -> Found<bool> {
        let line = self.lines.get_mut(&connection).expect("the line is there");
        if !self.nodes[line.node].is_running() || !line.is_read() {
            return Ok(false);
        }
        let (node, document, seen) = (line.node, line.document, line.seen);
        let dropped = line.flush();
        self.check_written(connection, document)?;
        if dropped && let Some(session) = self.nodes[node].sessions.get_mut(&document) {
            let drained = Mail::Drained(connection, seen);
            session.mailbox.push_back(drained);
        }
        Ok(dropped)
    }

    fn end(&mut self, client: usize, connection: ConnectionId, reason: CloseReason) {
        let dialect = self.line(connection).dialect();
        self.lines.remove(&connection);
        self.clients[client].disconnected();
        self.clients[client].is_banished |= Close::new(dialect, reason).is_permanent();
    }

    /// A stranger comes, sends poison, and never reads.
    pub(super) fn poison(&mut self, document: usize, node: usize, poison: Poison) -> Found<()> {
        let Some(connection) = self.connect(None, document, node) else {
            return Ok(());
        };
        self.poisoned[document] = true;
        let frame = poisonous(self.setup.kind, poison);
        self.line(connection).up.push_back(frame);
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
