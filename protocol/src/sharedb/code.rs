//! The codes of refusals, and their words. Applications compare them, so they are spelled as ShareDB spells them (`lib/error.js`), but for
//! what it knows nothing of: rights, bounds, and kinds of documents.

use engine::ordered::Misplaced;
use engine::ot::{Flaw, OtError};

use super::Fault;

/// Why a request is refused, in a word that applications know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A message is not of its form.
    MessageBadlyFormed,
    /// An operation is not of its form.
    OperationBadlyFormed,
    /// An operation does not fit the document.
    OperationNotApplied,
    /// There is such a document already.
    DocumentAlreadyCreated,
    /// There is no such document.
    DocumentDoesNotExist,
    /// The document was deleted meanwhile.
    DocumentWasDeleted,
    /// A type is not served.
    TypeNotRecognized,
    /// A version is named that there is not yet.
    VersionNewer,
    /// What came since is not kept, or too much.
    OperationsNotFound,
    /// An operation changes nothing, and was not committed.
    NoOperation,
    /// A connection has no number left for its operations.
    SequenceOverflow,
    /// The token does not allow it.
    Forbidden,
    /// There is no token that is good for the document, or not any more.
    Unauthorized,
    /// There are as many of something as may be.
    TooMany,
    /// It can not be had just now.
    Unavailable,
    /// The document is not of the kind that these clients edit.
    WrongKind,
    /// Cursors in documents of this type are not transformed.
    NoPresence,
    /// Queries of this kind are not answered.
    NotImplemented,
    /// An operation changes what a projection does not show.
    NotInProjection,
    /// Documents of this type have no projections.
    NotProjected,
}

impl Code {
    /// The code as it is sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageBadlyFormed => "ERR_MESSAGE_BADLY_FORMED",
            Self::OperationBadlyFormed => "ERR_OT_OP_BADLY_FORMED",
            Self::OperationNotApplied => "ERR_OT_OP_NOT_APPLIED",
            Self::DocumentAlreadyCreated => "ERR_DOC_ALREADY_CREATED",
            Self::DocumentDoesNotExist => "ERR_DOC_DOES_NOT_EXIST",
            Self::DocumentWasDeleted => "ERR_DOC_WAS_DELETED",
            Self::TypeNotRecognized => "ERR_DOC_TYPE_NOT_RECOGNIZED",
            Self::VersionNewer => "ERR_OP_VERSION_NEWER_THAN_CURRENT_SNAPSHOT",
            Self::OperationsNotFound => "ERR_SUBMIT_TRANSFORM_OPS_NOT_FOUND",
            Self::NoOperation => "ERR_NO_OP",
            Self::SequenceOverflow => "ERR_CONNECTION_SEQ_INTEGER_OVERFLOW",
            Self::Forbidden => "ERR_FORBIDDEN",
            Self::Unauthorized => "ERR_UNAUTHORIZED",
            Self::TooMany => "ERR_TOO_MANY",
            Self::Unavailable => "ERR_UNAVAILABLE",
            Self::WrongKind => "ERR_WRONG_KIND",
            Self::NoPresence => "ERR_TYPE_DOES_NOT_SUPPORT_PRESENCE",
            Self::NotImplemented => "ERR_DATABASE_METHOD_NOT_IMPLEMENTED",
            Self::NotInProjection => "ERR_OP_NOT_ALLOWED_IN_PROJECTION",
            Self::NotProjected => "ERR_TYPE_CANNOT_BE_PROJECTED",
        }
    }
}

impl From<&Fault> for Code {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::NotAnObject | Fault::BadlyFormed(_) => Self::MessageBadlyFormed,
            Fault::BadOperation(_) => Self::OperationBadlyFormed,
            Fault::UnknownType => Self::TypeNotRecognized,
            Fault::LastNumber => Self::SequenceOverflow,
        }
    }
}

/// Why an operation is refused, in ShareDB's words where it has some (`lib/ot.js`), as applications may compare those too.
pub fn words(why: &Misplaced) -> String {
    let flaw = match why {
        Misplaced::Unfit(OtError::Malformed(fault)) => fault.flaw(),
        _ => None,
    };
    match flaw {
        Some(Flaw::NoList) => "json0 op must be an array".to_owned(),
        Some(Flaw::NoPath) => "Missing path".to_owned(),
        Some(Flaw::BadStep) => "Invalid path segment".to_owned(),
        None => why.to_string(),
    }
}

impl From<&Misplaced> for Code {
    fn from(why: &Misplaced) -> Self {
        match why {
            Misplaced::NotThere => Self::DocumentDoesNotExist,
            Misplaced::Exists => Self::DocumentAlreadyCreated,
            Misplaced::WasDeleted => Self::DocumentWasDeleted,
            Misplaced::Ahead { .. } => Self::VersionNewer,
            Misplaced::NoVersion | Misplaced::NameTaken => Self::OperationBadlyFormed,
            Misplaced::Behind { .. } => Self::OperationsNotFound,
            Misplaced::Nothing => Self::NoOperation,
            Misplaced::Unfit(OtError::NotJson { .. } | OtError::Malformed(_)) => {
                Self::OperationBadlyFormed
            }
            Misplaced::Unfit(_) => Self::OperationNotApplied,
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::ot::{Operation, OtType};

    use super::*;

    #[test]
    fn what_sharedb_has_words_for_is_told_in_these() {
        let told = |edit: &str| {
            let fault = Operation::read(OtType::Json0, edit).unwrap_err();
            words(&Misplaced::Unfit(fault))
        };
        assert_eq!(told(r#"{"0":{"p":[]}}"#), "json0 op must be an array");
        for edit in ["[null]", "[{}]", r#"[{"p":7}]"#] {
            assert_eq!(told(edit), "Missing path", "{edit}");
        }
        for step in [r#""__proto__""#, r#"["a"]"#, "-1"] {
            let edit = format!(r#"[{{"p":["a",{step}],"oi":1}}]"#);
            assert_eq!(told(&edit), "Invalid path segment", "{edit}");
        }
        let several = r#"[{"p":["a"],"oi":1,"na":1}]"#;
        assert!(told(several).contains("op[0] has several edits"));
    }
}
