//! A document as a client of ShareDB has it: one operation under way, all that is typed meanwhile composed into one that
//! waits, and everything that comes transformed against both.
//!
//! A machine without a socket: it takes messages, and has others to be said. It keeps its name, its document and what is not
//! acknowledged when its connection ends, and sends that again under the same name and number over the next one, as the client
//! of npm does. Messages are written here; only the types are the server's own, which are compared with those of npm elsewhere.

use std::mem;

use anyhow::{Context, Result, bail, ensure};
use engine::ot::{Operation, OtType, Side, Snapshot, Work};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::ledger::Token;

/// One document of one client.
#[derive(Debug)]
pub struct Page {
    address: Address,
    ot_type: OtType,
    /// What the server calls the client: nothing before it has.
    source: Option<String>,
    /// How many operations were numbered.
    numbered: u64,
    version: Option<u64>,
    content: Option<Snapshot>,
    under_way: Option<UnderWay>,
    pending: Option<Edit>,
    is_subscribed: bool,
    is_fetching: bool,
    shown: u64,
    says: Vec<Value>,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The collection.
    pub collection: String,
    /// The document's id within it.
    pub id: String,
}

/// An edit, and the words that it writes.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What it does.
    pub operation: Operation,
    /// What nobody else writes.
    pub words: Vec<Token>,
    /// How many edits it is made of.
    pub edits: usize,
}

/// What a client noticed.
#[derive(Clone, Debug, PartialEq)]
pub enum Noticed {
    /// An operation of its own was acknowledged.
    Committed(Committed),
    /// Something of no consequence to whoever edits.
    Nothing,
}

/// An operation that was acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// What its author's client is called.
    pub source: String,
    /// Which of that one's operations it is.
    pub number: u64,
    /// The version that it was acknowledged with.
    pub version: u64,
    /// The words that it wrote.
    pub words: Vec<Token>,
    /// When it was sent first.
    pub sent: Instant,
}

#[derive(Debug)]
struct UnderWay {
    number: u64,
    /// What is done; none if the document is created.
    edit: Option<Edit>,
    sent: Instant,
}

impl Address {
    /// A document in a collection.
    pub fn new(collection: &str, id: &str) -> Self {
        let [collection, id] = [collection, id].map(str::to_owned);
        Self { collection, id }
    }

    /// Its name in a path of the API.
    pub fn escaped(&self) -> String {
        format!("{}%2F{}", self.collection, self.id)
    }

    /// The channel of its presence.
    pub fn channel(&self) -> String {
        format!("{}.{}", self.collection, self.id)
    }

    /// A message about it.
    pub fn about(&self, action: &str, version: Option<u64>) -> Value {
        json!({"a": action, "c": self.collection, "d": self.id, "v": version})
    }
}

impl Page {
    /// A document that the client has not seen yet, and creates as this type if nobody has.
    pub fn new(address: Address, ot_type: OtType) -> Self {
        Self {
            address,
            ot_type,
            source: None,
            numbered: 0,
            version: None,
            content: None,
            under_way: None,
            pending: None,
            is_subscribed: false,
            is_fetching: false,
            shown: 0,
            says: Vec::new(),
        }
    }

    /// There is a new connection, on which nothing was said yet.
    pub fn connected(&mut self) {
        (self.is_subscribed, self.is_fetching) = (false, false);
        self.says.clear();
    }

    /// What is to be said, in order.
    pub fn says(&mut self) -> Vec<Value> {
        mem::take(&mut self.says)
    }

    /// Whether it is there and what comes is told.
    pub fn is_in_sync(&self) -> bool {
        self.is_subscribed && self.content.is_some()
    }

    /// The version that the client has, and what the document then holds, with all that it has done itself.
    pub fn has(&self) -> Option<(u64, &Snapshot)> {
        Some((self.version?, self.content.as_ref()?))
    }

    /// How many edits wait: for an acknowledgement, or to be sent.
    pub fn waiting(&self) -> usize {
        let under_way = self.under_way.as_ref();
        let under_way = under_way.map(|it| it.edit.as_ref().map_or(1, |edit| edit.edits));
        under_way.unwrap_or(0) + self.pending.as_ref().map_or(0, |edit| edit.edits)
    }

