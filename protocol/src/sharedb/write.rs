//! Messages to clients. What is JSON text already is put in as it is.

use std::fmt::{self, Write};

use engine::ordered::{Action, OperationName, Presence, Record, State};
use engine::ot::OtType;

use super::{Address, Code, PROTOCOL, Shown, Step};

/// What the server says first (`init`), and answers a handshake with (`hs`).
pub fn greeting(action: &str, client: &str) -> String {
    let (major, minor) = PROTOCOL;
    let default = OtType::Json0.uri();
    format!(
        r#"{{"a":"{action}","protocol":{major},"protocolMinor":{minor},"id":{},"type":"{default}"}}"#,
        Quoted(client)
    )
}

/// A document as it is sent: its type is left out if it is the one that clients expect.
pub fn snapshot(state: &State) -> String {
    let Some(content) = &state.content else {
        return format!(r#"{{"v":{},"type":null}}"#, state.version);
    };
    let mut text = format!(r#"{{"v":{},"data":{}"#, state.version, content.write());
    if content.ot_type() != OtType::Json0 {
        push(
            &mut text,
            format_args!(r#","type":"{}""#, content.ot_type().uri()),
        );
    }
    text.push('}');
    text
}

/// The answer to a request about one document, with what was asked for if it was.
pub fn answered(action: &str, address: &Address, data: Option<&str>) -> String {
    let mut text = format!(r#"{{"a":"{action}",{}"#, Addressed(address));
    if let Some(data) = data {
        push(&mut text, format_args!(r#","data":{data}"#));
    }
    text.push('}');
    text
}

/// The answer to a request about several documents: of each its id and what is to be told of it, as JSON text.
pub fn snapshots<'a>(
    action: &str,
    collection: &str,
    data: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut text = format!(r#"{{"a":"{action}","c":{},"data":{{"#, Quoted(collection));
    for (at, (id, snapshot)) in data.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        push(&mut text, format_args!("{comma}{}:{snapshot}", Quoted(id)));
    }
    text.push_str("}}");
    text
}

/// The answer to a request about several documents of which nothing but that is to be told.
pub fn bulk_answered<'a>(
    action: &str,
    collection: &str,
    ids: impl Iterator<Item = &'a str>,
) -> String {
    let ids: Vec<_> = ids.map(|id| Quoted(id).to_string()).collect();
    let (collection, ids) = (Quoted(collection), ids.join(","));
    format!(r#"{{"a":"{action}","c":{collection},"b":[{ids}]}}"#)
}

/// What is told in an answer about several documents of one that is refused.
pub fn failed(code: Code, message: &str) -> String {
    let (code, message) = (code.as_str(), Quoted(message));
    format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#)
}

/// A document as it was: always with its type.
pub fn at_version(action: &str, request: u64, state: &State) -> String {
    let version = state.version;
    let rest = match &state.content {
        Some(content) => format!(
            r#""type":"{}","data":{}"#,
            content.ot_type().uri(),
            content.write()
        ),
        None => r#""type":null"#.to_owned(),
    };
    format!(r#"{{"a":"{action}","id":{request},"v":{version},{rest},"m":null}}"#)
}

/// An operation of somebody else, or one that the client has missed.
pub fn operation(address: &Address, record: &Record) -> String {
    let mut text = named(address, record.version, &record.name);
    match &record.action {
        Action::Create { ot_type, data } => {
            push(
                &mut text,
                format_args!(r#","create":{{"type":"{}""#, ot_type.uri()),
            );
            if let Some(data) = data {
                push(&mut text, format_args!(r#","data":{data}"#));
            }
            text.push('}');
        }
        Action::Edit { .. } => {
            let committed = record.action.committed().unwrap_or_default();
            push(&mut text, format_args!(r#","op":{committed}"#));
        }
        Action::Delete => text.push_str(r#","del":true"#),
    }
    text.push('}');
    text
}

/// The client's own operation is stored.
pub fn acknowledged(address: &Address, version: u64, name: &OperationName) -> String {
    named(address, version, name) + "}"
}

/// A request is refused: it comes back whole, with the reason. It is an object, as [`read`](super::read()) has found.
pub fn refused(request: &str, code: Option<Code>, message: &str) -> String {
    let head = request
        .trim_end()
        .strip_suffix('}')
        .unwrap_or("{")
        .trim_end();
    let comma = if head.ends_with('{') { "" } else { "," };
    let code = match code {
        Some(code) => format!(r#""code":"{}","#, code.as_str()),
        None => String::new(),
    };
    format!(
        r#"{head}{comma}"error":{{{code}"message":{}}}}}"#,
        Quoted(message)
    )
}

/// The answer to a query: the documents that it finds, by their ids.
pub fn found(action: &str, query: u64, documents: &[(String, State)]) -> String {
    let documents = Found(documents);
    format!(r#"{{"a":"{action}","id":{query},"data":{documents}}}"#)
}

/// The answer to whoever subscribes to a query and has documents of it already: those of them that it has in no version.
pub fn query_subscribed(query: u64, documents: &[(String, State)]) -> String {
    let mut text = format!(r#"{{"a":"qs","id":{query}"#);
    for (at, (id, state)) in documents.iter().enumerate() {
        let before = if at == 0 { r#","data":{"# } else { "," };
        let (id, snapshot) = (Quoted(id), snapshot(state));
        push(&mut text, format_args!("{before}{id}:{snapshot}"));
    }
    text.push_str(if documents.is_empty() { "}" } else { "}}" });
    text
}

/// What has become of the documents that a query finds: the steps that lead there, with the documents that come in.
pub fn query_changed(query: u64, steps: &[Step], inserted: &[(String, State)]) -> String {
    let mut text = format!(r#"{{"a":"q","id":{query},"diff":["#);
    let mut inserted = inserted;
    for (at, step) in steps.iter().enumerate() {
        text.push_str(if at > 0 { "," } else { "" });
        match *step {
            Step::Remove { index, count } => push(
                &mut text,
                format_args!(r#"{{"type":"remove","index":{index},"howMany":{count}}}"#),
            ),
            Step::Insert { index, count } => {
                let (values, rest) = inserted.split_at(count.min(inserted.len()));
                inserted = rest;
                let values = Found(values);
                let step = format_args!(r#"{{"type":"insert","index":{index},"values":{values}}}"#);
                push(&mut text, step);
            }
        }
    }
    text.push_str("]}");
    text
}

/// The client is kept up to date with a query no longer.
pub fn query_failed(query: u64, code: Code, message: &str) -> String {
    let failed = failed(code, message);
    let error = failed.strip_prefix('{').unwrap_or_default();
    format!(r#"{{"a":"q","id":{query},{error}"#)
}

/// An answer that says nothing but what it answers.
pub fn bare(action: &str) -> String {
    format!(r#"{{"a":"{action}"}}"#)
}

/// The answer to whoever wants no more of a query.
pub fn query_ended(query: u64) -> String {
    format!(r#"{{"a":"qu","id":{query}}}"#)
}

/// The answer to whoever wants, or wants no more, the presence of a channel.
pub fn presence_subscribed(action: &str, channel: &str, number: Option<u64>) -> String {
    let number = number.map_or(String::new(), |number| format!(r#","seq":{number}"#));
    format!(r#"{{"a":"{action}","ch":{}{number}}}"#, Quoted(channel))
}

/// Where somebody is in a document or channel, or that he is gone.
pub fn presence(address: &Address, presence: &Presence) -> String {
    let mut text = format!(
        r#"{{"a":"p","ch":{},"src":{},"id":{},"p":{},"pv":{}"#,
        Quoted(&address.channel_name()),
        Quoted(&presence.name.source),
        Quoted(&presence.name.id),
        presence.value.write(),
        presence.number,
    );
    if !address.is_channel() {
        let (address, version) = (Addressed(address), presence.version);
        push(&mut text, format_args!(r#",{address},"v":{version}"#));
    }
    text.push('}');
    text
}

/// Where somebody is in a channel, or that he is gone, as he has said it.
pub fn shown(source: &str, shown: &Shown) -> String {
    let mut text = format!(
        r#"{{"a":"p","ch":{},"src":{},"id":{},"p":{},"pv":{}"#,
        Quoted(&shown.channel),
        Quoted(source),
        Quoted(&shown.id),
        shown.value.as_deref().unwrap_or("null"),
        shown.number
    );
    if let Some(document) = &shown.document {
        let (collection, id) = (Quoted(&document.collection), Quoted(&document.id));
        push(&mut text, format_args!(r#","c":{collection},"d":{id}"#));
        if let Some(version) = document.version {
            push(&mut text, format_args!(r#","v":{version}"#));
        }
    }
    text.push('}');
    text
}

fn named(address: &Address, version: u64, name: &OperationName) -> String {
    let (address, name) = (Addressed(address), Named(version, name));
    format!(r#"{{"a":"op",{address},{name}"#)
}

fn push(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("a text takes what is written");
}

/// Documents that a query finds, each with its id.
struct Found<'a>(&'a [(String, State)]);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (at, (id, state)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let (id, snapshot) = (Quoted(id), snapshot(state));
            let rest = snapshot.strip_prefix('{').unwrap_or_default();
            write!(f, r#"{comma}{{"d":{id},{rest}"#)?;
        }
        f.write_char(']')
    }
}

/// The fields that name a document.
struct Addressed<'a>(&'a Address);

impl fmt::Display for Addressed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (collection, id) = (Quoted(&self.0.collection), Quoted(&self.0.id));
        write!(f, r#""c":{collection},"d":{id}"#)
    }
}

/// The fields that name an operation.
struct Named<'a>(u64, &'a OperationName);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, number) = (Quoted(&self.1.source), self.1.number);
        write!(f, r#""v":{},"src":{source},"seq":{number}"#, self.0)
    }
}

/// A text as JSON.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        f.write_str(&quoted)
    }
}
