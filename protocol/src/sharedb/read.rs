//! Messages of clients. What ShareDB checks is checked in its words, because applications see them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use engine::ordered::Deed;
use engine::ot::OtType;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::address::NO_COLLECTION;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// It says what it speaks.
    Handshake {
        /// What it was called before, and wants to be called again.
        id: Option<String>,
        /// The second number of its protocol.
        minor: u64,
    },
    /// A document.
    Fetch(Named),
    /// A document, and what comes.
    Subscribe(Named),
    /// No more of what comes.
    Unsubscribe(Named),
    /// Several documents of a collection.
    BulkFetch(String, Bulk),
    /// Several documents, and what comes.
    BulkSubscribe(String, Bulk),
    /// No more of what comes, of several documents.
    BulkUnsubscribe(String, Bulk),
    /// An operation.
    Submit(Named, Submission),
    /// A document as it was at a version; as it is, if none is said.
    AtVersion {
        /// Comes back with the answer.
        id: u64,
        /// Which document, and which version.
        named: Named,
    },
    /// A document as it was at a time, in milliseconds since the Unix epoch; as it is, if none is said.
    AtTime {
        /// Comes back with the answer.
        id: u64,
        /// Which document.
        named: Named,
        /// When.
        time_ms: Option<u64>,
    },
    /// A sign of life.
    Ping,
    /// The presence of a channel, and what comes of it.
    SubscribePresence {
        /// The channel.
        channel: String,
        /// Comes back with the answer.
        number: Option<u64>,
    },
    /// No more presence of a channel.
    UnsubscribePresence {
        /// The channel.
        channel: String,
        /// Comes back with the answer.
        number: Option<u64>,
    },
    /// Where the client is.
    ShowPresence(Shown),
    /// Who else is in a channel?
    QueryPresence {
        /// The channel.
        channel: String,
    },
    /// The documents of a collection that have something in common.
    Query {
        /// Comes back with the answer.
        id: u64,
        /// The collection.
        collection: String,
        /// What they have in common, as JSON text.
        query: Box<str>,
        /// Whether it is to be told when others have.
        is_subscribed: bool,
        /// What it has of the answer already, with the versions that it has them in, if it has any.
        results: Option<Results>,
    },
    /// No more of a query.
    EndQuery {
        /// Which.
        id: u64,
    },
}

/// Documents that a client has of the answer to a query, in its order, by their ids and with the versions that it has them in.
pub type Results = Vec<(String, Option<u64>)>;

/// A document, and perhaps one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The collection.
    pub collection: String,
    /// The document's id within it.
    pub id: String,
    /// A version.
    pub version: Option<u64>,
}

/// Several documents of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// By their ids, each once.
    Whole(Vec<String>),
    /// By their ids, with the versions that the client has.
    Since(BTreeMap<String, Option<u64>>),
}

/// An operation that is submitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Under what the client was called when it made it; none for what it is called now.
    pub source: Option<String>,
    /// Its number.
    pub number: u64,
    /// What it does.
    pub deed: Deed,
}

/// A client's presence in a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The channel.
    pub channel: String,
    /// Which of the client's presences.
    pub id: String,
    /// What it shows, as JSON text; none if it is gone.
    pub value: Option<Box<str>>,
    /// Its number: a later one counts.
    pub number: u64,
    /// The document that it is in, and the version that it was made on.
    pub document: Option<Named>,
}

