//! How keys and channels are called: always so that no two different things are called the same, and so that all that
//! belongs to one document is in one slot of a Redis Cluster.
//!
//! A slot goes by what stands between the first `{` and the next `}`. There stand the workspace and the name, each behind
//! its length, so that `a:b` and `c` are never taken for `a` and `b:c`; a brace in a name may end that part early, but at the
//! same place for all of a document's names. Channels are the same for all databases of a server, so the number of the
//! database is in every name: two clusters that use two databases do not hear each other.

use engine::DocumentKey;

use crate::bus::Topic;

/// The names that one cluster of nodes uses.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    to_all: String,
    register: String,
}

impl Names {
    pub(super) fn of_database(number: i64) -> Self {
        let prefix = format!("quire:{number}:");
        Self {
            to_all: format!("{prefix}{{cluster}}:words"),
            register: format!("{prefix}{{cluster}}:nodes"),
            prefix,
        }
    }

    /// Where words are said that are for all nodes.
    pub(super) fn to_all(&self) -> &str {
        &self.to_all
    }

    /// Where words about a document are said.
    pub(super) fn channel(&self, document: &DocumentKey) -> String {
        self.of_document(document, "words")
    }

    pub(super) fn of_topic(&self, topic: &Topic) -> String {
        match topic {
            Topic::Document(document) => self.channel(document),
            Topic::Cluster => self.to_all.clone(),
        }
    }

    /// Where a document's snapshot is kept.
    pub(super) fn hot(&self, document: &DocumentKey) -> String {
        self.of_document(document, "hot")
    }

    /// The table of the nodes.
    pub(super) fn register(&self) -> &str {
        &self.register
    }

    /// The table of how many of something each node has.
    pub(super) fn count(&self, what: &str) -> String {
        let prefix = &self.prefix;
        format!("{prefix}{{{}:{what}}}:count", what.len())
    }

    fn of_document(&self, document: &DocumentKey, what: &str) -> String {
        let (workspace, name) = (document.workspace(), document.name());
        let prefix = &self.prefix;
        format!(
            "{prefix}{{{}:{workspace}/{}:{name}}}:{what}",
            workspace.len(),
            name.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// What decides on the slot.
    fn tag(name: &str) -> &str {
        let (_, after) = name.split_once('{').unwrap();
        after.split_once('}').unwrap().0
    }

    #[test]
    fn no_two_things_are_called_the_same() {
        let names = Names::of_database(0);
        let documents = [("a:b", "c"), ("a", "b:c"), ("a/1:b", "c"), ("a", "1:b/1:c")];
        let documents = documents.map(|(w, n)| DocumentKey::new(w, n).unwrap());
        let all = documents
            .iter()
            .flat_map(|it| [names.channel(it), names.hot(it)])
            .chain(["a:b", "1:b/1:c", "cluster"].map(|it| names.count(it)))
            .chain([names.to_all().to_owned(), names.register().to_owned()])
            .chain([Names::of_database(1).channel(&documents[0])]);
        let all: Vec<_> = all.collect();
        assert_eq!(
            all.iter().collect::<HashSet<_>>().len(),
            all.len(),
            "{all:?}"
        );
    }

    #[test]
    fn what_belongs_to_a_document_is_in_one_slot() {
        let names = Names::of_database(0);
        for (workspace, name) in [("w", "a"), ("}", "{"), ("{}", "}{"), ("a}b", "c")] {
            let document = DocumentKey::new(workspace, name).unwrap();
            let slot = tag(&names.channel(&document)).to_owned();
            assert_eq!(tag(&names.hot(&document)), slot);
            assert!(!slot.is_empty());
        }
    }
}
