//! Recorded typing sessions (josephg/editing-traces, CC BY 4.0), which live outside of the project.
//!
//! `QUIRE_TRACES` names their folder; without it, `../shared/data/editing-traces` beside the workspace is looked at. Each
//! file is gzipped JSON; places and lengths count code points.

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::editor::Editor;
use crate::server::workspace;

/// A typing session of one author that began with an empty document.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What was typed, one keystroke after the other.
    pub keystrokes: Vec<Vec<Patch>>,
    /// What the text was in the end.
    pub end: String,
}

/// A replacement at one place, in code points.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Where.
    pub at: usize,
    /// How many were erased there.
    pub erased: usize,
    /// What was typed there.
    pub typed: String,
}

/// Types a trace into an editor, which counts UTF-16 units and not code points.
#[derive(Debug, Default)]
pub struct Typist {
    text: Vec<char>,
    /// Whether a character was typed that has two UTF-16 units; until then nothing needs to be counted.
    wide: bool,
}

impl Trace {
    /// Where a trace is looked for.
    pub fn path(name: &str) -> PathBuf {
        let beside = || workspace().join("../shared/data/editing-traces");
        env::var_os("QUIRE_TRACES")
            .map_or_else(beside, PathBuf::from)
            .join(format!("{name}.json.gz"))
    }

    /// Reads a trace.
    ///
    /// # Errors
    /// It is not there, or is not a trace.
    pub fn load(path: &Path) -> Result<Self> {
        let mut json = Vec::new();
        GzDecoder::new(File::open(path)?).read_to_end(&mut json)?;
        let value: Value = serde_json::from_slice(&json)?;
        let keystrokes = value["txns"].as_array().context("a trace has txns")?;
        Ok(Self {
            keystrokes: keystrokes
                .iter()
                .map(keystroke)
                .collect::<Option<_>>()
                .context("patches have three parts")?,
            end: value["endContent"]
                .as_str()
                .context("a trace has endContent")?
                .to_owned(),
        })
    }

    /// The text after so many keystrokes.
    pub fn text_after(&self, keystrokes: usize) -> String {
        let mut typist = Typist::default();
        self.keystrokes[..keystrokes]
            .iter()
            .flatten()
            .for_each(|patch| typist.note(patch));
        typist.text.iter().collect()
    }
}

impl Typist {
    /// Makes one keystroke in the editor, and returns its update.
    pub fn make(&mut self, keystroke: &[Patch], editor: &Editor) -> bytes::Bytes {
        let patches = keystroke.iter().map(|patch| {
            let (at, erased) = self.in_utf16(patch);
            self.note(patch);
            (at, erased, patch.typed.as_str())
        });
        let patches: Vec<_> = patches.collect();
        editor.replace_all(patches)
    }

    fn in_utf16(&self, patch: &Patch) -> (u32, u32) {
        if !self.wide {
            return (patch.at as u32, patch.erased as u32);
        }
        let units = |chars: &[char]| chars.iter().map(|char| char.len_utf16() as u32).sum();
        let (before, rest) = self.text.split_at(patch.at);
        (units(before), units(&rest[..patch.erased]))
    }

    fn note(&mut self, patch: &Patch) {
        self.wide |= patch.typed.chars().any(|char| char.len_utf16() > 1);
        self.text
            .splice(patch.at..patch.at + patch.erased, patch.typed.chars());
    }
}

fn keystroke(txn: &Value) -> Option<Vec<Patch>> {
    txn["patches"].as_array()?.iter().map(patch).collect()
}

fn patch(patch: &Value) -> Option<Patch> {
    Some(Patch {
        at: usize::try_from(patch[0].as_u64()?).ok()?,
        erased: usize::try_from(patch[1].as_u64()?).ok()?,
        typed: patch[2].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_code_points() {
        let patch = |at, erased, typed: &str| {
            vec![Patch {
                at,
                erased,
                typed: typed.to_owned(),
            }]
        };
        let keystrokes = vec![
            patch(0, 0, "a😀b"),
            patch(2, 1, "é"),
            patch(1, 1, ""),
            patch(2, 0, "!"),
        ];
        let trace = Trace {
            keystrokes,
            end: "aé!".to_owned(),
        };
        let (editor, mut typist) = (Editor::new(1), Typist::default());
        for (index, keystroke) in trace.keystrokes.iter().enumerate() {
            typist.make(keystroke, &editor);
            assert_eq!(editor.text(), trace.text_after(index + 1));
        }
        assert_eq!(editor.text(), trace.end);
    }
}
