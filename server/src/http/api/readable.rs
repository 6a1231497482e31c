//! The documents that somebody may read, among others that they may not.
//!
//! Pages are full however much is left out, and a cursor only ever names a document that was shown. Patterns that begin
//! with a text are looked up by it, so that a grant for a few documents costs a look at those few.

use engine::Capability;
use storage::{Description, DocumentQuery, Store, StoreError};

use super::caller::Caller;

/// Those documents of a workspace whose names begin in some way and which somebody may read.
pub(super) struct Readable<'a> {
    store: &'a dyn Store,
    caller: &'a Caller,
    workspace: &'a str,
    /// The ways in which their names begin, in order. None of them begins like another.
    beginnings: Vec<String>,
}

impl<'a> Readable<'a> {
    pub(super) fn new(
        store: &'a dyn Store,
        caller: &'a Caller,
        workspace: &'a str,
        prefix: &str,
    ) -> Self {
        let rules = caller.grant().rules_of(workspace, Capability::Read);
        let beginnings = rules.filter_map(|rule| joint(rule.document.beginning(), prefix));
        Self {
            store,
            caller,
            workspace,
            beginnings: apart(beginnings.map(str::to_owned).collect()),
        }
    }

    /// The next of them after a name, in the order of their names.
    pub(super) async fn after(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Description>, StoreError> {
        let mut found = Vec::new();
        let find = |description| {
            found.push(description);
            found.len() < limit
        };
        self.walk(after, limit, find).await?;
        Ok(found)
    }

    /// How many there are.
    pub(super) async fn count(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        let find = |_| {
            count += 1;
            true
        };
        self.walk(None, LOOK_MAX, find).await?;
        Ok(count)
    }

    /// Goes through them after a name, for as long as they are wanted. It looks at so many documents at first, and at more
    /// where few of those may be read.
    async fn walk(
        &self,
        after: Option<String>,
        look: usize,
        mut is_more_wanted: impl FnMut(Description) -> bool,
    ) -> Result<(), StoreError> {
        for prefix in &self.beginnings {
            let (mut after, mut look) = (after.clone(), look);
            loop {
                let looked = self.look(prefix, after, look).await?;
                let is_last = looked.len() < look;
                after = looked.last().map(|it| it.document.name().to_owned());
                for description in looked {
                    if self.caller.sees(&description.document, Capability::Read)
                        && !is_more_wanted(description)
                    {
                        return Ok(());
                    }
                }
                if is_last {
                    break;
                }
                look = (look * 2).min(LOOK_MAX);
            }
        }
        Ok(())
    }

    async fn look(
        &self,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Description>, StoreError> {
        let query = DocumentQuery {
            workspace: self.workspace.to_owned(),
            prefix: prefix.to_owned(),
            after,
            limit,
        };
        self.store.documents(query).await
    }
}

/// What names have to begin with to begin like both.
fn joint<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match () {
        () if one.starts_with(other) => Some(one),
        () if other.starts_with(one) => Some(other),
        () => None,
    }
}

/// The same names, in order and none twice.
fn apart(mut beginnings: Vec<String>) -> Vec<String> {
    beginnings.sort_unstable();
    let mut apart: Vec<String> = Vec::new();
    for beginning in beginnings {
        let known = apart
            .last()
            .is_some_and(|last| beginning.starts_with(last.as_str()));
        if !known {
            apart.push(beginning);
        }
    }
    apart
}

/// Documents looked at in one go.
const LOOK_MAX: usize = 1_000;

#[cfg(test)]
mod tests {
    use engine::{DocumentKey, Kind};
    use storage::MemoryStore;

    use super::*;

    async fn store(names: impl Iterator<Item = String>) -> MemoryStore {
        let store = MemoryStore::new();
        for name in names {
            let document = DocumentKey::new("team", &name).unwrap();
            store.create(document, Kind::Yjs).await.unwrap();
        }
        store
    }

    async fn listed(readable: &Readable<'_>, limit: usize) -> Vec<Vec<String>> {
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = readable.after(after, limit).await.unwrap();
            let page: Vec<_> = page
                .iter()
                .map(|it| it.document.name().to_owned())
                .collect();
            after = page.last().cloned();
            if page.is_empty() {
                return pages;
            }
            pages.push(page);
        }
    }

    #[tokio::test]
    async fn pages_are_full_however_much_is_left_out() {
        let store = store((0..2_500).map(|number| format!("{number:04}"))).await;
        let caller = Caller::with(&[("team", "*7", "read"), ("team", "24*", "read")]);
        let readable = Readable::new(&store, &caller, "team", "");
        let pages = listed(&readable, 100).await;
        assert!(pages[..3].iter().all(|page| page.len() == 100));
        let all: Vec<_> = (0..2_500)
            .map(|number| format!("{number:04}"))
            .filter(|name| name.ends_with('7') || name.starts_with("24"))
            .collect();
        assert_eq!(pages.concat(), all);
        assert_eq!(readable.count().await.unwrap(), all.len() as u64);
    }

    #[tokio::test]
    async fn only_what_may_be_read_and_begins_as_asked_is_found() {
        let names = ["a/1", "a/2", "b/1", "b/2", "c"].map(str::to_owned);
        let store = store(names.into_iter()).await;
        let rules = [
            ("team", "b/*", "read"),
            ("*", "a/2", "read"),
            ("team", "*", "write"),
        ];
        let caller = Caller::with(&rules);
        let all = Readable::new(&store, &caller, "team", "");
        assert_eq!(listed(&all, 2).await.concat(), ["a/2", "b/1", "b/2"]);
        let some = Readable::new(&store, &caller, "team", "b/2");
        assert_eq!(listed(&some, 9).await.concat(), ["b/2"]);
        let none = Readable::new(&store, &caller, "team", "c");
        assert_eq!(none.count().await.unwrap(), 0);
    }

    #[test]
    fn what_begins_like_another_is_not_looked_at_twice() {
        let all = ["b", "a/", "a/b", "", "b"].map(str::to_owned);
        assert_eq!(apart(all.to_vec()), [""]);
        assert_eq!(apart(all[..3].to_vec()), ["a/", "b"]);
        assert!(apart(Vec::new()).is_empty());
    }

    #[test]
    fn both_beginnings_are_kept_to() {
        assert_eq!(joint("a/", "a/b"), Some("a/b"));
        assert_eq!(joint("a/b", ""), Some("a/b"));
        assert_eq!(joint("a/", "b"), None);
    }
}
