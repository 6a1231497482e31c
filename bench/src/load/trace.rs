//! Recorded typing sessions (josephg/editing-traces): gzipped JSON, places and lengths in characters.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;
use serde::Deserialize;

/// A session of one author that began with an empty document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    #[serde(rename = "txns")]
    pub(crate) keystrokes: Vec<Keystroke>,
    pub(crate) end_content: String,
}

/// What was done at once.
#[derive(Debug, Deserialize)]
pub(crate) struct Keystroke {
    pub(crate) patches: Vec<Patch>,
}

/// Where, how much was erased, and what was written there.
pub(crate) type Patch = (usize, usize, String);

impl Trace {
    /// Reads a session.
    ///
    /// # Errors
    /// It is not there, is none, or has more than ASCII, which this generator does not type.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let mut json = String::new();
        let file = File::open(path).with_context(|| format!("{}", path.display()))?;
        GzDecoder::new(file).read_to_string(&mut json)?;
        let trace: Self = serde_json::from_str(&json)?;
        let mut patches = trace
            .keystrokes
            .iter()
            .flat_map(|keystroke| &keystroke.patches);
        ensure!(
            patches.all(|(_, _, written)| written.is_ascii()),
            "{} has more than ASCII",
            path.display()
        );
        Ok(trace)
    }
}
