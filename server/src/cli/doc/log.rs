//! `quire doc log`: the changes of a document, oldest or newest first.

use engine::Order;
use storage::{Store, TimelinePage};

use crate::cli::args::LogArgs;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::http::api::model::Change;

pub(super) async fn run(args: &LogArgs) -> Result<(), Failure> {
    let (store, description) = super::find(&args.document).await?;
    let changes = gather(&*store, &description.document, args).await?;
    let head = ["ORDER", "CHANGE", "TIME", "AUTHOR", "UPDATES", "BYTES"];
    output::print_list(args.output, &changes, head, |change| {
        [
            change.order.to_string(),
            format!("{}.{}", change.replica, change.counter),
            change.time.clone(),
            change
                .author
                .as_deref()
                .map_or_else(|| "-".to_owned(), output::name),
            change
                .updates
                .map_or_else(|| "damaged".to_owned(), |updates| updates.to_string()),
            change.bytes.to_string(),
        ]
    })
}

/// Walks page by page and keeps only what is printed, so that a long history does not have to fit in memory at once.
async fn gather(
    store: &dyn Store,
    document: &engine::DocumentKey,
    args: &LogArgs,
) -> Result<Vec<Change>, Failure> {
    let wanted = args.limit.unwrap_or(usize::MAX);
    let mut changes: Vec<Change> = Vec::new();
    loop {
        let asked = PAGE.min(wanted - changes.len());
        let page = page(changes.last(), args.backward, asked);
        let found = store.timeline(document.clone(), page).await?;
        changes.extend(found.iter().map(Change::from));
        if found.len() < asked || asked == 0 {
            return Ok(changes);
        }
    }
}

fn page(last: Option<&Change>, backward: bool, limit: usize) -> TimelinePage {
    let order = last.map(|change| Order(change.order));
    if backward {
        TimelinePage::Before(order, limit)
    } else {
        TimelinePage::After(order.unwrap_or_default(), limit)
    }
}

const PAGE: usize = 1_000;
