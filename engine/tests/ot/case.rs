//! One case with what the npm original makes of it, compared with what we make of it.
//!
//! The fields are told in `tests/js/ot/types.mjs`.

use engine::ot::{Json, Operation, OtError, OtType, Side, Snapshot, Work};

/// What differs, a line for each; nothing if all is well.
pub(crate) fn differences(case: &Json, work: &Work) -> Vec<String> {
    match Case::read(case, work) {
        Ok(mut case) => {
            case.compare();
            case.differences
        }
        Err(error) => vec![format!("case is not readable: {error}")],
    }
}

struct Case<'a> {
    said: &'a Json,
    work: Work,
    ot_type: OtType,
    before: Snapshot,
    a: Operation,
    b: Operation,
    /// Whether values are told that are not in the document: we may refuse what the original takes, and what it makes of it
    /// need not be the same both ways.
    is_loose: bool,
    /// Whether there are deltas in the document.
    has_deltas: bool,
    differences: Vec<String>,
}

impl<'a> Case<'a> {
    fn read(said: &'a Json, work: &Work) -> Result<Self, OtError> {
        let ot_type = field(said, "t")
            .and_then(|name| name.as_text()?.to_string().parse().ok())
            .expect("the oracle names a type");
        let operation = |name| Operation::from_json(ot_type, field(said, name).expect(name));
        Ok(Self {
            ot_type,
            before: Snapshot::create(ot_type, Some(&field(said, "s").expect("s").write()))?,
            a: operation("a")?,
            b: operation("b")?,
            is_loose: field(said, "loose").is_some(),
            has_deltas: ot_type == OtType::RichText
                || field(said, "s").is_some_and(|before| field(before, "$rich").is_some()),
            said,
            work: work.clone(),
            differences: Vec::new(),
        })
    }

    fn compare(&mut self) {
        let (a, b) = (self.a.clone(), self.b.clone());
        self.operation("al", self.transformed(&a, &b, Side::Left));
        self.operation("bl", self.transformed(&b, &a, Side::Left));
        let b_after = self.transformed(&b, &a, Side::Right);
        let a_after = self.transformed(&a, &b, Side::Left);
        self.operation("ar", self.transformed(&a, &b, Side::Right));
        self.operation("br", b_after.clone());
        let (one_way, other_way) = (
            self.played([Ok(a.clone()), b_after]),
            self.played([Ok(b), a_after]),
        );
        let is_possible = one_way.is_ok() && other_way.is_ok();
        if is_possible && one_way != other_way && !self.is_loose {
            self.differ("a then b is not b then a".to_owned());
        }
        self.document("za", one_way);
        self.document("zb", other_way);
        self.compare_composed(&a);
        self.compare_undone(&a);
        self.compare_cursors(&a);
    }

    /// The original does not know what was there: it cannot undo some, and others wrongly.
    fn compare_undone(&mut self, a: &Operation) {
        let Some(expected) = field(self.said, "i") else {
            return;
        };
        let inverse = a.invert_over(&self.before, &mut self.work.clone());
        let undone = self.played([Ok(a.clone()), inverse.clone()]);
        if field(expected, "error").is_none() && !self.is_loose {
            self.operation("i", inverse);
            self.document("iz", undone);
        } else if self.played([Ok(a.clone())]).is_ok() && undone.as_ref() != Ok(&self.before) {
            self.differ(format!("what is undone is {undone:?}"));
        }
    }

    fn compare_composed(&mut self, a: &Operation) {
        let Some(c) = field(self.said, "c") else {
            return;
        };
        let c = Operation::from_json(self.ot_type, c);
        self.document("zc", self.played([Ok(a.clone()), c.clone()]));
        let both = c.and_then(|c| a.compose(&c, &mut self.work.clone()));
        self.operation("k", both.clone());
        self.document("kz", self.played([both]));
    }

    fn compare_cursors(&mut self, a: &Operation) {
        let cursors = field(self.said, "u").and_then(Json::as_array);
        for said in cursors.into_iter().flatten() {
            let [cursor, Json::Bool(is_own), expected] = said.as_array().expect("three") else {
                panic!("a cursor, whose it is, and where it goes")
            };
            let found = a.transform_presence(cursor, *is_own);
            if found.as_ref() != Ok(expected) {
                let (cursor, expected) = (cursor.write(), expected.write());
                self.differ(format!(
                    "cursor {cursor}, own {is_own}: {found:?}, expected {expected}"
                ));
            }
        }
    }

    fn transformed(
        &self,
        one: &Operation,
        other: &Operation,
        side: Side,
    ) -> Result<Operation, OtError> {
        one.transform(other, side, &mut self.work.clone())
    }

    fn played<const N: usize>(
        &self,
        operations: [Result<Operation, OtError>; N],
    ) -> Result<Snapshot, OtError> {
        let mut document = self.before.clone();
        for operation in operations {
            document.apply(&operation?, &mut self.work.clone())?;
        }
        Ok(document)
    }

    /// Operations are compared by value: the order of members in a component says nothing.
    fn operation(&mut self, name: &str, found: Result<Operation, OtError>) {
        let found = found.map(|operation| {
            let written = operation.write();
            Json::read(&written).expect("what is written can be read")
        });
        self.value(name, found);
    }

    /// Documents are compared to the byte, but for those with deltas, whose members may stand in any order.
    fn document(&mut self, name: &str, found: Result<Snapshot, OtError>) {
        if !self.has_deltas
            && let (Ok(document), Some(expected)) = (&found, field(self.said, name))
            && document.write() != expected.write()
        {
            let (found, expected) = (document.write(), expected.write());
            return self.differ(format!("{name}: {found}, expected {expected}"));
        }
        let found = found.map(|document| {
            let written = document.write();
            Json::read(&written).expect("what is written can be read")
        });
        self.value(name, found);
    }

    fn value(&mut self, name: &str, found: Result<Json, OtError>) {
        let expected = field(self.said, name).expect(name);
        let failed = field(expected, "error").is_some();
        match found {
            Ok(found) if !failed && found == *expected => {}
            Err(_) if failed => {}
            Err(OtError::Refused(_)) if self.is_loose => {}
            Ok(found) => {
                let (found, expected) = (found.write(), expected.write());
                self.differ(format!("{name}: {found}, expected {expected}"));
            }
            Err(error) => self.differ(format!("{name}: {error}, expected {}", expected.write())),
        }
    }

    fn differ(&mut self, what: String) {
        self.differences.push(what);
    }
}

/// A member, if it is an object that has it.
pub(crate) fn field<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.as_object()?.get(&name.into())
}
