//! Operations in several ordered documents of a workspace: all of them are made, or none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{Capability, DocumentKey};

use super::caller::Caller;
use super::model::{Batch, BatchItem, NewBatch, NewBatchItem};
use super::operations::submission;
use super::request::{Body, WorkspaceName, WorkspacePath};
use crate::http::App;
use crate::http::problem::Problem;
use crate::ordered::{BatchError, Item, make};

/// Makes operations in several ordered documents, all of them or none, in one transaction. Takes `read` and `write` for each of
/// them.
///
/// The answer comes when all are stored. A problem with one of them is named by its place in the batch (`item`), and nothing was
/// done. A batch whose operations have a `source` and a `number` each can be sent again, however often.
#[utoipa::path(
    post,
    path = "/api/v1/workspaces/{workspace}/batch",
    operation_id = "makeBatch",
    security(("bearer" = ["read", "write"])),
    params(WorkspacePath),
    request_body = NewBatch,
    responses(
        (status = 200, description = "All are stored, and whoever has one of the documents open is told", body = Batch),
        (status = 400, description = "The body is not JSON"),
        (status = 409, description = "A document is not there, is there already, is at another version, or has another operation of the same name; or others were faster again and again"),
        (status = 410, description = "A document was deleted for good"),
        (status = 413, description = "The body is longer than 1 MiB"),
        (status = 415, description = "The body does not say that it is JSON"),
        (status = 422, description = "One is no operation of its document's type, does not fit it, or a field is missing or unknown"),
        (status = 503, description = "A document can not be read just now, or nobody knows whether the operations were made"),
    )
)]
pub(super) async fn run(
    State(app): State<Arc<App>>,
    caller: Caller,
    WorkspaceName(workspace): WorkspaceName,
    Body(new): Body<NewBatch>,
) -> Result<Json<Batch>, Problem> {
    caller.may_in(&workspace, Capability::Write)?;
    caller.may_in(&workspace, Capability::Read)?;
    let count = new.operations.len();
    if !(1..=ITEMS_MAX).contains(&count) {
        let detail = format!("operations has {count} items, expected 1 to {ITEMS_MAX}");
        return Err(Problem::unprocessable("invalid_batch", detail));
    }
    let items = new.operations.into_iter().enumerate();
    let items = items.map(|(index, new)| {
        read(&workspace, &caller, new).map_err(|problem| problem.of_item(index))
    });
    let items: Vec<_> = items.collect::<Result<_, _>>()?;
    let names: Vec<_> = items.iter().map(|item| item.document.clone()).collect();
    let _permit = app.rebuilds.acquire().await;
    let versions = make(&app.hub, caller.author(), items).await?;
    let items = names.into_iter().zip(versions);
    let items = items.map(|(document, version)| BatchItem {
        document: document.name().to_owned(),
        version,
    });
    Ok(Json(Batch {
        items: items.collect(),
    }))
}

fn read(workspace: &str, caller: &Caller, new: NewBatchItem) -> Result<Item, Problem> {
    let document = DocumentKey::new(workspace, &new.document)
        .map_err(|error| Problem::unprocessable("invalid_name", format!("document: {error}")))?;
    caller.may(&document, Capability::Write)?;
    caller.may(&document, Capability::Read)?;
    Ok(Item {
        document,
        submission: submission(new.into())?,
    })
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Refused { index, why } => Self::from(why).of_item(index),
            BatchError::NotOrdered { index, kind } => Self::not_ordered(kind).of_item(index),
            BatchError::Deleted { index } => Self::document_deleted().of_item(index),
            BatchError::Contended => Self::conflict(
                "batch_contended",
                "others edited one of the documents again and again while the batch was being made; send it again",
            ),
            BatchError::Unavailable => Self::document_unavailable(),
            BatchError::Unknown => Self::outcome_unknown(),
            BatchError::Store(error) => error.into(),
        }
    }
}

/// How many operations a batch may have.
const ITEMS_MAX: usize = 1_000;
