//! How a command fails: in one sentence, and with one of few exit codes that scripts can rely on.

use std::fmt;
use std::process::ExitCode;

use engine::NameError;
use storage::{ConnectError, OpenError, StoreError};

use crate::auth::keys::KeyFileError;
use crate::config::ConfigError;
use crate::place::{FindError, RenderError};
use crate::tls::TlsError;

/// A command that failed. A wrong argument is exit code 2, as the parser of arguments has it.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    sentence: String,
}

impl Failure {
    /// It did not work.
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self {
            code: 1,
            sentence: sentence.into(),
        }
    }

    /// It was asked for in a way that cannot work.
    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self {
            code: 2,
            sentence: sentence.into(),
        }
    }

    /// What it is about is not there.
    pub(super) fn not_found(sentence: impl Into<String>) -> Self {
        Self {
            code: 3,
            sentence: sentence.into(),
        }
    }

    /// It is not allowed.
    pub(super) fn denied(sentence: impl Into<String>) -> Self {
        Self {
            code: 4,
            sentence: sentence.into(),
        }
    }

    /// What opened wrongly has an exit code of its own, as has a certificate that cannot be used; all else has failed.
    pub(super) fn of_store(error: &anyhow::Error) -> Self {
        let sentence = format!("{error:#}");
        if error.is::<TlsError>() {
            return Self::usage(sentence);
        }
        match (error.downcast_ref(), error.downcast_ref()) {
            (Some(ConnectError::Unreachable { .. }), _) => Self::unreachable(sentence),
            (Some(ConnectError::Address(_)), _) => Self::usage(sentence),
            (_, Some(error @ OpenError::Missing { .. })) => {
                Self::not_found(format!("{error}; --data-dir names its folder"))
            }
            (_, Some(OpenError::Folder { .. } | OpenError::Database { .. })) => {
                Self::unreachable(sentence)
            }
            _ => Self::failed(sentence),
        }
    }

    /// The store, or the server that was to be asked, does not answer.
    pub(super) fn unreachable(sentence: impl Into<String>) -> Self {
        Self {
            code: 5,
            sentence: sentence.into(),
        }
    }

    /// What the process ends with.
    pub(super) fn exit_code(&self) -> ExitCode {
        self.code.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::unreachable(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        let sentence = error.to_string();
        match error {
            KeyFileError::Missing(_) => Self::not_found(format!(
                "{sentence}; `quire key list` shows those that there are"
            )),
            KeyFileError::BadId(_)
            | KeyFileError::NotMadeHere
            | KeyFileError::NotPublic
            | KeyFileError::Private
            | KeyFileError::ShortSecret(_) => Self::usage(sentence),
            _ => Self::failed(sentence),
        }
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(error) => error.into(),
            _ => Self::not_found(format!("{error}; `quire doc log` lists its changes")),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Store(error) => error.into(),
            RenderError::Unbuildable => Self::failed(error.to_string()),
            RenderError::NotBinary(_) | RenderError::NoFields(_) => Self::usage(error.to_string()),
        }
    }
}
