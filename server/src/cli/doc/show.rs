//! `quire doc show`: what is known of a document without opening it.

use crate::cli::args::{Output, ShowArgs};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::http::api::model::Document;

pub(super) async fn run(args: &ShowArgs) -> Result<(), Failure> {
    let (_store, description) = super::find(&args.document).await?;
    let document = Document::from(description);
    match args.output {
        Output::Table => output::print(&output::table(["FIELD", "VALUE"], &rows(&document))),
        Output::Json | Output::Ndjson => output::print(&output::json(&document)),
    }
}

fn rows(document: &Document) -> Vec<[String; 2]> {
    let clock: Vec<_> = document
        .clock
        .iter()
        .map(|(replica, counter)| format!("{replica}.{counter}"))
        .collect();
    let rows = [
        ("workspace", output::name(&document.workspace)),
        ("name", output::name(&document.name)),
        ("kind", document.kind.to_owned()),
        ("created", document.created_at.clone()),
        (
            "changed",
            document
                .changed_at
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
        ),
        ("changes", document.changes.to_string()),
        ("clock", clock.join(" ")),
        (
            "deleted",
            if document.deleted { "yes" } else { "no" }.to_owned(),
        ),
    ];
    rows.map(|(field, value)| [field.to_owned(), value]).into()
}
