//! Documents and operations that fit them, made up from a list of numbers.
//!
//! The numbers are what proptest varies and shrinks: fewer numbers are a smaller plan, and zero is the plainest choice.

use engine::ot::{Json, Object, Operation, OtType, Snapshot, Utf16, Work};

/// Numbers that decide; when they have run out, everything is the plainest.
pub(crate) struct Plan<'a>(std::slice::Iter<'a, u16>);

impl<'a> Plan<'a> {
    pub(crate) fn new(numbers: &'a [u16]) -> Self {
        Self(numbers.iter())
    }

    pub(crate) fn below(&mut self, choices: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % choices.max(1)
    }

    pub(crate) fn document(&mut self, ot_type: OtType) -> Snapshot {
        let data = match ot_type {
            OtType::Json0 => match self.below(4) {
                0 => object((0..4).map(|key| (KEYS[key], self.value(2)))),
                _ => (0..5).map(|_| self.value(2)).collect::<Vec<_>>().into(),
            },
            OtType::Text | OtType::TextUnicode => self.words(8).as_str().into(),
            OtType::RichText => {
                let inserts = (0..self.below(6)).map(|_| self.insert(true));
                inserts.collect::<Vec<_>>().into()
            }
        };
        Snapshot::create(ot_type, Some(&data.write())).expect("the document fits its type")
    }

    pub(crate) fn operation(&mut self, document: &Snapshot) -> Operation {
        let json = match document {
            Snapshot::Json0(json) => self.edits(json),
            Snapshot::Text(text) => self.walk(text, false),
            Snapshot::TextUnicode(text) => self.walk(text, true),
            Snapshot::RichText(_) => self.delta(length(document)),
        };
        Operation::read(document.ot_type(), &json.write()).expect("the operation fits its type")
    }

    fn words(&mut self, most: usize) -> String {
        (0..self.below(most + 1))
            .map(|_| PIECES[self.below(PIECES.len())])
            .collect()
    }

    fn some_words(&mut self) -> String {
        let words = self.words(2);
        if words.is_empty() {
            "w".to_owned()
        } else {
            words
        }
    }

    fn walk(&mut self, text: &Utf16, by_code_points: bool) -> Json {
        let points: Vec<char> = text.to_string().chars().collect();
        let mut left = if by_code_points {
            points.len()
        } else {
            text.len()
        };
        let mut steps = Vec::new();
        for _ in 0..self.below(6) {
            let most = 1 + self.below(6);
            let choice = self.below(3);
            if choice == 0 {
                steps.push(self.some_words().as_str().into());
            } else if most <= left {
                let at = points.len().saturating_sub(left);
                left -= most;
                let tells = by_code_points && self.below(2) == 0;
                let deleted = match points.get(at..at + most) {
                    Some(deleted) if tells => deleted.iter().collect::<String>().as_str().into(),
                    _ => Json::from(most as u64),
                };
                let delete = object([("d", deleted)]);
                steps.push(if choice == 1 {
                    (most as u64).into()
                } else {
                    delete
                });
            }
        }
        let ot_type = if by_code_points {
            OtType::TextUnicode
        } else {
            OtType::Text
        };
        let loose = Json::from(steps).write();
        let walk = Operation::normalise(ot_type, &loose, &mut Work::default());
        Json::read(&walk.expect("it is a walk").write()).expect("it is JSON")
    }

    fn insert(&mut self, in_document: bool) -> Json {
        let thing = match self.below(5) {
            4 => object([("image", "i".into())]),
            _ => self.some_words().as_str().into(),
        };
        let attributes = self.attributes(in_document);
        object([("insert", thing), ("attributes", attributes)])
    }

    fn attributes(&mut self, in_document: bool) -> Json {
        let values = [Json::Null, "x".into(), 1.into()];
        let set = ["bold", "link"].map(|name| (name, values[self.below(3)].clone()));
        object(
            set.into_iter()
                .filter(|(name, value)| *value != Json::Null || (!in_document && *name == "bold")),
        )
    }

    fn delta(&mut self, length: u64) -> Json {
        let (mut left, mut steps) = (length, Vec::new());
        for _ in 0..self.below(6) {
            let most = 1 + self.below(5) as u64;
            match self.below(4) {
                0 => steps.push(self.insert(true)),
                choice if most <= left => {
                    left -= most;
                    steps.push(match choice {
                        1 => object([("delete", most.into())]),
                        2 => object([("retain", most.into())]),
                        _ => object([
                            ("retain", most.into()),
                            ("attributes", self.attributes(false)),
                        ]),
                    });
                }
                _ => {}
            }
        }
        steps.into()
    }