    /// Edits the document.
    ///
    /// # Errors
    /// There is none, or it does not fit.
    pub fn edit(&mut self, edit: Edit) -> Result<()> {
        let content = self.content.as_mut().context("there is a document")?;
        content.apply(&edit.operation, &mut Work::default())?;
        match self.pending.take() {
            Some(pending) => self.pending = Some(pending.then(edit)?),
            None if self.under_way.is_some() => self.pending = Some(edit),
            None => self.submit(Some(edit))?,
        }
        Ok(())
    }

    /// Shows where somebody is, if nothing of his own is under way.
    pub fn show(&mut self, id: &str, place: &Value) {
        if self.under_way.is_some() || !self.is_in_sync() {
            return;
        }
        self.shown += 1;
        let mut shown = self.address.about("p", self.version);
        shown["ch"] = self.address.channel().into();
        shown["id"] = id.into();
        shown["p"] = place.clone();
        shown["pv"] = self.shown.into();
        self.says.push(shown);
    }

    /// Takes a message.
    ///
    /// # Errors
    /// It is none that the client may be told, or what is acknowledged is not what comes next.
    pub fn take(&mut self, message: &Value) -> Result<Noticed> {
        if message.get("error").is_some() {
            self.refused(message)?;
            return Ok(Noticed::Nothing);
        }
        match message["a"].as_str().unwrap_or_default() {
            "init" => {
                let hs = json!({"a": "hs", "id": self.source, "protocol": 1, "protocolMinor": 2});
                self.says.push(hs);
            }
            "hs" => self.begin(message)?,
            "s" => {
                self.is_subscribed = true;
                self.take_document(message)?;
            }
            "f" => {
                self.is_fetching = false;
                self.take_document(message)?;
            }
            "op" => return self.take_operation(message),
            "p" | "ps" => {}
            _ => bail!("{message} is no message of ShareDB"),
        }
        Ok(Noticed::Nothing)
    }

    /// It is called by its name: what was under way is sent again, and the document asked for.
    fn begin(&mut self, message: &Value) -> Result<()> {
        let called = message["id"].as_str().context("a client has a name")?;
        let is_same = self.source.as_deref().is_none_or(|name| name == called);
        ensure!(is_same, "{:?} is called {called}", self.source);
        self.source = Some(called.to_owned());
        self.send_under_way()?;
        self.says.push(self.address.about("s", self.version));
        Ok(())
    }

    fn take_document(&mut self, message: &Value) -> Result<()> {
        if let Some(data) = message.get("data") {
            let version = data["v"].as_u64().context("a document has a version")?;
            ensure!(
                self.version.is_none(),
                "whoever is at {:?} is given the whole document, at {version}",
                self.version
            );
            self.version = Some(version);
            if let Some(content) = data.get("data") {
                self.content = Some(snapshot(self.ot_type, content)?);
            }
        }
        let is_to_create = self.content.is_none() && self.under_way.is_none();
        if is_to_create && self.is_subscribed && self.version == Some(0) {
            self.content = Some(snapshot(self.ot_type, &blank(self.ot_type))?);
            self.submit(None)?;
        }
        Ok(())
    }

    fn submit(&mut self, edit: Option<Edit>) -> Result<()> {
        self.numbered += 1;
        self.under_way = Some(UnderWay {
            number: self.numbered,
            edit,
            sent: Instant::now(),
        });
        self.send_under_way()
    }

    fn send_under_way(&mut self) -> Result<()> {
        let Some(UnderWay { number, edit, .. }) = &self.under_way else {
            return Ok(());
        };
        let mut message = self.address.about("op", self.version);
        message["src"] = self.source.as_deref().into();
        message["seq"] = (*number).into();
        match edit {
            Some(edit) => message["op"] = serde_json::from_str(&edit.operation.write())?,
            None => {
                let data = blank(self.ot_type);
                message["create"] = json!({"type": self.ot_type.name(), "data": data});
            }
        }
        self.says.push(message);
        Ok(())
    }

