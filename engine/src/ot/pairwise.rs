//! Transforming lists of components by transforming each pair of them.
//!
//! For the types whose operations are lists of independent edits (json0, text0). Each component of one list is carried
//! through all of the other, and both change each other on the way. Where a component comes apart, its parts are carried
//! through what remains of the other list as a list of their own; the originals recurse there, which depends on the input
//! and can go as deep as a list is long, so here the frames are kept in a stack of our own. The order in which results are
//! appended is that of the originals to the last step, as appending may merge.

use super::work::COMPONENTS_MAX;
use super::work::Work;
use super::{OtError, Side};

/// A component of such a type.
pub(super) trait Pairwise: Sized + Clone {
    /// Appends this component, to be made after another.
    fn transform(
        self,
        other: &Self,
        side: Side,
        after: &mut Vec<Self>,
        work: &mut Work,
    ) -> Result<(), OtError>;

    /// Adds this component to a list.
    fn append(self, list: &mut Vec<Self>, work: &mut Work) -> Result<(), OtError>;
}

/// One list, to be made after another.
pub(super) fn transform<C: Pairwise>(
    list: &[C],
    other: &[C],
    side: Side,
    work: &mut Work,
) -> Result<Vec<C>, OtError> {
    if other.is_empty() {
        return Ok(list.to_vec());
    }
    if let ([component], [other]) = (list, other) {
        let mut after = Vec::new();
        component.clone().transform(other, side, &mut after, work)?;
        return Ok(after);
    }
    let after = match side {
        Side::Left => both(list.to_vec(), other.to_vec(), work)?.0,
        Side::Right => both(other.to_vec(), list.to_vec(), work)?.1,
    };
    match after.len() {
        ..=COMPONENTS_MAX => Ok(after),
        _ => Err(OtError::TooLong(COMPONENTS_MAX)),
    }
}

/// Both lists, each to be made after the other.
fn both<C: Pairwise>(
    left: Vec<C>,
    right: Vec<C>,
    work: &mut Work,
) -> Result<(Vec<C>, Vec<C>), OtError> {
    let mut frames = vec![Frame::new(left, right)];
    while let Some(frame) = frames.last_mut() {
        if let Some(apart) = frame.run(work)? {
            frames.push(Frame::new(apart.rest, apart.parts));
            continue;
        }
        let Some(done) = frames.pop() else { break };
        match frames.last_mut() {
            Some(parent) => parent.resume(done, work)?,
            None => return Ok((done.left, done.right_after)),
        }
    }
    Ok((Vec::new(), Vec::new()))
}

/// One list on its way through another.
struct Frame<C> {
    /// The left list, after as much of the right one as was carried through it.
    left: Vec<C>,
    right: std::vec::IntoIter<C>,
    right_after: Vec<C>,
}

impl<C: Pairwise> Frame<C> {
    fn new(left: Vec<C>, right: Vec<C>) -> Self {
        Self {
            left,
            right: right.into_iter(),
            right_after: Vec::new(),
        }
    }

    /// Carries components of the right list through the left one, until all are, or one comes apart: then what remains
    /// of the left list and the parts are given, and how they come out has to be told to [`Self::resume`].
    fn run(&mut self, work: &mut Work) -> Result<Option<Apart<C>>, OtError> {
        for component in self.right.by_ref() {
            let left = std::mem::take(&mut self.left);
            match carry(component, left.into_iter(), &mut self.left, work)? {
                Carried::Through(component) => component.append(&mut self.right_after, work)?,
                Carried::Gone => {}
                Carried::Apart(apart) => return Ok(Some(apart)),
            }
        }
        Ok(None)
    }

    fn resume(&mut self, done: Self, work: &mut Work) -> Result<(), OtError> {
        for component in done.left {
            work.step()?;
            component.append(&mut self.left, work)?;
        }
        for component in done.right_after {
            work.step()?;
            component.append(&mut self.right_after, work)?;
        }
        Ok(())
    }
}

/// What became of a component.
enum Carried<C> {
    Through(C),
    Gone,
    Apart(Apart<C>),
}

/// A component that came apart.
struct Apart<C> {
    /// What of the left list it was not carried through.
    rest: Vec<C>,
    parts: Vec<C>,
}

fn carry<C: Pairwise>(
    mut component: C,
    mut left: std::vec::IntoIter<C>,
    left_after: &mut Vec<C>,
    work: &mut Work,
) -> Result<Carried<C>, OtError> {
    let mut after = Vec::new();
    while let Some(own) = left.next() {
        component
            .clone()
            .transform(&own, Side::Right, &mut after, work)?;
        own.transform(&component, Side::Left, left_after, work)?;
        match (after.pop(), after.is_empty()) {
            (Some(only), true) => component = only,
            (Some(last), false) => {
                after.push(last);
                let (rest, parts) = (left.collect(), after);
                return Ok(Carried::Apart(Apart { rest, parts }));
            }
            (None, _) => {
                for own in left {
                    work.step()?;
                    own.append(left_after, work)?;
                }
                return Ok(Carried::Gone);
            }
        }
    }
    Ok(Carried::Through(component))
}
