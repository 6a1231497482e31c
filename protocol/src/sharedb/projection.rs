//! Projections: collections of which clients see another one, and of its documents some members at the top and nothing else.
//! They are those of ShareDB (`lib/projections.js`), and only of documents of `json0`.
//!
//! A projected document counts its versions as the one behind it, so every operation there is one here, perhaps one that does
//! nothing. What holds no object looks like null. While the document behind it is of another type there is nothing to be seen:
//! whoever asks for it is refused, and whoever is told of operations is told that it is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::ordered::{Action, Deed, Record, State};
use engine::ot::{Json, Object, OtType, Snapshot, Utf16};

use super::Address;

/// All projections, by the names that clients have for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projections(BTreeMap<String, Arc<Projection>>);

/// What is seen of the documents of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    collection: String,
    fields: Vec<Utf16>,
}

impl Projections {
    /// Adds one. False if there is one of that name.
    pub fn add(&mut self, name: String, projection: Projection) -> bool {
        let is_new = !self.0.contains_key(&name);
        if is_new {
            self.0.insert(name, Arc::new(projection));
        }
        is_new
    }

    /// What a collection is a projection of, if it is one.
    pub fn get(&self, name: &str) -> Option<&Arc<Projection>> {
        self.0.get(name)
    }

    /// All of them, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Projection)> {
        let all = self.0.iter();
        all.map(|(name, projection)| (name.as_str(), &**projection))
    }
}

impl Projection {
    /// These members of the documents of a collection.
    pub fn new<'a>(collection: &str, fields: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            collection: collection.to_owned(),
            fields: fields.into_iter().map(Utf16::from).collect(),
        }
    }

    /// The collection whose documents are seen.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// The document that is seen as this one.
    pub fn behind(&self, seen: &Address) -> Address {
        Address {
            collection: self.collection.clone(),
            id: seen.id.clone(),
        }
    }

    /// What is seen of a document.
    ///
    /// # Errors
    /// It is of another type, which is given.
    pub fn state(&self, state: &State) -> Result<State, OtType> {
        let content = match &state.content {
            None => None,
            Some(Snapshot::Json0(json)) => Some(Snapshot::Json0(self.value(json))),
            Some(other) => return Err(other.ot_type()),
        };
        Ok(State {
            version: state.version,
            content,
            clock: state.clock.clone(),
        })
    }

    /// What is seen of an operation.
    pub fn record(&self, record: &Record) -> Record {
        Record {
            version: record.version,
            made_on: record.made_on,
            name: record.name.clone(),
            action: self.action(&record.action),
        }
    }

    fn action(&self, action: &Action) -> Action {
        let seen = match action {
            Action::Create {
                ot_type: OtType::Json0,
                data,
            } => self.creation(data.as_deref()),
            Action::Edit { .. } => action.committed().and_then(|edit| self.edit(edit)),
            Action::Create { .. } | Action::Delete => None,
        };
        seen.unwrap_or(Action::Delete)
    }

    fn creation(&self, data: Option<&str>) -> Option<Action> {
        let data = match data {
            Some(data) => Some(self.value(&Json::read(data).ok()?).write().into()),
            None => None,
        };
        Some(Action::Create {
            ot_type: OtType::Json0,
            data,
        })
    }

    fn edit(&self, edit: &str) -> Option<Action> {
        let edit = Json::read(edit).ok()?;
        let mut seen = Vec::new();
        for component in edit.as_array()? {
            let fields = component.as_object()?;
            match member(fields, "p")?.as_array()? {
                [] => seen.extend(self.replacement(fields)),
                [first, ..] if self.shows(first) => seen.push(component.clone()),
                _ => {}
            }
        }
        Some(Action::Edit {
            received: Json::from(seen).write().into(),
            committed: None,
        })
    }

    /// What is seen of a component that exchanges the whole document; nothing of others that are made there.
    fn replacement(&self, component: &Object) -> Option<Json> {
        let seen = ["od", "oi"].into_iter().filter_map(|name| {
            let value = self.value(member(component, name)?);
            Some((name.into(), value))
        });
        let seen: Vec<_> = seen.collect();
        let path = ("p".into(), Json::from(Vec::new()));
        (!seen.is_empty()).then(|| Object::new([path].into_iter().chain(seen)).into())
    }

    /// Whether somebody who sees nothing else may do this.
    pub fn allows(&self, deed: &Deed) -> bool {
        match deed {
            Deed::Create { ot_type, data } => {
                let data = data.as_deref().map_or(Ok(Json::Null), Json::read);
                *ot_type == OtType::Json0 && data.is_ok_and(|data| self.is_all_of(&data))
            }
            Deed::Edit(edit) => Json::read(edit).is_ok_and(|edit| self.allows_edit(&edit)),
            Deed::Delete => true,
        }
    }

    fn allows_edit(&self, edit: &Json) -> bool {
        let is_allowed = |component: &Json| {
            let path = component.as_object().and_then(|it| member(it, "p"));
            let first = path.and_then(Json::as_array).and_then(<[Json]>::first);
            first.is_some_and(|first| self.shows(first))
        };
        edit.as_array()
            .is_some_and(|edit| edit.iter().all(is_allowed))
    }

    /// Whether a document that holds this hides nothing.
    fn is_all_of(&self, data: &Json) -> bool {
        match data {
            Json::Null => true,
            Json::Object(object) => object.iter().all(|(name, _)| self.fields.contains(name)),
            _ => false,
        }
    }

    /// Whether the first step of a path leads to something that is seen.
    fn shows(&self, step: &Json) -> bool {
        step.as_text()
            .is_some_and(|name| self.fields.contains(name))
    }

    /// What is seen of what a document holds.
    fn value(&self, value: &Json) -> Json {
        let Some(object) = value.as_object() else {
            return Json::Null;
        };
        let seen = object.iter().filter(|(name, _)| self.fields.contains(name));
        Object::new(seen.map(|(name, value)| (name.clone(), value.clone()))).into()
    }
}

