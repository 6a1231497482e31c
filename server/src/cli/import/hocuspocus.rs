//! `quire import hocuspocus`: the documents of Hocuspocus, each as the first change of a document that does not exist, by the
//! same compare as content of the application.

use engine::{Author, DocumentKey, Kind};
use protocol::preflight::Bounds;
use storage::{ForeignDocument, HocuspocusDatabase, StoreError};

use super::{AUTHOR, Item, Outcome, Place, Target, conclude, text};
use crate::cli::args::ImportHocuspocusArgs;
use crate::cli::failure::Failure;
use crate::clock::Clock;
use crate::founding::Founding;
use crate::serve::update_bounds;

pub(super) async fn run(args: ImportHocuspocusArgs) -> Result<(), Failure> {
    let config = Target::config(&args.target)?;
    let theirs = HocuspocusDatabase::open(&args.file).await?;
    let import = Import {
        bounds: update_bounds(&config),
        target: Target::open(config, args.target.dry_run).await?,
        workspace: args.target.workspace.clone(),
        prefix: args.prefix,
    };
    let items = import.all(&theirs).await;
    import.target.close().await?;
    conclude(&items?, &args.target)
}

struct Import {
    target: Target,
    workspace: String,
    prefix: String,
    bounds: Bounds,
}

impl Import {
    async fn all(&self, theirs: &HocuspocusDatabase) -> Result<Vec<Item>, Failure> {
        let (mut items, mut after) = (Vec::new(), None);
        while let Some(found) = theirs.next(after).await? {
            after = Some(found.row);
            items.push(self.one(found).await?);
        }
        Ok(items)
    }

    async fn one(&self, found: ForeignDocument) -> Result<Item, Failure> {
        let bytes = found.state.as_ref().map_or(0, bytes::Bytes::len);
        let name = found.name.clone();
        let document = name.map_or_else(
            || format!("row {}", found.row),
            |name| format!("{}{name}", self.prefix),
        );
        let (outcome, reason) = match self.founding(found) {
            Ok(founding) if founding.is_nothing() => (Outcome::Empty, None),
            Ok(founding) => self.store(&founding).await?,
            Err(reason) => (Outcome::Refused, Some(reason)),
        };
        Ok(Item {
            document,
            bytes,
            outcome,
            reason,
        })
    }

    async fn store(&self, founding: &Founding) -> Result<(Outcome, Option<String>), Failure> {
        match self.take(founding).await {
            Ok(()) => Ok((Outcome::Imported, None)),
            Err(StoreError::Exists) => Ok((Outcome::Exists, None)),
            Err(StoreError::Deleted) => Ok((Outcome::Deleted, None)),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn take(&self, founding: &Founding) -> Result<(), StoreError> {
        let document = founding.document.clone();
        match &self.target.place {
            Place::Store(store, replica) => {
                let change = founding.change(*replica, Clock::start().now());
                store.create_with(document, Kind::Yjs, vec![change]).await
            }
            Place::Nowhere(None) => Ok(()),
            Place::Nowhere(Some(store)) => match store.describe(document).await? {
                None => Ok(()),
                Some(found) if found.deleted_ms.is_some() => Err(StoreError::Deleted),
                Some(_) => Err(StoreError::Exists),
            },
        }
    }

    /// What a document is to begin with, if it can be taken.
    fn founding(&self, found: ForeignDocument) -> Result<Founding, String> {
        let name = found.name.ok_or("its name is not text")?;
        let name = format!("{}{name}", self.prefix);
        let update = found.state.ok_or("its data is not bytes")?;
        let document = DocumentKey::new(&self.workspace, &name).map_err(text)?;
        let founding = Founding {
            document,
            author: Author::new(AUTHOR),
            update,
        };
        let fit = founding.check(&self.bounds, self.target.config.limits.document_memory);
        fit.map(|()| founding).map_err(text)
    }
}
