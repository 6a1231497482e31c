//! The members of an object, in the order in which JavaScript walks them: names that are list indexes first, ascending,
//! then all others as they came. Names are found by binary search.

use super::{Json, Utf16};

/// Named values.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// In JavaScript's order.
    members: Vec<(Utf16, Json)>,
    /// Places among the members, in the order of their names.
    by_name: Vec<u32>,
}

impl Object {
    /// Gathers members. Where a name comes again, the later value takes the earlier place.
    pub fn new(members: impl IntoIterator<Item = (Utf16, Json)>) -> Self {
        let mut object = Self {
            members: members.into_iter().collect(),
            by_name: Vec::new(),
        };
        object.sort();
        object.merge_repeated();
        object
            .members
            .sort_by_key(|(name, _)| index(name).unwrap_or(u32::MAX));
        object.sort();
        object
    }

    /// The value of a member.
    pub fn get(&self, name: &Utf16) -> Option<&Json> {
        let place = self.by_name[self.find(name).ok()?];
        Some(&self.members[place as usize].1)
    }

    /// The value of a member whose name is known here.
    pub(in crate::ot) fn field(&self, name: &str) -> Option<&Json> {
        self.get(&name.into())
    }

    /// The value of a member, to be changed.
    pub(in crate::ot) fn get_mut(&mut self, name: &Utf16) -> Option<&mut Json> {
        let place = self.by_name[self.find(name).ok()?];
        Some(&mut self.members[place as usize].1)
    }

    /// Sets a member, in its place if it is there already, and gives what it was.
    pub fn insert(&mut self, name: Utf16, value: Json) -> Option<Json> {
        match self.find(&name) {
            Ok(at) => {
                let place = self.by_name[at] as usize;
                Some(std::mem::replace(&mut self.members[place].1, value))
            }
            Err(at) => {
                let place = self.place_for(&name);
                self.shift(place, 1);
                self.by_name.insert(at, place);
                self.members.insert(place as usize, (name, value));
                None
            }
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &Utf16) -> Option<Json> {
        let at = self.find(name).ok()?;
        let place = self.by_name.remove(at);
        let (_, value) = self.members.remove(place as usize);
        self.shift(place, -1);
        Some(value)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Utf16, &Json)> {
        self.members.iter().map(|(name, value)| (name, value))
    }

    /// The members in the order of their names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&Utf16, &Json)> {
        let places = self.by_name.iter();
        places
            .map(|place| &self.members[*place as usize])
            .map(|(name, value)| (name, value))
    }

    fn find(&self, name: &Utf16) -> Result<usize, usize> {
        self.by_name
            .binary_search_by(|place| self.members[*place as usize].0.cmp(name))
    }

    fn place_for(&self, name: &Utf16) -> u32 {
        let place = match index(name) {
            Some(new) => self
                .members
                .partition_point(|(name, _)| index(name).is_some_and(|old| old < new)),
            None => self.members.len(),
        };
        place as u32
    }

    fn shift(&mut self, from: u32, by: i32) {
        for place in self.by_name.iter_mut().filter(|place| **place >= from) {
            *place = place.wrapping_add_signed(by);
        }
    }

    fn sort(&mut self) {
        let members = &self.members;
        self.by_name = (0..members.len() as u32).collect();
        self.by_name
            .sort_by(|one, other| members[*one as usize].0.cmp(&members[*other as usize].0));
    }

    /// The places of one name are neighbours in `by_name`, ascending.
    fn merge_repeated(&mut self) {
        let mut repeated = vec![false; self.members.len()];
        let mut first = 0;
        for at in 1..self.by_name.len() {
            let (earlier, later) = (self.by_name[first] as usize, self.by_name[at] as usize);
            if self.members[earlier].0 == self.members[later].0 {
                self.members[earlier].1 = self.members[later].1.clone();
                repeated[later] = true;
            } else {
                first = at;
            }
        }
        let mut repeated = repeated.into_iter();
        self.members.retain(|_| !repeated.next().unwrap_or(false));
    }
}

/// The same names with the same values, in any order.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && std::iter::zip(&self.by_name, &other.by_name)
                .all(|(one, two)| self.members[*one as usize] == other.members[*two as usize])
    }
}

/// What a name means as a list index: decimal, without a leading zero, less than 2^32 - 1.
fn index(name: &Utf16) -> Option<u32> {
    let cells = name.cells();
    let starts_well = cells.first() != Some(&u16::from(b'0')) || cells.len() == 1;
    if !starts_well || !(1..=10).contains(&cells.len()) {
        return None;
    }
    let value = cells.iter().try_fold(0_u64, |value, cell| {
        let digit = char::from_u32(u32::from(*cell))?.to_digit(10)?;
        Some(value * 10 + u64::from(digit))
    })?;
    u32::try_from(value).ok().filter(|index| *index != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(object: &Object) -> Vec<String> {
        object.iter().map(|(name, _)| name.to_string()).collect()
    }

    fn object(names: &[&str]) -> Object {
        Object::new(names.iter().map(|name| ((*name).into(), Json::from(*name))))
    }

    #[test]
    fn members_stand_as_javascript_walks_them() {
        let mut object = object(&["b", "10", "a", "2", "01", "4294967295"]);
        assert_eq!(names(&object), ["2", "10", "b", "a", "01", "4294967295"]);
        object.remove(&"b".into());
        object.insert("b".into(), Json::Null);
        object.insert("3".into(), Json::Null);
        assert_eq!(
            names(&object),
            ["2", "3", "10", "a", "01", "4294967295", "b"]
        );
        for name in names(&object) {
            assert!(object.get(&name.as_str().into()).is_some(), "{name}");
        }
    }

    #[test]
    fn a_repeated_name_has_its_last_value_in_its_first_place() {
        let members = [("x", 1), ("y", 2), ("x", 3), ("z", 4), ("x", 5)];
        let object = Object::new(
            members
                .into_iter()
                .map(|(name, value)| (name.into(), Json::from(value))),
        );
        assert_eq!(names(&object), ["x", "y", "z"]);
        assert_eq!(object.get(&"x".into()), Some(&Json::from(5)));
    }
}