    /// An operation of others, one that was missed, or word that the client's own is stored.
    fn take_operation(&mut self, message: &Value) -> Result<Noticed> {
        let (version, Some(own)) = (number(message, "v")?, self.version) else {
            return Ok(Noticed::Nothing);
        };
        let number = number(message, "seq")?;
        let is_own = message["src"].as_str() == self.source.as_deref()
            && (self.under_way.as_ref()).is_some_and(|it| it.number == number);
        let does = |what| message.get(what).is_some();
        let is_told = does("op") || does("create") || does("del");
        match version {
            version if version > own && !is_told => {
                bail!("at {own}, and acknowledged is {message}: what came before was not told")
            }
            version if version > own => {
                self.fetch();
                Ok(Noticed::Nothing)
            }
            _ if is_own => self.acknowledged(version, own),
            version if version < own => Ok(Noticed::Nothing),
            _ if !is_told => bail!("{message} acknowledges what is not under way"),
            _ => {
                self.take_in(message)?;
                Ok(Noticed::Nothing)
            }
        }
    }

    fn acknowledged(&mut self, version: u64, own: u64) -> Result<Noticed> {
        let source = self.source.clone().unwrap_or_default();
        let done = self.under_way.take().context("something was under way")?;
        ensure!(
            version == own,
            "{source}/{} is acknowledged with {version}, at {own}",
            done.number
        );
        self.version = Some(own + 1);
        if let Some(pending) = self.pending.take() {
            self.submit(Some(pending))?;
        }
        Ok(Noticed::Committed(Committed {
            source,
            number: done.number,
            version,
            words: done.edit.map(|edit| edit.words).unwrap_or_default(),
            sent: done.sent,
        }))
    }

    fn fetch(&mut self) {
        if !mem::replace(&mut self.is_fetching, true) {
            self.says.push(self.address.about("f", self.version));
        }
    }

    /// Takes in what makes the next version.
    fn take_in(&mut self, message: &Value) -> Result<()> {
        self.version = self.version.map(|version| version + 1);
        if let Some(create) = message.get("create") {
            // Somebody else was faster: the client's own will be refused.
            (self.under_way, self.pending) = (None, None);
            self.content = Some(snapshot(self.ot_type, &create["data"])?);
            return Ok(());
        }
        let operation = message.get("op").context("nobody deletes anything")?;
        let mut operation = Operation::read(self.ot_type, &operation.to_string())?;
        let under_way = (self.under_way.iter_mut()).filter_map(|it| it.edit.as_mut());
        for own in under_way.chain(&mut self.pending) {
            let (before, work) = (own.operation.clone(), &mut Work::default());
            own.operation = before.transform(&operation, Side::Left, work)?;
            operation = operation.transform(&before, Side::Right, work)?;
        }
        let content = self.content.as_mut().context("it was created")?;
        Ok(content.apply(&operation, &mut Work::default())?)
    }

    /// Only a creation may be refused, if others were faster.
    fn refused(&mut self, message: &Value) -> Result<()> {
        let code = message["error"]["code"].as_str();
        let is_creation = message.get("create").is_some();
        ensure!(
            is_creation && code == Some("ERR_DOC_ALREADY_CREATED"),
            "refused: {message}"
        );
        let number = number(message, "seq")?;
        if (self.under_way.as_ref()).is_some_and(|it| it.number == number) {
            (self.under_way, self.pending, self.content) = (None, None, None);
            // From here on all of it is told.
            self.fetch();
        }
        Ok(())
    }
}

impl Edit {
    /// Both as one.
    fn then(mut self, later: Self) -> Result<Self> {
        let work = &mut Work::default();
        self.operation = self.operation.compose(&later.operation, work)?;
        self.words.extend(later.words);
        self.edits += later.edits;
        Ok(self)
    }
}

/// What a document of a type holds that nobody has written to.
pub(crate) fn blank(ot_type: OtType) -> Value {
    match ot_type {
        OtType::Json0 => json!({"text": "", "list": [], "n": 0}),
        OtType::Text | OtType::TextUnicode => json!(""),
        OtType::RichText => json!([]),
    }
}

/// What a document holds, of which this is the data.
///
/// # Errors
/// A document of this type can not hold that.
pub fn snapshot(ot_type: OtType, data: &Value) -> Result<Snapshot> {
    let content = Snapshot::create(ot_type, Some(&data.to_string()));
    content.with_context(|| format!("as {ot_type}: {data:.200}"))
}

fn number(message: &Value, field: &str) -> Result<u64> {
    let number = message[field].as_u64();
    number.with_context(|| format!("a message has {field}: {message}"))
}
