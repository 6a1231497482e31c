//! Queries, as far as a store that has no index of what documents hold can answer them: all documents of a collection, or those
//! with certain values in members at the top. They are looked at one by one, so a collection may not be too large.

use engine::DocumentKey;
use engine::ordered::State;
use engine::ot::{Json, Snapshot, Utf16};
use protocol::sharedb::{self, Address, Code};
use storage::DocumentQuery;

use super::super::entering::Own;
use super::past::not_found;
use crate::auth::Pass;
use crate::hub::Hub;
use crate::place::state_at_version;

/// What documents are to have in common.
#[derive(Debug, PartialEq)]
pub(super) struct Filter {
    members: Vec<(Utf16, Json)>,
    skip: usize,
    limit: usize,
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
    fn takes(&self, content: &Snapshot) -> bool {
        let holds = match content {
            Snapshot::Json0(json) => json.as_object(),
            _ => None,
        };
        self.members.iter().all(|(name, value)| {
            let held = holds.and_then(|object| object.get(name));
            held.unwrap_or(&Json::Null) == value
        })
    }
}

fn has_operators(value: &Json) -> bool {
    let mut names = value.as_object().into_iter().flat_map(|it| it.iter());
    names.any(|(name, _)| name.to_string().starts_with('$'))
}

fn not_served() -> (Code, String) {
    (Code::NotImplemented, NOT_SERVED.to_owned())
}

/// Looks through a collection, and gives the answer to a query.
pub(super) async fn find(
    hub: Hub,
    own: Option<Own>,
    workspace: Box<str>,
    collection: String,
    filter: Filter,
) -> Result<Vec<(String, State)>, (Code, String)> {
    let Some(Own::Pass(pass)) = own else {
        return Err((Code::NotImplemented, NOT_DECIDED.to_owned()));
    };
    let mut found = Vec::new();
    let mut bytes = 0;
    for (document, version) in list(&hub, &workspace, &collection).await? {
        if !may_read(&hub, &pass, &document) {
            continue;
        }
        let state = state_at_version(&*hub.world().store, &document, version).await;
        let state = state.map_err(|error| not_found(&error))?;
        let Some(content) = state.content.as_ref().filter(|it| filter.takes(it)) else {
            continue;
        };
        bytes += content.weight();
        if bytes > FOUND_BYTES_MAX {
            return Err((Code::TooMany, TOO_MUCH.to_owned()));
        }
        found.push((Address::of(document.name()).id, state));
    }
    Ok(found
        .into_iter()
        .skip(filter.skip)
        .take(filter.limit)
        .collect())
}

/// The documents of a collection that are ordered, with their versions.
async fn list(
    hub: &Hub,
    workspace: &str,
    collection: &str,
) -> Result<Vec<(DocumentKey, u64)>, (Code, String)> {
    let query = DocumentQuery {
        workspace: workspace.to_owned(),
        prefix: sharedb::prefix(collection),
        after: None,
        limit: LOOKED_AT_MAX + 1,
    };
    let listed = hub.world().store.documents(query).await;
    let listed = listed.map_err(|error| not_found(&error.into()))?;
    if listed.len() > LOOKED_AT_MAX {
        return Err((Code::TooMany, TOO_MANY.to_owned()));
    }
    let ordered = listed.into_iter().filter(|it| it.kind.is_ordered());
    Ok(ordered.map(|it| (it.document, it.clock.count())).collect())
}

fn may_read(hub: &Hub, pass: &Pass, document: &DocumentKey) -> bool {
    let may = pass.check(document, engine::Capability::Read).is_ok();
    may && !hub.world().auth.is_revoked(pass, document)
}

/// Documents that are looked at for one query.
const LOOKED_AT_MAX: usize = 1_000;
/// What the documents may take up together that a query finds, about.
const FOUND_BYTES_MAX: usize = 16 * 1024 * 1024;
const TOO_MANY: &str =
    "The collection has more than 1000 documents, which are too many to look through.";
const TOO_MUCH: &str = "What is found takes up more than 16 MiB; ask for less with $limit.";
const NOT_SERVED: &str = "Queries ask for all documents of a collection, or for values of members at the top, with $skip \
    and $limit; and they are fetched, not subscribed to.";
const NOT_DECIDED: &str =
    "Queries are not answered where an application decides who may read each document.";

#[cfg(test)]
mod tests {
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
