//! Content at a place of the timeline, rebuilt from the log and written out in one of its forms.
//!
//! Rebuilding is work for the processor, so it runs on a thread of its own. It may run into a bug of a content library,
//! which becomes [`RenderError::Unbuildable`].

use std::str::FromStr;

use bytes::Bytes;
use engine::ot::OtType;
use engine::{Content, ContentError, DocumentKey, Kind, PayloadHash, StoredChange, history};
use storage::{Past, Store, StoreError, load_log};
use thiserror::Error;
use tracing::{error, warn};

use super::ordered;
use crate::breadcrumb::{Crumbs, Step};

/// The forms in which content can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Plain text, UTF-8.
    #[default]
    Text,
    /// JSON.
    Json,
    /// One update as a client of the document's kind would send it.
    Binary,
}

/// Content, written out.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The bytes.
    pub bytes: Bytes,
    /// How many changes it is made of.
    pub index: u64,
    /// What an ordered document is there; none if there is none, and for all others.
    pub ot_type: Option<OtType>,
}

/// Why there is no content to show.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log does not rebuild; the reason is in the server's log.
    #[error("content cannot be rebuilt from the stored changes")]
    Unbuildable,
    /// Content of this kind has no binary form.
    #[error("documents of kind {0} have no binary form; ask for text or json")]
    NotBinary(Kind),
    /// Content of this kind has no fields.
    #[error("documents of kind {0} have no fields; ask for the whole content")]
    NoFields(Kind),
}

impl FromStr for Format {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "binary" => Ok(Self::Binary),
            _ => Err(()),
        }
    }
}

impl Format {
    fn write(self, content: &Content, field: Option<&str>) -> Result<Bytes, ContentError> {
        match self {
            Self::Text => content.text(field).map(Bytes::from),
            Self::Json => content.json(field).map(|json| json.to_string().into()),
            Self::Binary => content.update(),
        }
    }
}

/// The content of a document after a change, or without any; of all fields or of one.
///
/// # Errors
/// The store failed, the content cannot be rebuilt, or content of this kind cannot be had in this form.
pub async fn render(
    store: &dyn Store,
    crumbs: &Crumbs,
    (document, kind): (&DocumentKey, Kind),
    last: Option<&StoredChange>,
    format: Format,
    field: Option<String>,
) -> Result<Rendered, RenderError> {
    if kind.is_ordered() {
        let (last, field) = (last.map(|last| last.order), field.as_deref());
        return ordered::render(store, kind, document, last, format, field).await;
    }
    let past = match last {
        Some(last) => {
            store
                .load_until(last.change.document.clone(), last.order)
                .await?
        }
        None => Past::default(),
    };
    let from_snapshot = past.snapshot.is_some();
    let apart = Apart {
        document: last.map(|last| last.change.document.clone()),
        kind,
        crumbs: crumbs.clone(),
    };
    match apart.rebuild(past, format, field.clone()).await {
        Ok(rendered) => Ok(rendered),
        Err(reason) => {
            let document = last.map(|last| &last.change.document);
            error!(
                ?document,
                reason, from_snapshot, "content cannot be rebuilt"
            );
            let last = last
                .filter(|_| from_snapshot)
                .ok_or(RenderError::Unbuildable)?;
            let log = load_log(store, &last.change.document, Some(last.order)).await?;
            let rendered = apart.rebuild(log, format, field).await;
            rendered.map_err(|_| RenderError::Unbuildable)
        }
    }
}

/// Rebuilds on a thread of its own, and leaves a crumb of it.
struct Apart {
    document: Option<DocumentKey>,
    kind: Kind,
    crumbs: Crumbs,
}

impl Apart {
    async fn rebuild(
        &self,
        past: Past,
        format: Format,
        field: Option<String>,
    ) -> Result<Rendered, String> {
        let (kind, document) = (self.kind, self.document.clone());
        let mut trail = self.crumbs.begin();
        let rebuilt = tokio::task::spawn_blocking(move || {
            if let Some(document) = &document {
                trail.leave(document, kind, &Step::Render);
            }
            rebuild(kind, &past, format, field.as_deref())
        });
        rebuilt.await.unwrap_or_else(|panic| Err(panic.to_string()))
    }
}

fn rebuild(
    kind: Kind,
    past: &Past,
    format: Format,
    field: Option<&str>,
) -> Result<Rendered, String> {
    let mut kept_out = past.quarantined.clone();
    let mut found = 0;
    let (replayed, bytes) = loop {
        let replayed = history::replay(kind, past.snapshot.as_ref(), &past.changes, &kept_out);
        let replayed = replayed.map_err(|error| error.to_string())?;
        let error = match format.write(&replayed.content, field) {
            Ok(bytes) => break (replayed, bytes),
            Err(error) => error,
        };
        // What was taken in before anybody looked at it is left out, as the document itself leaves it out.
        let culprit = replayed
            .content
            .culprit()
            .map(|payload| PayloadHash::of(payload));
        match culprit.filter(|_| found < CULPRITS_MAX) {
            Some(culprit) if kept_out.insert(culprit) => found += 1,
            _ => return Err(error.to_string()),
        }
    };
    let left_out = past.damaged + replayed.skipped as u64;
    if left_out > 0 {
        let document = past.changes.last().map(|stored| &stored.change.document);
        warn!(
            ?document,
            left_out, "content is shown without damaged changes"
        );
    }
    Ok(Rendered {
        bytes,
        index: past.heads.count(),
        ot_type: None,
    })
}

/// How many changes that make the library fail are looked for. Each is looked for in the whole document.
const CULPRITS_MAX: usize = 16;
