//! Taking back what somebody did: alone it leaves what was before, among others' edits it leaves theirs.

use engine::ordered::{Action, OperationName, Record, State, UndoError, undo};
use engine::ot::{Json, Operation, OtType, Side, Snapshot, Work};
use engine::{Author, Change, ChangeKind, ConnectionId, Dot, Hlc, ReplicaId, VectorClock};
use proptest::prelude::*;

use crate::plan::Plan;
use crate::world::key;

/// Edits after each other, each by one of three people.
struct Past {
    base: State,
    records: Vec<Record>,
    /// What there was before each of them, and after the last.
    states: Vec<Snapshot>,
}

impl Past {
    fn of(content: Snapshot) -> Self {
        let base = State {
            version: 7,
            content: Some(content.clone()),
            ..State::default()
        };
        let (records, states) = (Vec::new(), vec![content]);
        Self {
            base,
            records,
            states,
        }
    }

    fn planned(ot_type: OtType, numbers: &[u16]) -> Self {
        let mut plan = Plan::new(numbers);
        let mut past = Self::of(plan.document(ot_type));
        for _ in 0..1 + plan.below(7) {
            let operation = plan.operation(past.last());
            past.edit(PEOPLE[plan.below(PEOPLE.len())], &operation);
        }
        past
    }

    fn last(&self) -> &Snapshot {
        self.states.last().expect("there is the first")
    }

    fn edit(&mut self, source: &str, operation: &Operation) {
        let mut after = self.last().clone();
        let done = after.apply(operation, &mut Work::default());
        done.expect("it fits");
        self.states.push(after);
        let received = operation.write().into();
        let committed = None;
        self.record(
            source,
            Action::Edit {
                received,
                committed,
            },
        );
    }

    fn record(&mut self, source: &str, action: Action) {
        let number = self.records.len() as u64;
        let version = self.base.version + number;
        self.records.push(Record {
            version,
            made_on: Some(version),
            name: OperationName {
                source: source.into(),
                number,
            },
            action,
        });
    }

    fn operation(&self, at: usize) -> Operation {
        let text = self.records[at].action.committed();
        Operation::read(self.last().ot_type(), text.expect("an edit")).expect("it was written")
    }

    fn undone(&self, is_meant: impl Fn(&Record) -> bool) -> Result<Option<Operation>, UndoError> {
        self.undone_within(is_meant, &mut Work::default())
    }

    fn undone_within(
        &self,
        is_meant: impl Fn(&Record) -> bool,
        work: &mut Work,
    ) -> Result<Option<Operation>, UndoError> {
        let changes: Vec<_> = self.records.iter().map(change).collect();
        let is_meant = |change: &Change, record: &Record| {
            let author = change.author.as_ref().map(Author::as_str);
            assert_eq!(author, Some(&*record.name.source));
            is_meant(record)
        };
        undo(&self.base, &changes, is_meant, work)
    }

    /// What there is after what is meant was taken back.
    fn without(&self, is_meant: impl Fn(&Record) -> bool) -> Snapshot {
        let undone = self.undone(is_meant).expect("it can be taken back");
        let mut document = self.last().clone();
        if let Some(undone) = undone {
            let read = Operation::read(document.ot_type(), &undone.write());
            assert_eq!(read.as_ref(), Ok(&undone), "it can be sent");
            let done = document.apply(&undone, &mut Work::default());
            done.unwrap_or_else(|error| panic!("{} does not fit: {error}", undone.write()));
        }
        document
    }

