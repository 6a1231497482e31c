//! The type `text0`: text edited at positions, the way in which json0 edits the strings that it holds.
//!
//! An operation is a list of insertions and deletions, made one after the other; positions count UTF-16 cells, and a
//! deletion carries what it deletes. The type is not offered for documents, only within json0.

use super::pairwise::{self, Pairwise};
use super::utf16::Utf16;
use super::work::Work;
use super::{Json, Object, OtError, Side};

/// One insertion or deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The position, in cells.
    pub at: u64,
    /// Which of both.
    pub act: Act,
    /// What is inserted or deleted.
    pub text: Utf16,
}

/// What is done with text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is put in.
    Insert,
    /// It is taken out.
    Delete,
}

impl Splice {
    fn len(&self) -> u64 {
        self.text.len() as u64
    }

    fn end(&self) -> u64 {
        self.at + self.len()
    }

    /// The splice that undoes this one.
    pub(super) fn invert(&self) -> Self {
        Self {
            act: match self.act {
                Act::Insert => Act::Delete,
                Act::Delete => Act::Insert,
            },
            ..self.clone()
        }
    }

    /// Makes the splice.
    pub(super) fn apply(&self, text: &mut Utf16, work: &mut Work) -> Result<(), OtError> {
        work.carry(text.len() + self.text.len())?;
        let at = usize::try_from(self.at)
            .ok()
            .filter(|at| *at <= text.len())
            .ok_or_else(|| {
                let length = text.len();
                OtError::refused(format!(
                    "is at position {} of a string that is {length} long",
                    self.at
                ))
            })?;
        match self.act {
            Act::Insert => text.insert(at, self.text.cells()),
            Act::Delete => {
                let end = at + self.text.len();
                if text.cells().get(at..end) != Some(self.text.cells()) {
                    return Err(OtError::refused(format!(
                        "deletes what is not there at position {at}"
                    )));
                }
                text.remove(at..end);
            }
        }
        Ok(())
    }

    /// Where a position is after this splice; `goes_along` says on which side of an insertion right there.
    pub(super) fn transform_position(&self, position: u64, goes_along: bool) -> u64 {
        match self.act {
            Act::Insert if self.at < position || (self.at == position && goes_along) => {
                position.saturating_add(self.len())
            }
            Act::Insert => position,
            Act::Delete if position <= self.at => position,
            Act::Delete if position <= self.end() => self.at,
            Act::Delete => position - self.len(),
        }
    }

    /// What remains of this deletion after an insertion: one part on each side of it.
    fn around(
        &self,
        inserted: &Self,
        splices: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        let before = inserted.at.saturating_sub(self.at).min(self.len()) as usize;
        let (first, second) = self.text.cells().split_at(before);
        append(splices, self.part(self.at, first), work)?;
        append(splices, self.part(self.at + inserted.len(), second), work)
    }

    /// What remains of this deletion after another one.
    fn without(
        &self,
        other: &Self,
        splices: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        if self.at >= other.end() {
            return append(
                splices,
                self.part(self.at - other.len(), self.text.cells()),
                work,
            );
        }
        if self.end() <= other.at {
            return append(splices, self.clone(), work);
        }
        let (start, end) = (self.at.max(other.at), self.end().min(other.end()));
        let shared = |splice: &Self| {
            let range = (start - splice.at) as usize..(end - splice.at) as usize;
            splice.text.cells()[range].to_vec()
        };
        if shared(self) != shared(other) {
            return Err(OtError::refused(
                "deletes other text than a concurrent deletion does",
            ));
        }
        let mut rest = self.text.clone();
        rest.remove((start - self.at) as usize..(end - self.at) as usize);
        let at = other.transform_position(self.at, false);
        append(splices, self.part(at, rest.cells()), work)
    }

    fn part(&self, at: u64, cells: &[u16]) -> Self {
        let (act, text) = (self.act, Utf16::from(cells));
        Self { at, act, text }
    }

    fn json(&self) -> Json {
        let name = match self.act {
            Act::Insert => "i",
            Act::Delete => "d",
        };
        let text = Json::String(self.text.clone());
        Object::new([("p".into(), self.at.into()), (name.into(), text)]).into()
    }
}

