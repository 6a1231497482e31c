//! What pre-flight costs, against what yrs then spends on the same updates: it is to be less than a tenth.
//!
//! Each workload is checked and then taken in, update by update, several times over, and the best time of each counts, for
//! other work on the machine only ever makes them longer. It ends with an error if any is dearer than a tenth.
//!
//!     QUIRE_TRACES=… cargo bench -p quire-tests --bench preflight

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use protocol::preflight::{Bounds, check_update};
use quire_tests::editor::Editor;
use quire_tests::traces::{Trace, Typist};
use yrs::types::Attrs;
use yrs::{Any, Map, MapPrelim, MapRef, Text, WriteTxn, merge_updates_v1};

fn main() -> Result<()> {
    let keystrokes = keystrokes()?;
    let merged = merge_updates_v1(&keystrokes[..10_000])?;
    let whole = Editor::new(2);
    for update in &keystrokes[..WHOLE] {
        whole.apply(update)?;
    }
    let workloads = [
        ("keystrokes", keystrokes[..KEYSTROKES].to_vec()),
        ("10,000 keystrokes merged", vec![merged.into()]),
        ("a document of 100,000 keystrokes", vec![whole.everything()]),
        ("rich text", rich_text()),
        ("nested maps", nested_maps()),
    ];
    println!(
        "{:34} {:>8} {:>10} {:>10}  share",
        "", "bytes", "checked", "taken in"
    );
    let mut dearest: f64 = 0.0;
    for (name, updates) in &workloads {
        dearest = dearest.max(measure(name, updates)?);
    }
    ensure!(
        dearest < SHARE_MAX,
        "pre-flight takes {dearest:.3} of what yrs does"
    );
    Ok(())
}

/// Measures one workload, and returns which share of the time that yrs takes pre-flight does.
fn measure(name: &str, updates: &[Bytes]) -> Result<f64> {
    let (mut checked, mut taken) = (Duration::MAX, Duration::MAX);
    for _ in 0..REPETITIONS {
        checked = checked.min(check(updates)?);
        taken = taken.min(take_in(updates)?);
    }
    let bytes: usize = updates.iter().map(Bytes::len).sum();
    let share = checked.as_secs_f64() / taken.as_secs_f64();
    println!("{name:34} {bytes:8} {checked:>10.1?} {taken:>10.1?}  {share:.3}");
    Ok(share)
}

fn check(updates: &[Bytes]) -> Result<Duration> {
    let bounds = Bounds::default();
    let start = Instant::now();
    for update in updates {
        black_box(check_update(black_box(update), &bounds)?);
    }
    Ok(start.elapsed())
}

fn take_in(updates: &[Bytes]) -> Result<Duration> {
    let reader = Editor::new(1);
    let start = Instant::now();
    for update in updates {
        reader.apply(black_box(update))?;
    }
    Ok(start.elapsed())
}

/// The first keystrokes of a recorded session, each an update.
fn keystrokes() -> Result<Vec<Bytes>> {
    let path = Trace::path("automerge-paper");
    let trace = Trace::load(&path).with_context(|| format!("no trace in {}", path.display()))?;
    let (editor, mut typist) = (Editor::new(7), Typist::default());
    let few = trace.keystrokes.iter().take(WHOLE);
    Ok(few
        .map(|keystroke| typist.make(keystroke, &editor))
        .collect())
}

/// Somebody who types words and makes some of them bold.
fn rich_text() -> Vec<Bytes> {
    let editor = Editor::new(7);
    let word = |n: u32| {
        let typed = editor.append("seven l ");
        let bold: Attrs = HashMap::from([(Arc::from("bold"), Any::Bool(true))]);
        let marked = editor.edit(|txn| {
            let text = txn.get_or_insert_text("text");
            text.format(txn, n * 8, 5, bold);
        });
        [typed, marked]
    };
    (0..2_000).flat_map(word).collect()
}

/// Rows of a table, each a map of its own with a few cells.
fn nested_maps() -> Vec<Bytes> {
    let editor = Editor::new(7);
    let row = |n: u32| {
        editor.edit(|txn| {
            let rows = txn.get_or_insert_map("map");
            let row: MapRef = rows.insert(txn, n.to_string(), MapPrelim::default());
            row.insert(txn, "title", format!("row {n}"));
            row.insert(txn, "done", n.is_multiple_of(2));
            row.insert(txn, "weight", f64::from(n) / 3.0);
        })
    };
    (0..4_000).map(row).collect()
}

const KEYSTROKES: usize = 20_000;
const WHOLE: usize = 100_000;
const REPETITIONS: usize = 9;
const SHARE_MAX: f64 = 0.1;
