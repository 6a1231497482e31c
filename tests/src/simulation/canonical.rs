//! The canonical form of a document's content: equal content has equal bytes, whoever holds it and however it came.
//!
//! The encoding of yrs is not canonical: it depends on where items happen to be cut or joined, on which of the deleted
//! were collected, and on the order in which clients were met. So an update that holds everything is taken apart here, by a
//! reader of our own, down to the single clock unit: its neighbours when it was made, its parent and key, and the one unit
//! of content that it carries, or only that it is deleted. With the visible content in its order, which the units alone
//! do not show, that is all that two replicas must agree upon.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use serde_json::Value;
use yrs::encoding::read::{Cursor, Read};
use yrs::updates::decoder::Decode;
use yrs::{Any, Update};

/// The name of one unit: who made it, and the how-many-eth of theirs it is.
type Id = (u64, u32);

/// What a document holds, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canonical {
    units: BTreeMap<Id, String>,
    view: String,
}

impl Canonical {
    /// The form of what an update that holds everything says, and of what is visible of it.
    ///
    /// # Errors
    /// The update does not decode.
    pub fn new(update: &[u8], view: &Value) -> Result<Self> {
        let mut units = Units::read(update)?;
        let deleted = Update::decode_v1(update)?;
        for (client, ranges) in deleted.delete_set().iter() {
            for clock in ranges.iter().flat_map(Clone::clone) {
                units.delete((client.get(), clock));
            }
        }
        Ok(Self {
            units: units.described(),
            view: view.to_string(),
        })
    }

    /// All of it as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for ((client, clock), unit) in &self.units {
            let _ = writeln!(text, "{client}.{clock} {unit}");
        }
        text.push_str(&self.view);
        text.into_bytes()
    }

    /// Where two contents first differ, for people.
    pub fn difference(&self, other: &Self) -> String {
        let ids = self.units.keys().chain(other.units.keys());
        let differs = |id: &&Id| self.units.get(id) != other.units.get(id);
        match ids.filter(differs).min() {
            Some(id) => format!(
                "unit {id:?} is {:?} and {:?}",
                self.units.get(id),
                other.units.get(id)
            ),
            None => format!("units are equal, seen is {} and {}", self.view, other.view),
        }
    }

    /// How many units there are, deleted ones among them.
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether nobody ever wrote anything.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

/// One unit as it was read.
#[derive(Clone, Debug)]
struct Unit {
    origin: Option<Id>,
    right_origin: Option<Id>,
    parent: Option<Parent>,
    /// None once it is deleted.
    content: Option<String>,
}

/// Where an item without neighbours hangs.
#[derive(Clone, Debug)]
struct Parent {
    of: String,
    key: Option<String>,
}

#[derive(Debug, Default)]
struct Units(BTreeMap<Id, Unit>);

impl Units {
    fn read(update: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(update);
        let mut units = Self::default();
        for _ in 0..cursor.read_var::<u32>()? {
            let structs: u32 = cursor.read_var()?;
            let client: u64 = cursor.read_var()?;
            let mut clock: u32 = cursor.read_var()?;
            for _ in 0..structs {
                clock = units.read_struct(&mut cursor, client, clock)?;
            }
        }
        Ok(units)
    }

    fn read_struct(&mut self, cursor: &mut Cursor<'_>, client: u64, clock: u32) -> Result<u32> {
        let info = cursor.read_u8()?;
        if info == SKIP {
            return Ok(clock + cursor.read_var::<u32>()?);
        }
        let (item, contents) = if info == GC {
            let length: u32 = cursor.read_var()?;
            (Unit::collected(), vec![None; length as usize])
        } else {
            (
                Unit::read_place(cursor, info)?,
                read_content(cursor, info & CONTENT_MASK)?,
            )
        };
        let mut next = clock;
        for content in contents {
            let mut unit = Unit {
                content,
                ..item.clone()
            };
            if next > clock {
                unit.origin = Some((client, next - 1));
            }
            self.0.insert((client, next), unit);
            next += 1;
        }
        Ok(next)
    }

    fn delete(&mut self, id: Id) {
        self.0.entry(id).or_insert_with(Unit::collected).content = None;
    }

    fn described(&self) -> BTreeMap<Id, String> {
        let rooted = self.rooted();
        let described = self.0.iter().map(|(id, unit)| {
            let root = rooted.get(id).copied().flatten();
            let parent = root.and_then(|root| self.0.get(&root)?.parent.as_ref());
            (*id, unit.describe(parent))
        });
        described.collect()
    }

