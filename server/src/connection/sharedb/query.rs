//! Queries, as far as a store that has no index of what documents hold can answer them: all documents of a collection, or those
//! with certain values in members at the top. They are looked at one by one, so a collection may not be too large.

use std::sync::Arc;

use engine::ordered::{Action, Record};
use engine::ot::{Json, Snapshot, Utf16};
use protocol::close;
use protocol::sharedb::{self, Code, Results};

use super::super::entering::Own;
use super::hearing::Message;
use super::live::{Beginning, Subscription};
use super::looking::{Known, Query, documents};
use super::refusing::code;
use super::seat::Seats;
use crate::ordered::list;

/// What documents are to have in common.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    members: Vec<(Utf16, Json)>,
    /// So many of those that are found are passed over.
    pub(super) skip: usize,
    /// So many are found at most.
    pub(super) limit: usize,
}

/// A query as a client asks it.
pub(super) struct Question {
    pub(super) id: u64,
    pub(super) collection: String,
    pub(super) query: Box<str>,
    pub(super) message: Message,
}

impl Seats {
    /// Looks once for the documents that a query is about.
    pub(super) fn fetch_query(&mut self, question: Question) {
        let (id, message) = (question.id, question.message);
        let query = match self.read_query(question.collection, &question.query) {
            Ok(query) => query,
            Err((code, why)) => return self.refuse(&message, code, &why),
        };
        self.look(message, async move {
            let listed = list(&query.hub.world(), &query.topic).await;
            let listed = documents(listed.map(Arc::new))?;
            let news = query.look(&Known::default(), &listed).await?;
            Ok(sharedb::found("qf", id, &news.inserted))
        });
    }

    /// Looks for them, and keeps the client up to date.
    pub(super) fn subscribe_query(&mut self, question: Question, results: Option<Results>) {
        let (id, message) = (question.id, question.message);
        let is_long = message.text.len() > SUBSCRIPTION_BYTES_MAX;
        if is_long || !self.live.has_room(id) {
            return self.refuse(&message, Code::TooMany, TOO_MANY_QUERIES);
        }
        let query = match self.read_query(question.collection, &question.query) {
            Ok(query) => query,
            Err((code, why)) => return self.refuse(&message, code, &why),
        };
        let watcher = query
            .hub
            .world()
            .collections
            .watch(&query.hub, &query.topic);
        let subscription = Subscription { id, query, watcher };
        self.live
            .begin(subscription, Beginning { results, message });
    }

    pub(super) fn end_query(&mut self, id: u64) {
        self.live.end(id);
        self.say(sharedb::query_ended(id));
    }

    /// What a client asks for.
    fn read_query(&self, collection: String, query: &str) -> Result<Query, (Code, String)> {
        let filter = Filter::read(query)?;
        let Some(Own::Pass(pass)) = &self.guest.own else {
            return Err((Code::NotImplemented, NOT_DECIDED.to_owned()));
        };
        let world = self.hub.world();
        let projection = world.projections.get(&collection).cloned();
        let behind = projection
            .as_ref()
            .map_or(&*collection, |it| it.collection());
        let topic = sharedb::collection(&self.guest.workspace, behind)
            .map_err(|fault| (Code::MessageBadlyFormed, fault.to_string()))?;
        let good = world.auth.check_again(pass, Some(&topic));
        good.map_err(|refusal| {
            let reason = refusal.close_reason();
            (code(reason), close::text(reason).to_owned())
        })?;
        Ok(Query {
            hub: self.hub.clone(),
            pass: pass.clone(),
            collection,
            topic,
            projection,
            filter,
        })
    }
}

impl Filter {
    /// Reads a query.
    ///
    /// # Errors
    /// It asks for more than is served.
    pub(super) fn read(query: &str) -> Result<Self, (Code, String)> {
        let mut filter = Self {
            members: Vec::new(),
            skip: 0,
            limit: usize::MAX,
        };
        let query = Json::read(query).unwrap_or(Json::Null);
        let Some(members) = query.as_object() else {
            return Err(not_served());
        };
        for (name, value) in members.iter() {
            let count = value.as_count().and_then(|count| count.try_into().ok());
            match (name.to_string().as_str(), count) {
                ("$limit", Some(limit)) => filter.limit = limit,
                ("$skip", Some(skip)) => filter.skip = skip,
                (name, _) if name.starts_with('$') || name.contains('.') => {
                    return Err(not_served());
                }
                _ if has_operators(value) => return Err(not_served()),
                _ => filter.members.push((name.clone(), value.clone())),
            }
        }
        Ok(filter)
    }