/// Why a message is refused: the code and the words that clients know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is not even an object; there is nothing to answer.
    #[error("message is no JSON object")]
    NotAnObject,
    /// A field is missing or wrong.
    #[error("{0}")]
    BadlyFormed(&'static str),
    /// What is submitted is no operation.
    #[error("{0}")]
    BadOperation(&'static str),
    /// What is to be created is of a type that is not served.
    #[error("Unknown type")]
    UnknownType,
    /// An operation has the last number that JavaScript counts to, behind which there is none for the next.
    #[error("Connection seq has reached the greatest safe integer; connect anew")]
    LastNumber,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    a: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    c: Option<&'a RawValue>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
    #[serde(borrow)]
    v: Option<&'a RawValue>,
    #[serde(borrow)]
    b: Option<&'a RawValue>,
    #[serde(borrow)]
    src: Option<&'a RawValue>,
    #[serde(borrow)]
    seq: Option<&'a RawValue>,
    #[serde(borrow)]
    op: Option<&'a RawValue>,
    #[serde(borrow)]
    create: Option<&'a RawValue>,
    #[serde(borrow)]
    del: Option<&'a RawValue>,
    #[serde(borrow)]
    ch: Option<&'a RawValue>,
    #[serde(borrow)]
    p: Option<&'a RawValue>,
    #[serde(borrow)]
    pv: Option<&'a RawValue>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    q: Option<&'a RawValue>,
    #[serde(borrow)]
    r: Option<&'a RawValue>,
    #[serde(borrow)]
    protocol: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolMinor")]
    protocol_minor: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Creation<'a> {
    #[serde(borrow, rename = "type")]
    ot_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads a message.
///
/// # Errors
/// It is refused; unless it is no object it is answered.
pub fn read(text: &str) -> Result<Asked, Fault> {
    if !text.trim_start().starts_with('{') {
        return Err(Fault::NotAnObject);
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| Fault::NotAnObject)?;
    fields.asked()
}

impl Fields<'_> {
    fn asked(&self) -> Result<Asked, Fault> {
        let action = string(self.a, "Invalid or unknown message")?;
        match action.as_str() {
            "hs" => self.handshake(),
            "f" => self.named().map(Asked::Fetch),
            "s" => self.named().map(Asked::Subscribe),
            "u" => self.named().map(Asked::Unsubscribe),
            "bf" => self.bulk(Asked::BulkFetch),
            "bs" => self.bulk(Asked::BulkSubscribe),
            "bu" => self.bulk(Asked::BulkUnsubscribe),
            "op" => Ok(Asked::Submit(self.named()?, self.submission()?)),
            "nf" => Ok(Asked::AtVersion {
                id: self.request_id("Missing snapshot request ID")?,
                named: self.named()?,
            }),
            "nt" => Ok(Asked::AtTime {
                id: self.request_id("Missing snapshot request ID")?,
                named: self.named()?,
                time_ms: number(self.ts, "Invalid timestamp")?,
            }),
            "pp" => Ok(Asked::Ping),
            "ps" => Ok(Asked::SubscribePresence {
                channel: self.channel()?,
                number: number(self.seq, "Invalid sequence number")?,
            }),
            "pu" => Ok(Asked::UnsubscribePresence {
                channel: self.channel()?,
                number: number(self.seq, "Invalid sequence number")?,
            }),
            "p" => self.shown().map(Asked::ShowPresence),
            "pr" => Ok(Asked::QueryPresence {
                channel: self.channel()?,
            }),
            "qf" => self.query(false),
            "qs" => self.query(true),
            "qu" => Ok(Asked::EndQuery {
                id: self.request_id("Missing query ID")?,
            }),
            _ => Err(Fault::BadlyFormed("Invalid or unknown message")),
        }
    }

    fn handshake(&self) -> Result<Asked, Fault> {
        let major = version_number(self.protocol, "Invalid protocol version")?.unwrap_or(1);
        if major != super::PROTOCOL.0 {
            return Err(Fault::BadlyFormed("Invalid protocol version"));
        }
        let id = match self.id.map(RawValue::get) {
            None | Some("null") => None,
            Some(_) => Some(string(self.id, "Invalid client ID")?),
        };
        let minor = version_number(self.protocol_minor, "Invalid protocol version")?.unwrap_or(0);
        Ok(Asked::Handshake { id, minor })
    }

    fn named(&self) -> Result<Named, Fault> {
        Ok(Named {
            collection: name(self.c, "Invalid collection")?,
            id: name(self.d, "Invalid id")?,
            version: number(self.v, "Invalid version")?,
        })
    }

    fn bulk(&self, asks: fn(String, Bulk) -> Asked) -> Result<Asked, Fault> {
        const INVALID: &str = "Invalid bulk subscribe data";
        let collection = name(self.c, "Invalid collection")?;
        let text = self.b.ok_or(Fault::BadlyFormed(INVALID))?.get();
        let bulk = if text.starts_with('[') {
            let ids: Vec<&RawValue> = parse(text, INVALID)?;
            let ids = ids.into_iter().map(|id| name(Some(id), "Invalid id"));
            let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
            let mut seen = std::collections::HashSet::new();
            ids.retain(|id| seen.insert(id.clone()));
            Bulk::Whole(ids)
        } else {
            let versions: BTreeMap<String, &RawValue> = parse(text, INVALID)?;
            let versions = versions.into_iter().map(|(id, version)| {
                check_name(&id, "Invalid id")?;
                Ok((id, number(Some(version), "Invalid version")?))
            });
            Bulk::Since(versions.collect::<Result<_, _>>()?)
        };
        Ok(asks(collection, bulk))
    }

    fn submission(&self) -> Result<Submission, Fault> {
        let source = match self.src.map(RawValue::get) {
            None | Some("null") => None,
            Some(_) => Some(string(self.src, "Invalid src")?),
        };
        let number = number(self.seq, "Invalid sequence number")?;
        let number = number.ok_or(Fault::BadlyFormed("Missing sequence number"))?;
        if number as f64 >= SAFE_INTEGER_MAX {
            return Err(Fault::LastNumber);
        }
        Ok(Submission {
            source,
            number,
            deed: self.deed()?,
        })
    }

    fn deed(&self) -> Result<Deed, Fault> {
        let is_deleted = match self.del.map(RawValue::get) {
            None | Some("null" | "false") => false,
            Some("true") => true,
            Some(_) => return Err(Fault::BadOperation("del value must be true")),
        };
        match (self.op, self.create, is_deleted) {
            (Some(op), None, false) => Ok(Deed::Edit(op.get().into())),
            (None, Some(create), false) => creation(create),
            (None, None, true) => Ok(Deed::Delete),
            (None, None, false) => Err(Fault::BadOperation("Missing op, create, or del")),
            _ => Err(Fault::BadOperation("More than one of op, create, and del")),
        }
    }

    fn channel(&self) -> Result<String, Fault> {
        match self.ch {
            None => Err(Fault::BadlyFormed("Missing presence channel")),
            channel => name(channel, "Invalid presence channel"),
        }
    }

    fn shown(&self) -> Result<Shown, Fault> {
        let value = self.p.map(RawValue::get).filter(|text| *text != "null");
        let document = match (self.c, self.d) {
            (None, None) => None,
            _ => Some(self.named()?),
        };
        let number = number(self.pv, "Invalid presence version")?;
        Ok(Shown {
            channel: self.channel()?,
            id: name(self.id, "Missing presence ID")?,
            value: value.map(Box::from),
            number: number.ok_or(Fault::BadlyFormed("Missing presence version"))?,
            document,
        })
    }

    fn query(&self, is_subscribed: bool) -> Result<Asked, Fault> {
        Ok(Asked::Query {
            id: self.request_id("Missing query ID")?,
            collection: name(self.c, "Invalid collection")?,
            query: self.q.map_or("null", RawValue::get).into(),
            is_subscribed,
            results: if is_subscribed { self.results()? } else { None },
        })
    }

    fn results(&self) -> Result<Option<Results>, Fault> {
        let Some(results) = self.r.filter(|raw| raw.get() != "null") else {
            return Ok(None);
        };
        let results: Vec<Vec<&RawValue>> = parse(results.get(), "Invalid query results")?;
        let results = results.into_iter().map(|result| {
            let mut result = result.into_iter();
            let id = name(result.next(), "Invalid id")?;
            Ok((id, number(result.next(), "Invalid version")?))
        });
        results.collect::<Result<_, _>>().map(Some)
    }

    fn request_id(&self, missing: &'static str) -> Result<u64, Fault> {
        number(self.id, missing)?.ok_or(Fault::BadlyFormed(missing))
    }
}

fn creation(create: &RawValue) -> Result<Deed, Fault> {
    let create: Creation<'_> =
        serde_json::from_str(create.get()).map_err(|_| Fault::BadOperation("Invalid create"))?;
    let ot_type = create
        .ot_type
        .ok_or(Fault::BadOperation("Missing create type"))?;
    let ot_type: OtType = ot_type.parse().map_err(|_| Fault::UnknownType)?;
    let data = create.data.map(|data| Box::from(data.get()));
    Ok(Deed::Create { ot_type, data })
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, fault: &'static str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::BadlyFormed(fault))
}

fn string(raw: Option<&RawValue>, fault: &'static str) -> Result<String, Fault> {
    parse(raw.ok_or(Fault::BadlyFormed(fault))?.get(), fault)
}

/// A name of something, which JavaScript has no member of its own under.
fn name(raw: Option<&RawValue>, fault: &'static str) -> Result<String, Fault> {
    let name = string(raw, fault)?;
    check_name(&name, fault)?;
    Ok(name)
}

pub(super) fn check_name(name: &str, fault: &'static str) -> Result<(), Fault> {
    match is_name(name) {
        true => Ok(()),
        false => Err(Fault::BadlyFormed(fault)),
    }
}

/// Whether clients may call a collection or a document so.
pub fn is_name(name: &str) -> bool {
    !MEMBERS_OF_ALL_OBJECTS.contains(&name) && !name.starts_with(NO_COLLECTION)
}

/// A whole number that JavaScript can count to, if anything is said.
fn number(raw: Option<&RawValue>, fault: &'static str) -> Result<Option<u64>, Fault> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(text) => {
            let number: f64 = parse(text, fault)?;
            let is_whole = (0.0..=SAFE_INTEGER_MAX).contains(&number) && number.fract() == 0.0;
            is_whole
                .then_some(Some(number as u64))
                .ok_or(Fault::BadlyFormed(fault))
        }
    }
}

/// A number, or a text that is one.
fn version_number(raw: Option<&RawValue>, fault: &'static str) -> Result<Option<u64>, Fault> {
    match raw.map(RawValue::get) {
        Some(text) if text.starts_with('"') => {
            let text = string(raw, fault)?;
            text.parse()
                .map(Some)
                .map_err(|_| Fault::BadlyFormed(fault))
        }
        _ => number(raw, fault),
    }
}

/// 2^53 - 1.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// `Object.getOwnPropertyNames(Object.prototype)`, which `sharedb` refuses as names (`lib/util.js`).
const MEMBERS_OF_ALL_OBJECTS: [&str; 12] = [
    "constructor",
    "__defineGetter__",
    "__defineSetter__",
    "hasOwnProperty",
    "__lookupGetter__",
    "__lookupSetter__",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toString",
    "valueOf",
    "__proto__",
    "toLocaleString",
];
