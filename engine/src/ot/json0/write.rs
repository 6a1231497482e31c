//! Edits to JSON.

use super::{Act, Component, Edit, Json, Object, Step};

impl Component {
    pub(super) fn json(&self) -> Json {
        let mut path = self.path.clone();
        let mut fields = Object::default();
        if let Edit::Text(splice) = &self.edit {
            path.push(Step::Index(splice.at));
        }
        fields.insert("p".into(), path.json());
        for (name, value) in self.edit.fields().iter() {
            fields.insert(name.clone(), value.clone());
        }
        fields.into()
    }
}

impl Edit {
    fn fields(&self) -> Object {
        let (names, change) = match self {
            Self::Add(number) => return field("na", Json::Number(*number)),
            Self::Move(to) => return field("lm", (*to).into()),
            Self::Text(splice) => {
                let name = match splice.act {
                    Act::Insert => "si",
                    Act::Delete => "sd",
                };
                return field(name, Json::String(splice.text.clone()));
            }
            Self::Embedded(embedded) => return embedded.fields(),
            Self::Item(change) => (["ld", "li"], change),
            Self::Member(change) => (["od", "oi"], change),
        };
        let values = [&change.deleted, &change.inserted];
        let fields = std::iter::zip(names, values);
        let fields = fields.filter_map(|(name, value)| Some((name.into(), value.clone()?)));
        Object::new(fields)
    }
}

fn field(name: &str, value: Json) -> Object {
    Object::new([(name.into(), value)])
}