    fn shown(&self) -> String {
        let mut shown = self.states[0].write();
        for record in &self.records {
            let text = record.action.committed().unwrap_or_default();
            shown += &format!("\n{} {text}", record.name.source);
        }
        shown
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_somebody_did_last_is_as_if_it_had_not_been(ot_type in ot_type(), numbers in numbers()) {
        let past = Past::planned(ot_type, &numbers);
        let last = past.records.last().expect("one at least").version;
        let before = &past.states[past.states.len() - 2];
        prop_assert_eq!(&past.without(|record| record.version == last), before, "{}", past.shown());
    }

    #[test]
    fn without_all_the_document_is_what_it_was(ot_type in ot_type(), numbers in numbers()) {
        let past = Past::planned(ot_type, &numbers);
        prop_assert_eq!(&past.without(|_| true), &past.states[0], "{}", past.shown());
    }

    #[test]
    fn the_newest_ones_give_back_what_was_before_them(ot_type in ot_type(), numbers in numbers(), from in 0_usize..8) {
        let past = Past::planned(ot_type, &numbers);
        let from = from % past.records.len();
        let first = past.records[from].version;
        prop_assert_eq!(&past.without(|record| record.version >= first), &past.states[from], "{}", past.shown());
    }

    #[test]
    fn one_is_undone_as_its_author_would_undo_it(ot_type in ot_type(), numbers in numbers(), at in 0_usize..8) {
        let past = Past::planned(ot_type, &numbers);
        let at = at % past.records.len();
        let side = if ot_type == OtType::RichText { Side::Left } else { Side::Right };
        let work = &mut Work::default();
        let mut expected = past.operation(at).invert_over(&past.states[at], work).expect("it fits");
        for later in at + 1..past.records.len() {
            expected = expected.transform(&past.operation(later), side, work).expect("it transforms");
        }
        let version = past.records[at].version;
        let undone = past.undone(|record| record.version == version).expect("it can be taken back");
        prop_assert_eq!(undone, Some(expected).filter(|it| !it.is_noop()), "{}", past.shown());
    }

    #[test]
    fn anybodys_edits_can_be_taken_back(ot_type in ot_type(), numbers in numbers(), who in 0_usize..3) {
        let past = Past::planned(ot_type, &numbers);
        past.without(|record| *record.name.source == *PEOPLE[who]);
        past.without(|record| *record.name.source != *PEOPLE[who]);
    }

    /// In a text of characters that each come once, what the others wrote and did not delete is there, and what they deleted
    /// is not.
    #[test]
    fn what_the_others_wrote_stays(numbers in prop::collection::vec(any::<u16>(), 0..60), unicode: bool) {
        let ot_type = if unicode { OtType::TextUnicode } else { OtType::Text };
        let (past, expected) = marked(ot_type, &numbers);
        let left = past.without(|record| *record.name.source == *PEOPLE[0]);
        let written = Json::read(&left.write()).expect("JSON");
        let mut left: Vec<_> = written.as_text().expect("text").cells().to_vec();
        left.sort_unstable();
        prop_assert_eq!(left, expected, "{}", past.shown());
    }
}

/// A past in which each character is another, and the characters that are left without what the first of the people did.
fn marked(ot_type: OtType, numbers: &[u16]) -> (Past, Vec<u16>) {
    let mut plan = Plan::new(numbers);
    let mut past = Past::of(Snapshot::create(ot_type, Some(r#""abcdef""#)).expect("text"));
    let mut text: Vec<u16> = "abcdef".encode_utf16().collect();
    let mut expected = text.clone();
    let mut next = 0x4e00;
    for _ in 0..plan.below(9) {
        let (who, at) = (plan.below(PEOPLE.len()), plan.below(text.len() + 1));
        let deleted: Vec<_> = text
            .drain(at..(at + plan.below(4)).min(text.len()))
            .collect();
        let inserted: Vec<u16> = (next..next + plan.below(4) as u16).collect();
        next += 4;
        text.splice(at..at, inserted.iter().copied());
        if who != 0 {
            expected.retain(|cell| !deleted.contains(cell));
            expected.extend_from_slice(&inserted);
        }
        let inserted = String::from_utf16(&inserted).expect("whole characters");
        let walk = format!(r#"[{at},"{inserted}",{{"d":{}}}]"#, deleted.len());
        let operation = Operation::normalise(ot_type, &walk, &mut Work::default());
        past.edit(PEOPLE[who], &operation.expect("a walk"));
    }
    expected.sort_unstable();
    (past, expected)
}

fn edited(data: &str, ot_type: OtType, edits: &[(&str, &str)]) -> Past {
    let mut past = Past::of(Snapshot::create(ot_type, Some(data)).expect("data"));
    for (source, operation) in edits {
        past.edit(
            source,
            &Operation::read(ot_type, operation).expect("an operation"),
        );
    }
    past
}

#[test]
fn where_somebody_else_has_decided_since_that_stays() {
    let past = edited(
        r#"{"colour":"red"}"#,
        OtType::Json0,
        &[
            ("ada", r#"[{"p":["colour"],"od":"red","oi":"blue"}]"#),
            ("bob", r#"[{"p":["colour"],"od":"blue","oi":"green"}]"#),
        ],
    );
    let by = |who: &'static str| move |record: &Record| *record.name.source == *who;
    assert_eq!(past.without(by("ada")).write(), r#"{"colour":"green"}"#);
    assert_eq!(past.without(by("bob")).write(), r#"{"colour":"blue"}"#);

    let past = edited(
        r#"[{"insert":"text"}]"#,
        OtType::RichText,
        &[
            (
                "ada",
                r#"[{"retain":4,"attributes":{"bold":true,"link":"a"}}]"#,
            ),
            (
                "bob",
                r#"[{"retain":2,"attributes":{"link":"b","italic":true}}]"#,
            ),
        ],
    );
    let left =
        r#"{"ops":[{"insert":"te","attributes":{"link":"b","italic":true}},{"insert":"xt"}]}"#;
    let left = Snapshot::create(OtType::RichText, Some(left)).expect("a delta");
    assert_eq!(past.without(by("ada")), left);
}

#[test]
fn what_was_there_comes_back_whatever_was_said_of_it() {
    let data = r#"{"list":["a"],"member":[1],"rich":{"ops":[{"insert":"text"}]},"text":"abc"}"#;
    for edit in [
        r#"{"p":["member"],"od":"a lie","oi":2}"#,
        r#"{"p":["member"],"oi":2}"#,
        r#"{"p":["member"],"od":null}"#,
        r#"{"p":["nowhere"],"od":3}"#,
        r#"{"p":["list",0],"ld":"a lie"}"#,
        r#"{"p":["list",0],"ld":"a lie","li":"b"}"#,
        r#"{"p":["rich"],"t":"rich-text","o":[{"retain":1},{"delete":2}]}"#,
        r#"{"p":["text"],"t":"text","o":[1,{"d":1}]}"#,
        r#"{"p":["text"],"t":"text-unicode","o":[1,{"d":1}]}"#,
        r#"{"p":[],"od":"a lie"}"#,
    ] {
        let past = edited(data, OtType::Json0, &[("ada", &format!("[{edit}]"))]);
        assert_eq!(past.without(|_| true), past.states[0], "{edit}");
    }
    let lie = [("ada", r#"[{"d":"xyz"},"new"]"#)];
    let past = edited(r#""abcd""#, OtType::TextUnicode, &lie);
    assert_eq!(past.without(|_| true), past.states[0]);
}

#[test]
fn what_can_not_be_taken_back_is_told() {
    let mut past = edited(r#""a""#, OtType::Text, &[("ada", r#"[1,"b"]"#)]);
    past.record("bob", Action::Delete);
    let (ot_type, data) = (OtType::Text, Some(r#""x""#.into()));
    past.record("bob", Action::Create { ot_type, data });
    past.record(
        "ada",
        Action::Edit {
            received: r#"[1,"y"]"#.into(),
            committed: None,
        },
    );
    let at = |version| move |record: &Record| record.version == version;
    assert_eq!(past.undone(at(7)), Err(UndoError::Ended { version: 7 }));
    assert_eq!(past.undone(at(8)), Err(UndoError::NotAnEdit { version: 8 }));
    assert_eq!(past.undone(at(9)), Err(UndoError::NotAnEdit { version: 9 }));
    let undone = past.undone(at(10)).expect("it can be taken back");
    assert_eq!(undone.expect("something").write(), r#"[1,{"d":1}]"#);
    assert_eq!(past.undone(at(11)), Ok(None));
    past.records.remove(2);
    assert!(matches!(past.undone(at(10)), Err(UndoError::Broken(_))));
}

#[test]
fn too_much_work_is_told() {
    let long = |who: &'static str| (who, r#"[1,"b",1,"b",1,"b",1,"b",1,"b"]"#);
    let past = edited(r#""aaaaaaaaaa""#, OtType::Text, &[long("ada"), long("bob")]);
    let is_meant = |record: &Record| *record.name.source == *"ada";
    let undone = past.undone_within(is_meant, &mut Work::steps(5));
    let why = engine::ot::OtError::TooMuchWork;
    assert_eq!(undone, Err(UndoError::Unfit { version: 7, why }));
}

fn change(record: &Record) -> Change {
    Change {
        document: key(),
        dot: Dot::new(ReplicaId(1), record.version + 1),
        context: VectorClock::default(),
        hlc: Hlc::default(),
        author: Some(Author::new(&record.name.source)),
        connection: ConnectionId(1),
        kind: ChangeKind::Operation,
        payload: record.to_bytes(),
    }
}

fn ot_type() -> impl Strategy<Value = OtType> {
    (0..OtType::ALL.len()).prop_map(|at| OtType::ALL[at])
}

fn numbers() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..200)
}

/// `PROPTEST_CASES=N` plays N cases of each.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 1_000;
    }
    config.failure_persistence = None;
    config
}

const PEOPLE: [&str; 3] = ["ada", "bob", "cy"];
