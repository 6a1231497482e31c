//! The structs of an update, read one by one without building anything of them.
//!
//! An update (first encoding) is a section of structs for each client, and then a delete set. A struct begins with a byte of
//! flags and the kind of its content; then come its neighbours or, where it has none, its parent; then the content. The
//! format is that of `yjs/src/utils/encoding.js` and `src/structs/`.

use yrs::Any;
use yrs::encoding::read::{Cursor, Error, Read};

/// What the structs of one client begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// How many follow.
    pub(super) structs: u32,
    pub(super) client: u64,
    /// Where the first of them begins.
    pub(super) clock: u32,
}

/// One struct, as far as its place matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Struct {
    /// In clock units.
    pub(super) length: u32,
    pub(super) is: Is,
    pub(super) origin: Option<Id>,
    pub(super) right: Option<Id>,
    pub(super) parent: Parent,
}

/// What a struct is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// It stands for a hole.
    Hole,
    /// It was collected, and is at no place.
    Collected,
    /// It was deleted, and its content is gone.
    Deleted,
    /// It is a shared type, which can hold others.
    Type,
    /// It is another document.
    Subdocument,
    /// Any other content.
    Leaf,
}

/// The name of one clock unit of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) client: u64,
    pub(super) clock: u32,
}

/// What holds a struct.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parent {
    /// What holds its neighbours.
    Neighbours,
    /// A root type.
    Root,
    /// A shared type within the document.
    Item(Id),
}

/// How many structs an update has.
pub(super) fn count(update: &[u8]) -> Result<usize, Error> {
    let mut cursor = Cursor::new(update);
    let mut structs = 0;
    for _ in 0..cursor.read_var::<u32>()? {
        let header = Header::read(&mut cursor)?;
        (0..header.structs).try_for_each(|_| Struct::read(&mut cursor).map(drop))?;
        structs += header.structs as usize;
    }
    Ok(structs)
}

impl Header {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok(Self {
            structs: cursor.read_var()?,
            client: cursor.read_var()?,
            clock: cursor.read_var()?,
        })
    }
}

impl Struct {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let info = cursor.read_u8()?;
        match info {
            GC => Self::placeless(Is::Collected, cursor),
            SKIP => Self::placeless(Is::Hole, cursor),
            _ => Self::item(info, cursor),
        }
    }

    fn placeless(is: Is, cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok(Self {
            length: cursor.read_var()?,
            is,
            origin: None,
            right: None,
            parent: Parent::Neighbours,
        })
    }

    fn item(info: u8, cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let mut id = |flag| {
            let there = info & flag != 0;
            there.then(|| Id::read(cursor)).transpose()
        };
        let (origin, right) = (id(HAS_ORIGIN)?, id(HAS_RIGHT_ORIGIN)?);
        let parent = match (origin, right) {
            (None, None) => Parent::read(cursor, info)?,
            _ => Parent::Neighbours,
        };
        let kind = info & CONTENT_MASK;
        Ok(Self {
            length: read_content(cursor, kind)?,
            is: match kind {
                TYPE => Is::Type,
                DELETED => Is::Deleted,
                DOCUMENT => Is::Subdocument,
                _ => Is::Leaf,
            },
            origin,
            right,
            parent,
        })
    }
}

impl Id {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        Ok(Self {
            client: cursor.read_var()?,
            clock: cursor.read_var()?,
        })
    }
}

impl Parent {
    /// The parent, and over the key in it.
    pub(super) fn read(cursor: &mut Cursor<'_>, info: u8) -> Result<Self, Error> {
        let parent = match cursor.read_var::<u32>()? {
            PARENT_IS_NAMED => {
                cursor.read_string()?;
                Self::Root
            }
            _ => Self::Item(Id::read(cursor)?),
        };
        if info & HAS_KEY != 0 {
            cursor.read_string()?;
        }
        Ok(parent)
    }
}

/// Reads over the content; gives its length in clock units.
pub(super) fn read_content(cursor: &mut Cursor<'_>, kind: u8) -> Result<u32, Error> {
    match kind {
        DELETED => cursor.read_var(),
        JSON | ANY => {
            let count = cursor.read_var()?;
            (0..count).try_for_each(|_| read_one(cursor, kind))?;
            Ok(count)
        }
        STRING => {
            let units = cursor.read_string()?.encode_utf16().count();
            u32::try_from(units).map_err(|_| Error::UnexpectedValue)
        }
        _ => read_single(cursor, kind).map(|()| 1),
    }
}

/// Reads over one of the values that a list of them holds.
pub(super) fn read_one(cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Error> {
    match kind {
        JSON => cursor.read_string().map(drop),
        _ => Any::decode(cursor).map(drop),
    }
}

fn read_single(cursor: &mut Cursor<'_>, kind: u8) -> Result<(), Error> {
    match kind {
        BINARY => drop(cursor.read_buf()?),
        EMBED => drop(cursor.read_string()?),
        FORMAT => {
            cursor.read_string()?;
            cursor.read_string()?;
        }
        TYPE => {
            if cursor.read_u8()? == TYPE_XML_ELEMENT {
                cursor.read_string()?;
            }
        }
        DOCUMENT => {
            cursor.read_string()?;
            Any::decode(cursor)?;
        }
        _ => return Err(Error::UnexpectedValue),
    }
    Ok(())
}

// The first byte of a struct: flags, and below them the kind of content.
pub(super) const HAS_ORIGIN: u8 = 0x80;
pub(super) const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
pub(super) const CONTENT_MASK: u8 = 0x1f;
const PARENT_IS_NAMED: u32 = 1;

pub(super) const GC: u8 = 0;
pub(super) const DELETED: u8 = 1;
pub(super) const JSON: u8 = 2;
const BINARY: u8 = 3;
pub(super) const STRING: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
pub(super) const ANY: u8 = 8;
pub(super) const DOCUMENT: u8 = 9;
pub(super) const SKIP: u8 = 10;

const TYPE_XML_ELEMENT: u8 = 3;
