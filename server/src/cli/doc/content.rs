//! `quire doc cat` and `quire doc export`: content, now or at any place of the timeline. The bytes are the API's.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use bytes::Bytes;

use crate::breadcrumb::Crumbs;
use crate::cli::args::{CatArgs, ContentArgs, DocumentArgs, ExportArgs};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::place::{Format, render};

pub(super) async fn cat(args: CatArgs) -> Result<(), Failure> {
    let content = content(&args.document, args.content, args.format.into()).await?;
    if !output::is_terminal() {
        return output::print_bytes(&content);
    }
    let text = output::harmless(&String::from_utf8_lossy(&content));
    output::print(&if text.ends_with('\n') {
        text
    } else {
        text + "\n"
    })
}

pub(super) async fn export(args: ExportArgs) -> Result<(), Failure> {
    if args.output.is_none() && output::is_terminal() {
        let sentence = "content is not exported to a terminal; name a file with --output, or use `quire doc cat`";
        return Err(Failure::usage(sentence));
    }
    let content = content(&args.document, args.content, args.format.into()).await?;
    match &args.output {
        Some(path) => write_file(path, &content).map_err(|error| not_written(path, &error)),
        None => output::print_bytes(&content),
    }
}

async fn content(
    document: &DocumentArgs,
    args: ContentArgs,
    format: Format,
) -> Result<Bytes, Failure> {
    let (store, description) = super::find(document).await?;
    let at = args.at.unwrap_or_default();
    let last = at.find(&*store, &description.document).await?;
    // If this command dies, the server does not.
    let (crumbs, of) = (Crumbs::none(), (&description.document, description.kind));
    let rendered = render(&*store, &crumbs, of, last.as_ref(), format, args.field).await?;
    Ok(rendered.bytes)
}

pub(super) fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(content)?;
    file.sync_all()
}

pub(super) fn not_written(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::AlreadyExists => Failure::failed(format!(
            "{path} exists; name another file, or remove it first"
        )),
        _ => Failure::failed(format!("cannot write {path}: {error}")),
    }
}
