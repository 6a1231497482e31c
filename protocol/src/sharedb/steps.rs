//! What makes one list of ids of another: that is how clients are told what became of the documents that a query finds
//! (`lib/client/query.js`, `_handleDiff`).

use std::collections::HashMap;

/// One step. Each is made on what those before it have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Some are taken out.
    Remove {
        /// The place of the first.
        index: usize,
        /// How many.
        count: usize,
    },
    /// Some are put in: those that are in the same places in the list that is to be.
    Insert {
        /// The place of the first.
        index: usize,
        /// How many.
        count: usize,
    },
}

/// The steps from one list to another, in which each is there once. What changes its place is taken out and put in.
pub fn steps(before: &[String], after: &[String]) -> Vec<Step> {
    let kept = kept(before, after);
    let is_kept: Vec<_> = places(&kept, |(before, _)| before, before.len());
    let removed = runs(&is_kept);
    let is_kept: Vec<_> = places(&kept, |(_, after)| after, after.len());
    let inserted = runs(&is_kept);
    // From the end, so that no place moves before its turn.
    let removed = removed
        .into_iter()
        .rev()
        .map(|(index, count)| Step::Remove { index, count });
    let inserted = inserted
        .into_iter()
        .map(|(index, count)| Step::Insert { index, count });
    removed.chain(inserted).collect()
}

/// The places of those that stay, in both lists: as they come, each behind the one before.
fn kept(before: &[String], after: &[String]) -> Vec<(usize, usize)> {
    let places: HashMap<_, _> = after.iter().zip(0..).collect();
    let mut next = 0;
    let mut kept = Vec::new();
    for (at, id) in before.iter().enumerate() {
        if let Some(place) = places.get(id).copied().filter(|place| *place >= next) {
            kept.push((at, place));
            next = place + 1;
        }
    }
    kept
}

fn places(
    kept: &[(usize, usize)],
    place: impl Fn((usize, usize)) -> usize,
    length: usize,
) -> Vec<bool> {
    let mut is_kept = vec![false; length];
    for pair in kept {
        is_kept[place(*pair)] = true;
    }
    is_kept
}

/// Where those stand that do not stay, and how many together.
fn runs(is_kept: &[bool]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in is_kept.iter().enumerate().filter(|(_, kept)| !**kept) {
        match runs.last_mut() {
            Some((index, count)) if *index + *count == at => *count += 1,
            _ => runs.push((at, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn list(ids: &str) -> Vec<String> {
        ids.chars().map(String::from).collect()
    }

    /// What a client makes of it.
    fn follow(mut list: Vec<String>, steps: &[Step], after: &[String]) -> Vec<String> {
        for step in steps {
            match *step {
                Step::Remove { index, count } => drop(list.drain(index..index + count)),
                Step::Insert { index, count } => {
                    let new = after[index..index + count].iter().cloned();
                    list.splice(index..index, new);
                }
            }
        }
        list
    }

    #[test]
    fn what_stays_is_left_alone() {
        let remove = |index, count| Step::Remove { index, count };
        let insert = |index, count| Step::Insert { index, count };
        for (before, after, expected) in [
            ("abc", "abc", vec![]),
            ("", "ab", vec![insert(0, 2)]),
            ("abcd", "ad", vec![remove(1, 2)]),
            (
                "abcd",
                "bcx",
                vec![remove(3, 1), remove(0, 1), insert(2, 1)],
            ),
            ("ab", "ba", vec![remove(1, 1), insert(0, 1)]),
        ] {
            assert_eq!(
                steps(&list(before), &list(after)),
                expected,
                "{before} {after}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_steps_lead_from_one_to_the_other(before in ids(), after in ids()) {
            let steps = steps(&before, &after);
            prop_assert_eq!(follow(before, &steps, &after), after);
        }
    }

    fn ids() -> impl Strategy<Value = Vec<String>> {
        let ids = btree_set("[a-l]", 0..12).prop_map(|ids| ids.into_iter().collect::<Vec<_>>());
        ids.prop_shuffle()
    }
}
