//! What must hold of every type, whatever its original does: the diamond closes (TP1), composing is doing both, undoing
//! leaves nothing, what is written reads back, and a cursor stays within the text.

use engine::ot::{Json, Operation, OtError, OtType, Side, Snapshot, Work};
use proptest::prelude::*;

use crate::plan::{Plan, length, object};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json0_keeps_its_promises(numbers in numbers()) {
        check(OtType::Json0, &numbers)?;
    }

    #[test]
    fn text_keeps_its_promises(numbers in numbers()) {
        check(OtType::Text, &numbers)?;
    }

    #[test]
    fn text_unicode_keeps_its_promises(numbers in numbers()) {
        check(OtType::TextUnicode, &numbers)?;
    }

    #[test]
    fn rich_text_keeps_its_promises(numbers in numbers()) {
        check(OtType::RichText, &numbers)?;
    }
}

/// `PROPTEST_CASES=N` plays N cases of each type.
pub(crate) fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config.failure_persistence = None;
    config
}

fn numbers() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..160)
}

fn check(ot_type: OtType, numbers: &[u16]) -> Result<(), TestCaseError> {
    let mut plan = Plan::new(numbers);
    let before = plan.document(ot_type);
    let (a, b) = (plan.operation(&before), plan.operation(&before));
    let after = played(&before, [&a])?;
    let c = plan.operation(&after);
    for side in [Side::Left, Side::Right] {
        diamond_closes(&before, &a, &b, side)?;
    }
    composed_is_both(&before, &a, &c)?;
    undone_is_as_before(&before, &a)?;
    reads_back(&a)?;
    normalised_is_the_same(&before, &a)?;
    cursors_stay_within(&before, &after, &a, plan.below(40) as u64)
}

fn diamond_closes(
    before: &Snapshot,
    a: &Operation,
    b: &Operation,
    side: Side,
) -> Result<(), TestCaseError> {
    let a_after = fine(a.transform(b, side, &mut Work::default()))?;
    let b_after = fine(b.transform(a, side.other(), &mut Work::default()))?;
    reads_back(&a_after)?;
    let (one, other) = (
        played(before, [a, &b_after])?,
        played(before, [b, &a_after])?,
    );
    prop_assert_eq!(
        &one,
        &other,
        "{}\na  {}\nb  {}\na' {}\nb' {}",
        before.write(),
        a.write(),
        b.write(),
        a_after.write(),
        b_after.write()
    );
    Ok(())
}

fn composed_is_both(before: &Snapshot, a: &Operation, c: &Operation) -> Result<(), TestCaseError> {
    let both = fine(a.compose(c, &mut Work::default()))?;
    reads_back(&both)?;
    prop_assert_eq!(
        played(before, [&both])?,
        played(before, [a, c])?,
        "{} then {}",
        a.write(),
        c.write()
    );
    Ok(())
}

fn undone_is_as_before(before: &Snapshot, a: &Operation) -> Result<(), TestCaseError> {
    let inverse = fine(a.invert_over(before, &mut Work::default()))?;
    reads_back(&inverse)?;
    prop_assert_eq!(&played(before, [a, &inverse])?, before, "{}", a.write());
    Ok(())
}

fn reads_back(operation: &Operation) -> Result<(), TestCaseError> {
    let written = operation.write();
    let read = fine(Operation::read(operation.ot_type(), &written))?;
    prop_assert_eq!(&read, operation);
    Ok(())
}

fn normalised_is_the_same(before: &Snapshot, a: &Operation) -> Result<(), TestCaseError> {
    let normalised = Operation::normalise(a.ot_type(), &a.write(), &mut Work::default());
    prop_assert_eq!(
        played(before, [&fine(normalised)?])?,
        played(before, [a])?,
        "{}",
        a.write()
    );
    Ok(())
}

fn cursors_stay_within(
    before: &Snapshot,
    after: &Snapshot,
    a: &Operation,
    at: u64,
) -> Result<(), TestCaseError> {
    if before.ot_type() == OtType::Json0 {
        return Ok(());
    }
    let index = at.min(length(before));
    let rest = length(before) - index;
    let range = object([("index", index.into()), ("length", rest.into())]);
    for is_own in [true, false] {
        let after_range = fine(a.transform_presence(&range, is_own))?;
        let number = |name: &str| {
            let found = after_range
                .as_object()
                .and_then(|range| range.get(&name.into()));
            found.and_then(Json::as_count).unwrap_or(u64::MAX)
        };
        prop_assert!(
            number("index").saturating_add(number("length")) <= length(after),
            "{} after {}: {}",
            range.write(),
            a.write(),
            after_range.write()
        );
    }
    Ok(())
}

fn played<const N: usize>(
    before: &Snapshot,
    operations: [&Operation; N],
) -> Result<Snapshot, TestCaseError> {
    let mut document = before.clone();
    for operation in operations {
        let done = document.apply(operation, &mut Work::default());
        prop_assert!(
            done.is_ok(),
            "{} on {}: {done:?}",
            operation.write(),
            document.write()
        );
    }
    Ok(document)
}

fn fine<T>(result: Result<T, OtError>) -> Result<T, TestCaseError> {
    result.map_err(|error| TestCaseError::fail(error.to_string()))
}

const CASES: u32 = 500;