/// Makes all splices.
pub(super) fn apply(splices: &[Splice], text: &mut Utf16, work: &mut Work) -> Result<(), OtError> {
    for (at, splice) in splices.iter().enumerate() {
        work.step()?;
        splice
            .apply(text, work)
            .map_err(|error| error.within(format_args!(".o[{at}]")))?;
    }
    Ok(())
}

/// Adds a splice, as part of the last one where it touches that.
pub(super) fn append(
    splices: &mut Vec<Splice>,
    splice: Splice,
    work: &mut Work,
) -> Result<(), OtError> {
    if splice.text.is_empty() {
        return Ok(());
    }
    match splices.last_mut() {
        Some(last) if touches(last, &splice) => {
            work.carry(last.text.len() + splice.text.len())?;
            join(last, splice);
        }
        _ => splices.push(splice),
    }
    Ok(())
}

fn touches(last: &Splice, next: &Splice) -> bool {
    match (last.act, next.act) {
        (Act::Insert, Act::Insert) => last.at <= next.at && next.at <= last.end(),
        (Act::Delete, Act::Delete) => next.at <= last.at && last.at <= next.end(),
        _ => false,
    }
}

fn join(last: &mut Splice, mut next: Splice) {
    match last.act {
        Act::Insert => last
            .text
            .insert((next.at - last.at) as usize, next.text.cells()),
        Act::Delete => {
            next.text
                .insert((last.at - next.at) as usize, last.text.cells());
            *last = next;
        }
    }
}

/// One list of splices that does what these and then those do.
pub(super) fn compose(
    splices: &[Splice],
    then: &[Splice],
    work: &mut Work,
) -> Result<Vec<Splice>, OtError> {
    let mut both = splices.to_vec();
    for splice in then {
        work.step()?;
        append(&mut both, splice.clone(), work)?;
    }
    Ok(both)
}

/// What undoes these splices.
pub(super) fn invert(splices: &[Splice]) -> Vec<Splice> {
    splices.iter().rev().map(Splice::invert).collect()
}

/// These splices, to be made after those.
pub(super) fn transform(
    splices: &[Splice],
    other: &[Splice],
    side: Side,
    work: &mut Work,
) -> Result<Vec<Splice>, OtError> {
    pairwise::transform(splices, other, side, work)
}

impl Pairwise for Splice {
    fn transform(
        self,
        other: &Self,
        side: Side,
        after: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError> {
        work.step()?;
        match (self.act, other.act) {
            (Act::Insert, _) => {
                let at = other.transform_position(self.at, side == Side::Right);
                append(after, Self { at, ..self }, work)
            }
            (Act::Delete, Act::Insert) => self.around(other, after, work),
            (Act::Delete, Act::Delete) => self.without(other, after, work),
        }
    }

    fn append(self, after: &mut Vec<Self>, work: &mut Work) -> Result<(), OtError> {
        append(after, self, work)
    }
}

/// Splices from JSON.
pub(super) fn read(json: &Json) -> Result<Vec<Splice>, OtError> {
    let splices = json
        .as_array()
        .ok_or_else(|| OtError::malformed(format!("is {}, expected a list", json.noun())))?;
    let splices = splices
        .iter()
        .enumerate()
        .map(|(at, json)| read_one(json).map_err(|error| error.within(format_args!("[{at}]"))));
    splices.collect()
}

fn read_one(json: &Json) -> Result<Splice, OtError> {
    let object = json
        .as_object()
        .ok_or_else(|| OtError::malformed(format!("is {}, expected an object", json.noun())))?;
    let at = object.field("p").and_then(Json::as_count).ok_or_else(|| {
        OtError::malformed("has no position p that is a whole number from 0 to 4294967295")
    })?;
    let text = |name| object.field(name).and_then(Json::as_text).cloned();
    match (text("i"), text("d")) {
        (Some(text), None) => Ok(Splice {
            at,
            act: Act::Insert,
            text,
        }),
        (None, Some(text)) => Ok(Splice {
            at,
            act: Act::Delete,
            text,
        }),
        _ => Err(OtError::malformed("needs a string, either i or d")),
    }
}

/// Splices as json0 clients write them.
pub(super) fn json(splices: &[Splice]) -> Json {
    splices.iter().map(Splice::json).collect::<Vec<_>>().into()
}
