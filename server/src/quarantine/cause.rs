//! Why a payload is kept out, in a word for logs and metrics.

/// How it was found out that a payload does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The library failed over an edit.
    Edit,
    /// The library failed over a stored change.
    Stored,
    /// The process before this one ended over it.
    Crash,
    /// A document was stuck over it.
    Stuck,
}

impl Cause {
    /// The cause's word in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Stored => "stored",
            Self::Crash => "crash",
            Self::Stuck => "stuck",
        }
    }
}
