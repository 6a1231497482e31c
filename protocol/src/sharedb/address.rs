//! How ShareDB's clients name a document, a collection and an id, and what it is called here: both as one name.
//!
//! The name is the collection, a slash, and the id as it is. In the collection a slash is written `%2F` and a percent sign
//! `%25`, so that each pair has one name. A document whose name has no slash can not be named by those clients.
//!
//! A channel of presence that is of no document has a name among documents too, `%channel/` and its own, by which rights to it
//! are given. No pair of a collection and an id has such a name.

use engine::{DocumentKey, NameError};

/// A collection and an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The collection.
    pub collection: String,
    /// The document's id within it.
    pub id: String,
}

impl Address {
    /// What names a document of this name.
    pub fn of(name: &str) -> Self {
        if let Some(channel) = name.strip_prefix(CHANNELS) {
            return Self::channel(channel);
        }
        let (collection, id) = name.split_once('/').unwrap_or(("", name));
        Self {
            collection: collection.replace("%2F", "/").replace("%25", "%"),
            id: id.to_owned(),
        }
    }

    /// A channel that is of no document.
    pub fn channel(name: &str) -> Self {
        Self {
            collection: NO_COLLECTION.to_owned(),
            id: name.to_owned(),
        }
    }

    /// Whether it is a channel, and no document.
    pub fn is_channel(&self) -> bool {
        self.collection == NO_COLLECTION
    }

    /// The channel in which people show themselves there.
    pub fn channel_name(&self) -> String {
        match self.is_channel() {
            true => self.id.clone(),
            false => format!("{}.{}", self.collection, self.id),
        }
    }

    /// The document of a workspace.
    ///
    /// # Errors
    /// No document can have such a name.
    pub fn document(&self, workspace: &str) -> Result<DocumentKey, NameError> {
        let prefix = match self.is_channel() {
            true => CHANNELS.to_owned(),
            false => prefix(&self.collection),
        };
        DocumentKey::new(workspace, &(prefix + &self.id))
    }
}

/// What the names of all documents of a collection begin with.
fn prefix(collection: &str) -> String {
    collection.replace('%', "%25").replace('/', "%2F") + "/"
}

/// What stands for a collection where something is said of all of it. No document of a collection has such a name.
///
/// # Errors
/// No collection can have that name.
pub fn collection(workspace: &str, name: &str) -> Result<DocumentKey, NameError> {
    let prefix = prefix(name);
    DocumentKey::new(
        workspace,
        &(COLLECTIONS.to_owned() + prefix.trim_end_matches('/')),
    )
}

/// The same for the collection that a document is in; none if it is in none.
pub fn collection_of(document: &DocumentKey) -> Option<DocumentKey> {
    let name = document.name();
    if name.starts_with(CHANNELS) {
        return None;
    }
    let (collection, _) = name.split_once('/')?;
    DocumentKey::new(document.workspace(), &(COLLECTIONS.to_owned() + collection)).ok()
}

/// What the names of all documents of a collection begin with, for what stands for it.
pub fn prefix_of(collection: &DocumentKey) -> String {
    let name = collection.name();
    name.strip_prefix(COLLECTIONS).unwrap_or(name).to_owned() + "/"
}

const COLLECTIONS: &str = "%collection/";

/// What the names of channels begin with. A percent sign of a collection is never followed by this.
const CHANNELS: &str = "%channel/";

/// Stands for the collection where there is none. No client can name it: names that begin so are refused when they are read.
pub(super) const NO_COLLECTION: &str = "\0";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_pair_has_a_name_of_its_own(collection in "[a%/2F5.]{0,6}", id in "[a%/2F5.]{1,6}") {
            let address = Address { collection, id };
            let document = address.document("team").unwrap();
            prop_assert_eq!(Address::of(document.name()), address);
        }

        #[test]
        fn a_document_is_in_the_collection_that_it_is_named_in(name in "[a%/2F5.]{0,6}", id in "[a%/2F5.]{1,6}") {
            let address = Address { collection: name.clone(), id };
            let document = address.document("team").unwrap();
            let own = collection("team", &name).unwrap();
            prop_assert!(document.name().starts_with(&prefix_of(&own)));
            prop_assert_eq!(collection_of(&document), Some(own));
        }

        #[test]
        fn no_document_has_the_name_of_a_channel(collection in "[%chanel/]{0,9}", id in "[a%/]{1,6}", name in "[a%/.]{1,6}") {
            let channel = Address::channel(&name);
            let key = channel.document("team").unwrap();
            prop_assert_eq!(&Address::of(key.name()), &channel);
            prop_assert!(channel.is_channel() && channel.channel_name() == name);
            prop_assert_ne!(Address { collection, id }.document("team").unwrap(), key);
        }
    }
}