fn member<'a>(object: &'a Object, name: &str) -> Option<&'a Json> {
    object.get(&name.into())
}

#[cfg(test)]
mod tests {
    use engine::ordered::OperationName;
    use engine::ot::{Operation, Work};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Edits of documents with these members, each of which fits some of them.
    const EDITS: [&str; 9] = [
        r#"{"p":["age"],"na":2}"#,
        r#"{"p":["age"],"od":null,"oi":7}"#,
        r#"{"p":["color"],"od":"red","oi":[]}"#,
        r#"{"p":["color",0],"li":"blue"}"#,
        r#"{"p":["owner","name"],"oi":"ann"}"#,
        r#"{"p":["owner"],"od":{}}"#,
        r#"{"p":[],"oi":{"age":1,"color":["red"],"owner":{}}}"#,
        r#"{"p":[],"od":{},"oi":["age"]}"#,
        r#"{"p":[0],"li":"age"}"#,
    ];

    fn edited(content: &Snapshot, edit: &str) -> Option<Snapshot> {
        let operation = Operation::read(OtType::Json0, edit).unwrap();
        let mut content = content.clone();
        let applied = content.apply(&operation, &mut Work::steps(1_000_000));
        applied.ok().map(|()| content)
    }

    proptest! {
        #[test]
        fn what_is_seen_of_operations_leads_to_what_is_seen(edits in vec(0..EDITS.len(), 0..20)) {
            let mut state = holding(OtType::Json0, r#"{"age":3,"color":["red"],"owner":{"name":"jim"}}"#);
            let mut client = summary().state(&state).unwrap().content.unwrap();
            for edit in edits {
                let edit = format!("[{}]", EDITS[edit]);
                let Some(content) = edited(state.content.as_ref().unwrap(), &edit) else {
                    continue;
                };
                state.content = Some(content);
                client = edited(&client, &edit_seen(&edit).unwrap()).unwrap();
                let seen = summary().state(&state).unwrap();
                prop_assert_eq!(Some(&client), seen.content.as_ref());
                if summary().allows(&Deed::Edit(edit.clone().into())) {
                    prop_assert_eq!(edit_seen(&edit), Some(Json::read(&edit).unwrap().write()));
                }
            }
        }
    }

    fn summary() -> Projection {
        Projection::new("dogs", ["age", "owner"])
    }

    fn holding(ot_type: OtType, data: &str) -> State {
        State {
            version: 3,
            content: Snapshot::create(ot_type, Some(data)).ok(),
            ..State::default()
        }
    }

    fn seen(action: Action) -> Action {
        let name = OperationName {
            source: "me".into(),
            number: 1,
        };
        let record = Record {
            version: 4,
            made_on: Some(4),
            name,
            action,
        };
        let seen = summary().record(&record);
        assert_eq!((seen.version, &seen.name), (4, &record.name));
        seen.action
    }

    fn edit_seen(committed: &str) -> Option<String> {
        let seen = seen(Action::Edit {
            received: r#"[{"p":["secret"],"oi":1}]"#.into(),
            committed: Some(committed.into()),
        });
        seen.committed().map(str::to_owned)
    }

    #[test]
    fn of_a_document_the_members_at_the_top_are_seen_that_were_named() {
        let seen = |data| {
            let seen = summary().state(&holding(OtType::Json0, data)).unwrap();
            assert_eq!(seen.version, 3);
            seen.content.unwrap().write()
        };
        assert_eq!(
            seen(r#"{"age":1,"color":2,"owner":{"color":3}}"#),
            r#"{"age":1,"owner":{"color":3}}"#
        );
        assert_eq!(seen(r#"{"color":2}"#), "{}");
        for nothing in ["null", "7", r#"["age"]"#, r#""age""#] {
            assert_eq!(seen(nothing), "null");
        }
        assert_eq!(summary().state(&State::default()), Ok(State::default()));
    }

    #[test]
    fn of_an_operation_is_seen_what_it_does_to_what_is_seen() {
        for (committed, seen) in [
            (r#"[{"p":["age"],"na":1}]"#, r#"[{"p":["age"],"na":1}]"#),
            (
                r#"[{"p":["color"],"oi":1},{"p":["owner","x"],"oi":2}]"#,
                r#"[{"p":["owner","x"],"oi":2}]"#,
            ),
            (r#"[{"p":["color"],"oi":1}]"#, "[]"),
            (r#"[{"p":[0],"li":1}]"#, "[]"),
            (r#"[{"p":[],"na":1}]"#, "[]"),
            (
                r#"[{"p":[],"od":{"age":1,"color":2},"oi":[3]}]"#,
                r#"[{"p":[],"od":{"age":1},"oi":null}]"#,
            ),
        ] {
            assert_eq!(edit_seen(committed).as_deref(), Some(seen));
        }
        let create = |data: &str| Action::Create {
            ot_type: OtType::Json0,
            data: Some(data.into()),
        };
        assert_eq!(
            seen(create(r#"{"color":1,"age":2}"#)),
            create(r#"{"age":2}"#)
        );
        assert_eq!(seen(Action::Delete), Action::Delete);
    }

    #[test]
    fn of_other_types_nothing_is_seen() {
        let text = holding(OtType::Text, r#""age""#);
        assert_eq!(summary().state(&text), Err(OtType::Text));
        let create = Action::Create {
            ot_type: OtType::Text,
            data: Some(r#""age""#.into()),
        };
        assert_eq!(seen(create), Action::Delete);
        for of_others in [r#"["age"]"#, r#"[4,{"d":1}]"#, r#"{"ops":[]}"#] {
            assert_eq!(edit_seen(of_others), None, "{of_others}");
        }
    }

    #[test]
    fn only_what_is_seen_may_be_changed() {
        let allows = |edit: &str| summary().allows(&Deed::Edit(edit.into()));
        assert!(allows(r#"[{"p":["age"],"na":1},{"p":["owner","x"],"oi":2}]"#) && allows("[]"));
        for refused in [
            r#"[{"p":["age"],"na":1},{"p":["color"],"oi":2}]"#,
            r#"[{"p":[],"oi":{"age":1}}]"#,
            r#"[{"p":[0],"li":1}]"#,
            r#"[{"p":["color"],"p":["age"],"p":["color"],"oi":2}]"#,
            r#"[{"oi":1}]"#,
            r#"{"0":{"p":["age"]},"length":1}"#,
            "[null]",
            "7",
        ] {
            assert!(!allows(refused), "{refused}");
        }
        let creates = |ot_type, data: Option<&str>| {
            let data = data.map(Box::from);
            summary().allows(&Deed::Create { ot_type, data })
        };
        assert!(creates(OtType::Json0, None) && creates(OtType::Json0, Some("null")));
        assert!(creates(OtType::Json0, Some(r#"{"age":{"color":1}}"#)));
        assert!(!creates(OtType::Json0, Some(r#"{"age":1,"color":1}"#)));
        assert!(!creates(OtType::Json0, Some(r#"["age"]"#)) && !creates(OtType::Text, None));
        assert!(summary().allows(&Deed::Delete));
    }
}
