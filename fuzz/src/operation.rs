//! The types of operational transform: a document and three operations as JSON text, of any of the types.
//!
//! Whatever can be read is written back, brought to its normal form, applied, composed, transformed and undone, each within
//! a small budget of work. What fits the document and tells the truth about it has to come to the same both ways (TP1), and
//! undone it has to leave what was.

use engine::ot::{Edit, Json, Json0Component, Operation, OtError, OtType, Side, Snapshot, Work};

use crate::script::Script;

/// Plays one case: the type, then the document, two operations on it, one on what the first leaves, and a cursor.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let ot_type = script.one_of(&OtType::ALL);
    let document = text(&mut script);
    let [a, b, c] = [(); 3].map(|()| operation(ot_type, &text(&mut script)));
    let cursor = Json::read(&text(&mut script));
    let operations = [&a, &b, &c].into_iter().flatten();
    operations.clone().for_each(alone);
    for (operation, is_own) in operations.flat_map(|it| [(it, true), (it, false)]) {
        if let Ok(cursor) = &cursor {
            drop(operation.transform_presence(cursor, is_own));
        }
    }
    let Ok(before) = Snapshot::create(ot_type, Some(&document)) else {
        return;
    };
    whole(&before);
    if let Some(a) = &a {
        together(&before, a, b.as_ref(), c.as_ref());
    }
}

fn text(script: &mut Script<'_>) -> String {
    String::from_utf8_lossy(script.chunk()).into_owned()
}

/// An operation as it is to be sent, or in any form.
fn operation(ot_type: OtType, text: &str) -> Option<Operation> {
    let read = Operation::read(ot_type, text).ok();
    read.or_else(|| Operation::normalise(ot_type, text, &mut work()).ok())
}

/// What holds of an operation without a document.
fn alone(operation: &Operation) {
    let written = operation.write();
    let read = Operation::read(operation.ot_type(), &written);
    assert_eq!(read.as_ref(), Ok(operation), "{written} reads back");
    if let Ok(inverse) = operation.invert() {
        let written = inverse.write();
        assert_eq!(Operation::read(inverse.ot_type(), &written), Ok(inverse));
    }
}

/// A document reads back as it is written.
fn whole(document: &Snapshot) {
    let written = document.write();
    let read = Snapshot::create(document.ot_type(), Some(&written));
    assert_eq!(read.as_ref(), Ok(document), "{written}");
    let canonical = Snapshot::create(document.ot_type(), Some(&document.write_canonical()));
    assert_eq!(canonical.as_ref(), Ok(document), "{written}");
}

fn together(before: &Snapshot, a: &Operation, b: Option<&Operation>, c: Option<&Operation>) {
    let Ok(after) = played(before, [a]) else {
        return;
    };
    whole(&after);
    undone(before, &after, a);
    if let Some(c) = c {
        composed(before, &after, a, c);
    }
    if let Some(b) = b {
        for side in [Side::Left, Side::Right] {
            diamond(before, a, b, side);
        }
    }
}

fn undone(before: &Snapshot, after: &Snapshot, a: &Operation) {
    let Ok(inverse) = a.invert_over(before, &mut work()) else {
        return;
    };
    let left = played(after, [&inverse]);
    // Sums of fractions need not come back to where they were.
    if !adds(a) && !is_exhausted(&left) {
        assert_eq!(left.as_ref(), Ok(before), "{} undone", a.write());
    }
}

fn composed(before: &Snapshot, after: &Snapshot, a: &Operation, c: &Operation) {
    let Ok(both) = a.compose(c, &mut work()) else {
        return;
    };
    let is_true = tells_the_truth(a, before) && tells_the_truth(c, after);
    if let (Ok(one), Ok(two), true) = (played(before, [&both]), played(after, [c]), is_true) {
        let is_same = one == two || (adds(a) && adds(c));
        assert!(is_same, "{} then {}", a.write(), c.write());
    }
}

fn diamond(before: &Snapshot, a: &Operation, b: &Operation, side: Side) {
    let b_after = b.transform(a, side.other(), &mut work());
    let a_after = a.transform(b, side, &mut work());
    let (Ok(a_after), Ok(b_after)) = (a_after, b_after) else {
        return;
    };
    [&a_after, &b_after].into_iter().for_each(alone);
    let (one, two) = (played(before, [a, &b_after]), played(before, [b, &a_after]));
    let is_sound = tells_the_truth(a, before) && tells_the_truth(b, before) && agree(a, b);
    if let (Ok(one), Ok(two), true) = (one, two, is_sound) {
        let (a, b) = (a.write(), b.write());
        assert_eq!(one, two, "{} with {a} and {b}", before.write());
    }
}

fn played<const N: usize>(
    before: &Snapshot,
    operations: [&Operation; N],
) -> Result<Snapshot, OtError> {
    let (mut document, mut work) = (before.clone(), work());
    for operation in operations {
        document.apply(operation, &mut work)?;
    }
    Ok(document)
}

fn is_exhausted<T>(result: &Result<T, OtError>) -> bool {
    matches!(result, Err(OtError::TooMuchWork))
}

/// Whether what an operation of json0 says it deletes is what is there. Nobody checks that, and clients that say something
/// else end up with different documents.
fn tells_the_truth(operation: &Operation, before: &Snapshot) -> bool {
    let Operation::Json0(_) = operation else {
        return true;
    };
    let inverse = operation.invert();
    inverse.is_ok() && inverse == operation.invert_over(before, &mut work())
}

/// Whether two operations of json0 use the same ways: one is not transformed by the other way of editing a string, and
/// the order of additions matters to fractions.
fn agree(a: &Operation, b: &Operation) -> bool {
    let has = |operation: &Operation, is: fn(&Edit) -> bool| {
        components(operation).iter().any(|it| is(it.edit()))
    };
    let splices = |edit: &Edit| matches!(edit, Edit::Text(_));
    let embeds = |edit: &Edit| matches!(edit, Edit::Embedded(_));
    let differ = |one, other| has(one, splices) && has(other, embeds);
    !(differ(a, b) || differ(b, a) || adds(a) && adds(b))
}

fn adds(operation: &Operation) -> bool {
    let mut components = components(operation).iter();
    components.any(|component| matches!(component.edit(), Edit::Add(_)))
}

fn components(operation: &Operation) -> &[Json0Component] {
    match operation {
        Operation::Json0(edits) => edits.components(),
        _ => &[],
    }
}

/// Less than is served, as one input takes a dozen of them.
fn work() -> Work {
    Work::steps(100_000)
}
