//! `quire doc quarantine`: what is kept out of documents: listed, shown, and let in again.

use std::sync::Arc;

use engine::{DocumentKey, PayloadHash};
use storage::{QuarantineEntry, QuarantineQuery, Store};

use super::content::{not_written, write_file};
use crate::cli::args::{
    DocumentArgs, Output, QuarantineArgs, QuarantineCommand, QuarantineForgetArgs,
    QuarantineListArgs, QuarantineShowArgs,
};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::Config;
use crate::http::api::model::Quarantined;
use crate::naming::named;
use crate::stores;

pub(super) async fn run(args: QuarantineArgs) -> Result<(), Failure> {
    match args.command {
        None => list(args.list).await,
        Some(QuarantineCommand::Show(args)) => show(args).await,
        Some(QuarantineCommand::Forget(args)) => forget(args).await,
    }
}

async fn list(args: QuarantineListArgs) -> Result<(), Failure> {
    let store = super::open(&args.data).await?;
    let document = args.name.map(|name| named(&args.workspace, &name));
    let document = document.transpose()?;
    let wanted = args.limit.unwrap_or(usize::MAX);
    let entries = gather(&*store, document, wanted).await?;
    let items: Vec<_> = entries.into_iter().map(Quarantined::from).collect();
    let head = [
        "HASH",
        "WORKSPACE",
        "DOCUMENT",
        "CHANGE",
        "AUTHOR",
        "BYTES",
        "SEEN",
        "REASON",
    ];
    output::print_list(args.output, &items, head, |item| {
        [
            item.hash[..HASH_SHOWN].to_owned(),
            output::name(&item.workspace),
            output::name(&item.document),
            change(item),
            author(item),
            item.bytes.to_string(),
            item.seen_at.clone(),
            output::harmless(&item.reason),
        ]
    })
}

/// Asks page by page, so that no single answer of the store is without a bound.
async fn gather(
    store: &dyn Store,
    document: Option<DocumentKey>,
    wanted: usize,
) -> Result<Vec<QuarantineEntry>, Failure> {
    let mut entries: Vec<QuarantineEntry> = Vec::new();
    loop {
        let query = QuarantineQuery {
            document: document.clone(),
            before: entries.last().map(|entry| entry.number),
            limit: PAGE.min(wanted - entries.len()),
        };
        let asked = query.limit;
        let page = store.quarantined(query).await?;
        let is_last = page.len() < asked || asked == 0;
        entries.extend(page);
        if is_last {
            return Ok(entries);
        }
    }
}

async fn show(args: QuarantineShowArgs) -> Result<(), Failure> {
    let (store, document, hash) = find(&args.document, &args.hash).await?;
    let entry = store.quarantined_payload(document, hash).await?;
    let entry = entry.ok_or_else(|| gone(&args.hash))?;
    if let Some(path) = &args.payload {
        let payload = &entry.quarantined.payload;
        write_file(path, payload).map_err(|error| not_written(path, &error))?;
        warn_if_cut(&entry);
    }
    let payload = entry.quarantined.payload.clone();
    let item = Quarantined::from(entry);
    match args.output {
        Output::Table => {
            output::print(&output::table(
                ["FIELD", "VALUE"],
                &rows(&item, payload.len()),
            ))?;
            output::print(&hex_dump(&payload))
        }
        Output::Json | Output::Ndjson => output::print(&output::json(&item)),
    }
}

fn warn_if_cut(entry: &QuarantineEntry) {
    let kept = entry.quarantined.payload.len();
    if (kept as u64) < entry.payload_bytes {
        let whole = entry.payload_bytes;
        output::warn(&format!("only {kept} of its {whole} bytes were kept"));
    }
}

fn rows(item: &Quarantined, kept: usize) -> Vec<[String; 2]> {
    let connection = item.connection.map_or_else(unknown, |id| id.to_string());
    let rows = [
        ("hash", item.hash.clone()),
        ("workspace", output::name(&item.workspace)),
        ("document", output::name(&item.document)),
        ("change", change(item)),
        ("author", author(item)),
        ("connection", connection),
        ("bytes", item.bytes.to_string()),
        ("kept", kept.to_string()),
        ("seen", item.seen_at.clone()),
        ("reason", output::harmless(&item.reason)),
    ];
    rows.map(|(field, value)| [field.to_owned(), value]).into()
}

/// The first bytes, sixteen a line.
fn hex_dump(payload: &[u8]) -> String {
    let shown = &payload[..payload.len().min(DUMPED_BYTES)];
    let line = |(at, bytes): (usize, &[u8])| {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{:08x}  {}\n", at * LINE_BYTES, digits.join(" "))
    };
    let mut dump: String = shown.chunks(LINE_BYTES).enumerate().map(line).collect();
    if shown.len() < payload.len() {
        dump += "…  --payload FILE writes all that is kept\n";
    }
    dump
}

async fn forget(args: QuarantineForgetArgs) -> Result<(), Failure> {
    let (_, document, hash) = find(&args.document, &args.hash).await?;
    let config = Config::load(&args.document.data.flags())?.config;
    let store = stores::open(&config)
        .await
        .map_err(|error| Failure::of_store(&error))?;
    let forgotten = store.forget_quarantined(document, hash).await;
    store.close().await?;
    if !forgotten? {
        return Err(gone(&args.hash));
    }
    output::print(&format!(
        "{hash} is forgotten; the document takes it again from the next time that it is opened\n"
    ))
}

/// The entry of a document whose hash begins so.
async fn find(
    args: &DocumentArgs,
    digits: &str,
) -> Result<(Arc<dyn Store>, DocumentKey, PayloadHash), Failure> {
    let document = named(&args.workspace, &args.name)?;
    if digits.len() < HASH_DIGITS_MIN || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "{digits:?} is not the beginning of a hash: at least {HASH_DIGITS_MIN} hexadecimal digits"
        )));
    }
    let store = super::open(&args.data).await?;
    let entries = gather(&*store, Some(document.clone()), usize::MAX).await?;
    let hashes = entries.iter().map(|entry| entry.quarantined.hash);
    let digits = digits.to_lowercase();
    let fitting: Vec<_> = hashes
        .filter(|it| it.to_string().starts_with(&digits))
        .collect();
    match fitting[..] {
        [hash] => Ok((store, document, hash)),
        [] => Err(gone(&digits)),
        _ => Err(Failure::usage(format!(
            "several hashes begin with {digits}; give more digits"
        ))),
    }
}

fn gone(digits: &str) -> Failure {
    Failure::not_found(format!(
        "nothing with the hash {digits} is quarantined for this document; `quire doc quarantine` lists all that is"
    ))
}

fn change(item: &Quarantined) -> String {
    let dot = item.replica.zip(item.counter);
    dot.map_or_else(unknown, |(replica, counter)| format!("{replica}.{counter}"))
}

fn author(item: &Quarantined) -> String {
    item.author.as_deref().map_or_else(unknown, output::name)
}

fn unknown() -> String {
    "-".to_owned()
}

const PAGE: usize = 1_000;
const HASH_SHOWN: usize = 16;
const HASH_DIGITS_MIN: usize = 4;
const LINE_BYTES: usize = 16;
const DUMPED_BYTES: usize = 256;