    /// For each unit the one that says where it hangs: an item that has neighbours is where they are. Each is passed once,
    /// because the way along neighbours is as long as the text.
    fn rooted(&self) -> HashMap<Id, Option<Id>> {
        let mut rooted = HashMap::new();
        for id in self.0.keys() {
            let (mut at, mut passed) = (*id, Vec::new());
            let root = loop {
                if let Some(root) = rooted.get(&at) {
                    break *root;
                }
                passed.push(at);
                let Some(unit) = self.0.get(&at) else {
                    break None;
                };
                if unit.parent.is_some() {
                    break Some(at);
                }
                match unit.origin.or(unit.right_origin) {
                    Some(neighbour) => at = neighbour,
                    None => break None,
                }
            };
            rooted.extend(passed.into_iter().map(|id| (id, root)));
        }
        rooted
    }
}

impl Unit {
    fn describe(&self, parent: Option<&Parent>) -> String {
        let Some(content) = &self.content else {
            return "deleted".to_owned();
        };
        let (of, key) = parent.map_or(("?", None), |parent| (&*parent.of, parent.key.as_deref()));
        format!(
            "{content} after {:?} before {:?} in {of} at {key:?}",
            self.origin, self.right_origin
        )
    }

    fn collected() -> Self {
        Self {
            origin: None,
            right_origin: None,
            parent: None,
            content: None,
        }
    }

    fn read_place(cursor: &mut Cursor<'_>, info: u8) -> Result<Self> {
        let mut place = Self::collected();
        if info & HAS_ORIGIN != 0 {
            place.origin = Some(read_id(cursor)?);
        }
        if info & HAS_RIGHT_ORIGIN != 0 {
            place.right_origin = Some(read_id(cursor)?);
        }
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            let of = match cursor.read_var::<u32>()? {
                1 => cursor.read_string()?.to_owned(),
                _ => format!("{:?}", read_id(cursor)?),
            };
            let key = (info & HAS_KEY != 0)
                .then(|| cursor.read_string().map(str::to_owned))
                .transpose()?;
            place.parent = Some(Parent { of, key });
        }
        Ok(place)
    }
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<Id> {
    Ok((cursor.read_var()?, cursor.read_var()?))
}

/// The content of an item, unit by unit; none for what is deleted.
fn read_content(cursor: &mut Cursor<'_>, kind: u8) -> Result<Vec<Option<String>>> {
    Ok(match kind {
        DELETED => vec![None; cursor.read_var::<u32>()? as usize],
        JSON | ANY => (0..cursor.read_var::<u32>()?)
            .map(|_| read_value(cursor, kind).map(Some))
            .collect::<Result<_>>()?,
        STRING => {
            let units = cursor.read_string()?.encode_utf16();
            units.map(|unit| Some(format!("text {unit}"))).collect()
        }
        _ => vec![Some(read_single(cursor, kind)?)],
    })
}

fn read_value(cursor: &mut Cursor<'_>, kind: u8) -> Result<String> {
    Ok(match kind {
        JSON => format!("json {}", cursor.read_string()?),
        // Keys of objects are in any order; serde_json sorts them.
        _ => format!("any {}", serde_json::to_value(Any::decode(cursor)?)?),
    })
}

fn read_single(cursor: &mut Cursor<'_>, kind: u8) -> Result<String> {
    let start = cursor.next;
    match kind {
        BINARY => drop(cursor.read_buf()?),
        EMBED => drop(cursor.read_string()?),
        FORMAT => {
            cursor.read_string()?;
            cursor.read_string()?;
        }
        TYPE => {
            if matches!(cursor.read_var::<u32>()?, TYPE_XML_ELEMENT | TYPE_XML_HOOK) {
                cursor.read_string()?;
            }
        }
        DOCUMENT => return read_document(cursor),
        _ => ensure!(false, "an item holds content of kind {kind}"),
    }
    Ok(format!(
        "kind {kind} {:?}",
        String::from_utf8_lossy(&cursor.buf[start..cursor.next])
    ))
}

fn read_document(cursor: &mut Cursor<'_>) -> Result<String> {
    let guid = cursor.read_string()?.to_owned();
    let mut options = serde_json::to_value(Any::decode(cursor)?)?;
    // Whether it is loaded here is each replica's own affair; yjs does not write it at all.
    options
        .as_object_mut()
        .map(|options| options.remove("shouldLoad"));
    Ok(format!("document {guid} {options}"))
}

const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
const CONTENT_MASK: u8 = 0x1f;

const GC: u8 = 0;
const DELETED: u8 = 1;
const JSON: u8 = 2;
const BINARY: u8 = 3;
const STRING: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
const ANY: u8 = 8;
const DOCUMENT: u8 = 9;
const SKIP: u8 = 10;

const TYPE_XML_ELEMENT: u32 = 3;
const TYPE_XML_HOOK: u32 = 5;
