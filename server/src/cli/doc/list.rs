//! `quire doc list`: the documents of a workspace by name.

use storage::{DocumentQuery, Store};

use crate::cli::args::ListArgs;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::http::api::model::Document;

pub(super) async fn run(args: ListArgs) -> Result<(), Failure> {
    let store = super::open(&args.data).await?;
    let query = DocumentQuery {
        workspace: args.workspace,
        prefix: args.prefix,
        after: None,
        limit: args.limit.unwrap_or(usize::MAX),
    };
    let documents = gather(&*store, query).await?;
    output::print_list(
        args.output,
        &documents,
        ["NAME", "KIND", "CHANGES", "CHANGED"],
        |document| {
            [
                output::name(&document.name),
                document.kind.to_owned(),
                document.changes.to_string(),
                document
                    .changed_at
                    .clone()
                    .unwrap_or_else(|| "never".to_owned()),
            ]
        },
    )
}

/// Asks page by page, so that no single answer of the store is without a bound.
async fn gather(store: &dyn Store, mut query: DocumentQuery) -> Result<Vec<Document>, Failure> {
    let wanted = query.limit;
    let mut documents: Vec<Document> = Vec::new();
    loop {
        query.limit = PAGE.min(wanted - documents.len());
        let asked = query.limit;
        let page = store.documents(query.clone()).await?;
        let is_last = page.len() < asked || asked == 0;
        documents.extend(page.into_iter().map(Document::from));
        if is_last {
            return Ok(documents);
        }
        query.after = documents.last().map(|document| document.name.clone());
    }
}

const PAGE: usize = 1_000;
