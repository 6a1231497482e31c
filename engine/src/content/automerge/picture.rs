//! The library's document, made of the changes when somebody wants to see it.
//!
//! To apply a change costs as much as the object is large that it touches, and a hundred at once cost about as much as one.
//! So nothing is applied until text, JSON or a state is asked for, and then all at once. The document is a cache: it can
//! be let go at any time. A change that makes the library fail is found by halving.

use std::sync::{Mutex, PoisonError};

use automerge::{Automerge, ChangeHash, LoadOptions, TextEncoding};
use bytes::Bytes;

use super::graph::Graph;
use crate::content::{ContentError, alone};
use crate::sabotage::{self, Trap};

/// A document that shows some of the changes.
#[derive(Default)]
pub(super) struct Picture {
    drawn: Mutex<Option<Drawn>>,
    /// A saved document that holds the first so many changes.
    saved: Option<(Bytes, usize)>,
    /// Another one, which is not proved yet.
    offered: Option<(Bytes, usize)>,
}

#[derive(Clone)]
struct Drawn {
    doc: Automerge,
    /// How many changes it shows.
    shows: usize,
}

type Look<'a> = &'a dyn Fn(&Automerge) -> Result<(), ContentError>;

/// Why there is nothing to see.
pub(super) struct Failure {
    pub(super) error: ContentError,
    /// The change that is to blame, if one is.
    pub(super) culprit: Option<u32>,
}

impl Picture {
    /// Shows the document that all changes come to.
    pub(super) fn show<R>(
        &self,
        graph: &Graph,
        look: impl Fn(&Automerge) -> Result<R, ContentError>,
    ) -> Result<R, Failure> {
        let mut place = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = place.take();
        let seen = alone(|| {
            let drawn = before.map_or_else(|| self.begin(), Ok)?;
            let drawn = drawn.go_on(graph, graph.len())?;
            let seen = look(&drawn.doc)?;
            Ok((drawn, seen))
        });
        let seen = seen.or_else(|error| {
            let drawn = self.search(graph, &|doc| look(doc).map(drop));
            let drawn = drawn.map_err(|culprit| Failure { error, culprit })?;
            let seen = alone(|| look(&drawn.doc));
            seen.map(|seen| (drawn, seen)).map_err(Failure::of_nobody)
        });
        let (drawn, seen) = seen?;
        *place = Some(drawn);
        Ok(seen)
    }

    /// Begins anew with a saved document, which holds the first so many changes.
    pub(super) fn begin_with(&mut self, saved: Bytes, changes: usize, doc: Option<Automerge>) {
        self.saved = Some((saved, changes));
        self.offered = None;
        let drawn = doc.map(|doc| Drawn {
            doc,
            shows: changes,
        });
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = drawn;
    }

    /// Keeps a saved document, which holds the first so many changes, until it is known whether it is one.
    pub(super) fn offer(&mut self, saved: Bytes, changes: usize) {
        self.offered = Some((saved, changes));
    }

    /// What was kept so is a document, or is to be forgotten.
    pub(super) fn settle_offer(&mut self, is_proved: bool) {
        let offered = self.offered.take().filter(|_| is_proved);
        self.saved = offered.or_else(|| self.saved.take());
    }

    /// The saved document, and how many changes it holds.
    pub(super) fn saved(&self) -> Option<(&Bytes, usize)> {
        let saved = self.saved.as_ref();
        saved.map(|(saved, changes)| (saved, *changes))
    }

    /// Lets the document go, until somebody wants to see it again.
    pub(super) fn let_go(&self) {
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether there is a document to let go.
    pub(super) fn is_drawn(&self) -> bool {
        let drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.is_some()
    }

    fn begin(&self) -> Result<Drawn, ContentError> {
        Ok(match &self.saved {
            None => Drawn {
                doc: Automerge::new_with_encoding(UNITS),
                shows: 0,
            },
            Some((saved, changes)) => Drawn {
                doc: load(saved)?,
                shows: *changes,
            },
        })
    }

    /// The document, made bit by bit because it could not be made at once; or the change that is to blame, if one is.
    ///
    /// What fails among others may do no harm by itself. Then the search goes on behind it, but not for ever.
    fn search(&self, graph: &Graph, look: Look<'_>) -> Result<Drawn, Option<u32>> {
        let mut good = alone(|| {
            let drawn = self.begin()?;
            look(&drawn.doc)?;
            Ok(drawn)
        });
        let good = good.as_mut().map_err(|_| None)?;
        for _ in 0..SEARCHES_MAX {
            let mut bad = graph.len();
            while bad > good.shows + 1 {
                let middle = usize::midpoint(good.shows, bad);
                match good.tried(graph, middle, look) {
                    Ok(drawn) => *good = drawn,
                    Err(_) => bad = middle,
                }
            }
            let tried = good.tried(graph, bad, look);
            *good = tried.map_err(|_| Some(good.shows as u32))?;
            if let Ok(whole) = good.tried(graph, graph.len(), look) {
                return Ok(whole);
            }
        }
        Err(Some(good.shows as u32))
    }
}

impl Failure {
    fn of_nobody(error: ContentError) -> Self {
        Self {
            error,
            culprit: None,
        }
    }
}

impl Drawn {
    /// A copy that goes on and can be looked at.
    fn tried(&self, graph: &Graph, through: usize, look: Look<'_>) -> Result<Self, ContentError> {
        alone(|| {
            let drawn = self.clone().go_on(graph, through)?;
            look(&drawn.doc)?;
            Ok(drawn)
        })
    }

    fn go_on(mut self, graph: &Graph, through: usize) -> Result<Self, ContentError> {
        let missing = through - self.shows;
        let mut changes = Vec::with_capacity(missing);
        for raw in graph.raws_from(self.shows).take(missing) {
            let raw = raw.ok_or_else(|| contradiction("a change is nowhere"))?;
            sabotage::spring(Trap::Integrate, raw.bytes())?;
            changes.push(raw.change()?);
        }
        if !changes.is_empty() {
            let applied = self.doc.apply_changes(changes);
            applied.map_err(|error| contradiction(&error.to_string()))?;
        }
        self.shows = through;
        if through == graph.len() && !are_same(self.doc.get_heads(), graph.heads()) {
            return Err(contradiction("the document has other heads"));
        }
        Ok(self)
    }
}

/// Reads a saved document, and proves that the hashes of its changes are right.
///
/// # Errors
/// It is not a document, or a damaged one.
pub(super) fn load(saved: &[u8]) -> Result<Automerge, ContentError> {
    let options = LoadOptions::new().text_encoding(UNITS);
    Automerge::load_with_options(saved, options)
        .map_err(|error| ContentError::Undecodable(error.to_string()))
}

/// Whether some heads are those of a graph, which has them in order.
pub(super) fn are_same<'a>(
    mut heads: Vec<ChangeHash>,
    of_graph: impl Iterator<Item = &'a ChangeHash>,
) -> bool {
    heads.sort_unstable();
    heads.iter().eq(of_graph)
}

fn contradiction(why: &str) -> ContentError {
    ContentError::Contradiction(why.to_owned())
}

/// Positions in texts count as in JavaScript.
const UNITS: TextEncoding = TextEncoding::Utf16CodeUnit;
/// How often the search for a culprit goes on behind one that does no harm by itself.
const SEARCHES_MAX: usize = 16;
