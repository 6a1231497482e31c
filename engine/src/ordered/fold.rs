//! The fold: a state goes on by one stored operation after the other. For looking back, where nothing has a place to get.
//!
//! The state at a version is the fold of all operations before it, from nothing or from a snapshot on the way.

use bytes::Bytes;

use crate::change::Change;
use crate::ot::{Json, Operation, Snapshot, Utf16, Work};
use crate::snapshot;

use super::past::{Broken, record_of};
use super::placing::Misplaced;
use super::record::{Action, MalformedRecord, Record};
use super::state::State;

impl State {
    /// The state that a stored snapshot holds.
    ///
    /// # Errors
    /// It is not the snapshot of an ordered document.
    pub fn of(snapshot: &snapshot::Snapshot) -> Result<Self, MalformedRecord> {
        Self::from_bytes(&snapshot.state, snapshot.clock.clone())
    }

    /// Goes on by the next change of the document.
    ///
    /// # Errors
    /// It is no operation, is not the next one, or does not fit. The state is as it was.
    pub fn follow(&mut self, change: &Change) -> Result<(), Broken> {
        let dot = change.dot;
        let record = record_of(change)?;
        let followed = self.advance(&record);
        followed.map_err(|why| Broken::Unfit { dot, why })?;
        self.clock.observe(dot);
        Ok(())
    }

    /// Goes on by the operation of a change, and gives it if it is an edit. Which changes there were is not taken note of.
    pub(super) fn advance(&mut self, record: &Record) -> Result<Option<Operation>, Misplaced> {
        if record.version != self.version {
            let (made_on, version) = (record.version, self.version);
            return Err(Misplaced::Ahead { made_on, version });
        }
        let operation = self.make(&record.action, &mut Work::steps(u64::MAX))?;
        self.version += 1;
        Ok(operation)
    }

    /// Does something with what the document holds, and gives what it was if it is an edit.
    ///
    /// # Errors
    /// It does not fit, or takes too much work. The state is as it was.
    pub(super) fn make(
        &mut self,
        action: &Action,
        work: &mut Work,
    ) -> Result<Option<Operation>, Misplaced> {
        match (action, &mut self.content) {
            (Action::Delete, content) => *content = None,
            (Action::Create { .. }, Some(_)) => return Err(Misplaced::Exists),
            (Action::Create { ot_type, data }, content) => {
                *content = Some(Snapshot::create(*ot_type, data.as_deref())?);
            }
            (Action::Edit { .. }, None) => return Err(Misplaced::NotThere),
            (Action::Edit { .. }, Some(content)) => {
                let text = action.committed().unwrap_or_default();
                let operation = Operation::read(content.ot_type(), text)?;
                content.apply(&operation, work)?;
                return Ok(Some(operation));
            }
        }
        Ok(None)
    }

    /// What the document holds as JSON text, as its clients have it; null if there is none. Of json0 perhaps one member
    /// only, and null if there is none of that name.
    pub fn json(&self, member: Option<&str>) -> Bytes {
        let json = match (&self.content, member) {
            (None, _) => Json::Null.write(),
            (Some(Snapshot::Json0(json)), Some(name)) => {
                let members = json.as_object();
                let member = members.and_then(|members| members.get(&Utf16::from(name)));
                member.unwrap_or(&Json::Null).write()
            }
            (Some(content), _) => content.write(),
        };
        json.into()
    }

    /// What the document holds as text: the texts as they are, but for halves of characters, which become U+FFFD; of
    /// rich-text what was inserted, each embedded thing as U+FFFC; of json0 the JSON. Empty if there is none.
    pub fn text(&self, member: Option<&str>) -> Bytes {
        match &self.content {
            None => Bytes::new(),
            Some(Snapshot::Text(text) | Snapshot::TextUnicode(text)) => text.to_string().into(),
            Some(Snapshot::RichText(delta)) => delta.text().into(),
            Some(Snapshot::Json0(_)) => self.json(member),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::VectorClock;
    use crate::ot::OtType;

    fn state(ot_type: OtType, data: &str) -> State {
        State {
            version: 1,
            content: Some(Snapshot::create(ot_type, Some(data)).unwrap()),
            clock: VectorClock::default(),
        }
    }

    #[test]
    fn halves_of_characters_stay_in_json_and_are_replaced_in_text() {
        let text = state(OtType::Text, r#""a\ud83db""#);
        assert_eq!(text.json(None), r#""a\ud83db""#);
        assert_eq!(text.text(None), "a\u{fffd}b");
    }

    #[test]
    fn embedded_things_stand_in_text_as_one_character() {
        let data = r#"[{"insert":"a"},{"insert":{"image":"x"}},{"insert":"b","attributes":{"bold":true}}]"#;
        let rich = state(OtType::RichText, data);
        assert_eq!(rich.text(None), "a\u{fffc}b");
        assert_eq!(rich.json(None), format!(r#"{{"ops":{data}}}"#));
    }

    #[test]
    fn members_of_json_are_had_on_their_own() {
        let json = state(OtType::Json0, r#"{"a":[1,2],"b":null}"#);
        assert_eq!(json.json(Some("a")), "[1,2]");
        assert_eq!(json.json(Some("c")), "null");
        assert_eq!(json.text(None), json.json(None));
        assert_eq!(state(OtType::Json0, "[1]").json(Some("0")), "null");
    }

    #[test]
    fn there_is_nothing_before_a_document_is_created() {
        let none = State::default();
        assert_eq!(
            (&*none.json(None), &*none.text(None)),
            (&b"null"[..], &b""[..])
        );
    }
}
