//! How people name a document: by its name, or an Automerge document by its address (`automerge:4NMN…`).
//!
//! An address that is whole names the document of that id; its checksum keeps other names from being taken for one. One that
//! names heads besides means a version, not a document, and is a name like any other.

use engine::{DocumentKey, NameError};
use protocol::automerge::{DocumentId, of_url};

/// The document that somebody names.
///
/// # Errors
/// One of the names is not allowed.
pub(crate) fn named(workspace: &str, name: &str) -> Result<DocumentKey, NameError> {
    match of_url(name) {
        Ok((id, heads)) if heads.is_empty() => DocumentKey::new(workspace, &id.to_string()),
        _ => DocumentKey::new(workspace, name),
    }
}

/// Whether a document's name is one that clients of automerge-repo can ask for: the text of an id.
pub(crate) fn is_automerge_id(name: &str) -> bool {
    DocumentId::of_text(name).is_ok_and(|id| id.to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";

    #[test]
    fn an_address_names_the_document_of_its_id_and_nothing_else_does() {
        let name = |name: &str| named("team", name).unwrap().name().to_owned();
        assert_eq!(name(&format!("automerge:{ID}")), ID);
        let head = protocol::automerge::ChangeHash([1; 32]).to_text();
        for other in [
            ID.to_owned(),
            "automerge:notes".to_owned(),
            format!("automerge:{ID}x"),
            format!("automerge:{ID}#{head}"),
            format!("automerge%3A{ID}"),
        ] {
            assert_eq!(name(&other), other);
        }
        assert!(named("team", "").is_err() && named("", ID).is_err());
    }

    #[test]
    fn ids_have_one_text() {
        assert!(is_automerge_id(ID));
        for other in ["notes", "0f8fad5b-d9cb-469f-a165-70867728950e", ""] {
            assert!(!is_automerge_id(other), "{other}");
        }
    }
}