    fn value(&mut self, depth: usize) -> Json {
        match self.below(if depth > 0 { 6 } else { 4 }) {
            0 => Json::from(self.below(5) as u64),
            1 | 2 => self.words(3).as_str().into(),
            3 => Json::Null,
            4 => {
                let items = self.below(4);
                let items = (0..items).map(|_| self.value(depth - 1));
                items.collect::<Vec<_>>().into()
            }
            _ => object((0..2).map(|key| (KEYS[key], self.value(depth - 1)))),
        }
    }

    /// Up to four edits, each of the document that the earlier ones leave.
    fn edits(&mut self, document: &Json) -> Json {
        let mut edits = Vec::new();
        let mut document = Snapshot::Json0(document.clone());
        for _ in 0..self.below(5) {
            let Snapshot::Json0(json) = &document else {
                break;
            };
            let Some(edit) = self.edit(json, &mut Vec::new()) else {
                continue;
            };
            let alone = Json::from(vec![edit.clone()]).write();
            let operation = Operation::read(OtType::Json0, &alone).expect("it is an edit");
            let done = document.apply(&operation, &mut Work::default());
            done.unwrap_or_else(|error| panic!("{alone} on {}: {error}", document.write()));
            edits.push(edit);
        }
        edits.into()
    }

    fn edit(&mut self, here: &Json, path: &mut Vec<Json>) -> Option<Json> {
        match here {
            Json::Number(_) => Some(object([("p", path.clone().into()), ("na", 2.into())])),
            Json::String(text) => Some(self.splice(text, path)),
            Json::Array(items) if self.below(3) > 0 || items.is_empty() => {
                Some(self.list_edit(items, path))
            }
            Json::Array(items) => {
                let at = self.below(items.len());
                path.push((at as u64).into());
                self.edit(&items[at], path)
            }
            Json::Object(members) => self.member_edit(members, path),
            _ => None,
        }
    }

    fn list_edit(&mut self, items: &[Json], path: &mut Vec<Json>) -> Json {
        let choice = if items.is_empty() { 0 } else { self.below(6) };
        let at = self.below(items.len() + usize::from(choice == 0));
        path.push((at as u64).into());
        let path = ("p", Json::from(path.clone()));
        let old = || ("ld", items[at].clone());
        match choice {
            0 => object([path, ("li", self.value(1))]),
            1 => object([path, old()]),
            2 => object([path, old(), ("li", self.value(1))]),
            _ => object([path, ("lm", (self.below(items.len()) as u64).into())]),
        }
    }

    fn member_edit(&mut self, members: &Object, path: &mut Vec<Json>) -> Option<Json> {
        let key = KEYS[self.below(KEYS.len())];
        path.push(key.into());
        let at = ("p", Json::from(path.clone()));
        let Some(value) = members.get(&key.into()) else {
            return Some(object([at, ("oi", self.value(1))]));
        };
        match self.below(4) {
            0 => Some(object([at, ("od", value.clone())])),
            1 => Some(object([at, ("od", value.clone()), ("oi", self.value(1))])),
            _ => self.edit(value, path),
        }
    }

    fn splice(&mut self, text: &Utf16, path: &mut Vec<Json>) -> Json {
        let at = self.below(text.len() + 1);
        let end = (at + self.below(4)).min(text.len());
        path.push((at as u64).into());
        let path = ("p", Json::from(path.clone()));
        match at < end {
            true => object([path, ("sd", Json::String(text.cells()[at..end].into()))]),
            false => object([path, ("si", self.some_words().as_str().into())]),
        }
    }
}

/// How long a text or a delta is, as its type counts.
pub(crate) fn length(document: &Snapshot) -> u64 {
    match document {
        Snapshot::Json0(_) => 0,
        Snapshot::Text(text) => text.len() as u64,
        Snapshot::TextUnicode(text) => text.to_string().chars().count() as u64,
        Snapshot::RichText(delta) => {
            let lengths = delta.components().iter().map(|step| match step.action() {
                engine::ot::Action::Insert(text) => text.len() as u64,
                _ => 1,
            });
            lengths.sum()
        }
    }
}

pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Json)>) -> Json {
    let members = members.into_iter();
    Object::new(members.map(|(name, value)| (name.into(), value))).into()
}

const PIECES: [&str; 5] = ["a", "bc", "é", "😀", "\n"];

const KEYS: [&str; 5] = ["a", "b", "c", "7", "10"];