    /// Whether a document is one of those that are asked for. A member that is null may as well be missing.
    pub(super) fn takes(&self, content: &Snapshot) -> bool {
        let holds = match content {
            Snapshot::Json0(json) => json.as_object(),
            _ => None,
        };
        self.members.iter().all(|(name, value)| {
            let held = holds.and_then(|object| object.get(name));
            held.unwrap_or(&Json::Null) == value
        })
    }

    /// Whether operations may have made a document one of those that are asked for, or one that is not.
    pub(super) fn is_touched_by(&self, records: &[Record]) -> bool {
        records.iter().any(|record| match &record.action {
            Action::Create { .. } | Action::Delete => true,
            Action::Edit { .. } => !self.members.is_empty() && self.is_touched(&record.action),
        })
    }

    /// Components without a path to a member at the top are of documents that have none, or touch all of them.
    fn is_touched(&self, edit: &Action) -> bool {
        let edit = edit.committed().and_then(|edit| Json::read(edit).ok());
        let touches = |component: &Json| {
            let path = component.as_object().and_then(|it| it.get(&"p".into()));
            let first = path.and_then(Json::as_array).and_then(<[Json]>::first);
            let name = first.and_then(Json::as_text);
            name.is_none_or(|name| self.members.iter().any(|(member, _)| member == name))
        };
        let components = edit.as_ref().and_then(Json::as_array);
        components.is_none_or(|components| components.iter().any(touches))
    }
}

fn has_operators(value: &Json) -> bool {
    let mut names = value.as_object().into_iter().flat_map(|it| it.iter());
    names.any(|(name, _)| name.to_string().starts_with('$'))
}

fn not_served() -> (Code, String) {
    (Code::NotImplemented, NOT_SERVED.to_owned())
}

const NOT_SERVED: &str = "Queries ask for all documents of a collection, or for values of members at the top, with $skip \
    and $limit.";
const NOT_DECIDED: &str =
    "Queries are not answered where an application decides who may read each document.";
/// The longest message that subscribes to a query: as much is kept of it until it is answered.
const SUBSCRIPTION_BYTES_MAX: usize = 1024 * 1024;
const TOO_MANY_QUERIES: &str =
    "More than 64 queries are subscribed to on one connection, or in more than 1 MiB.";

#[cfg(test)]
mod tests {
    use engine::ordered::OperationName;
    use engine::ot::OtType;

    use super::*;

    fn takes(query: &str, data: &str) -> bool {
        let content = Snapshot::create(OtType::Json0, Some(data)).unwrap();
        Filter::read(query).unwrap().takes(&content)
    }

    #[test]
    fn documents_are_taken_by_their_members() {
        let data = r#"{"a":1,"b":{"c":"é","d":[2]}}"#;
        assert!(takes("{}", data) && takes("{}", "7"));
        assert!(takes(r#"{"a":1}"#, data) && !takes(r#"{"a":2}"#, data));
        assert!(takes(r#"{"b":{"d":[2],"c":"\u00e9"},"a":1}"#, data));
        assert!(takes(r#"{"e":null}"#, data) && !takes(r#"{"a":null}"#, data));
        assert!(!takes(r#"{"a":1}"#, "7"));
    }

    #[test]
    fn operations_touch_a_query_where_they_reach_what_it_goes_by() {
        let touches = |query: &str, action: Action| {
            let record = Record {
                version: 1,
                made_on: Some(1),
                name: OperationName {
                    source: "me".into(),
                    number: 1,
                },
                action,
            };
            Filter::read(query).unwrap().is_touched_by(&[record])
        };
        let edit = |committed: &str| Action::Edit {
            received: "[]".into(),
            committed: Some(committed.into()),
        };
        for (touching, is_touched) in [
            (r#"[{"p":["b"],"na":1},{"p":["a","x",0],"li":1}]"#, true),
            (r#"[{"p":[],"oi":{}}]"#, true),
            (r#"[{"p":[0],"li":1}]"#, true),
            (r#"{"ops":[]}"#, true),
            (r#"[{"p":["b","a"],"oi":1}]"#, false),
            ("[]", false),
        ] {
            assert_eq!(
                touches(r#"{"a":1}"#, edit(touching)),
                is_touched,
                "{touching}"
            );
            assert!(!touches("{}", edit(touching)), "all are asked for");
        }
        assert!(touches("{}", Action::Delete));
    }

    #[test]
    fn what_is_not_served_is_refused() {
        for query in [
            "null",
            "[]",
            r#"{"$or":[]}"#,
            r#"{"a.b":1}"#,
            r#"{"a":{"$gt":1}}"#,
            r#"{"$limit":-1}"#,
        ] {
            let (code, _) = Filter::read(query).unwrap_err();
            assert_eq!(code, Code::NotImplemented, "{query}");
        }
        let filter = Filter::read(r#"{"$limit":2,"$skip":1}"#).unwrap();
        assert_eq!((filter.skip, filter.limit), (1, 2));
    }
}
