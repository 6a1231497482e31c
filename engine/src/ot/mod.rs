//! Operational transform: documents whose edits are made in one order, and transformed where they were not.
//!
//! Four types, each with the semantics of the npm package whose name it has, to the letter: [`OtType`] says which. A
//! [`Snapshot`] is a document, an [`Operation`] changes it. Whoever edits makes an operation on the version that he has
//! seen; if others came first, [`Operation::transform`] makes of it one that goes after theirs. For any two operations on
//! one document, a then b' and b then a' come to the same, if b' and a' are transformed with opposite sides (TP1). A
//! server that keeps one order needs no more.
//!
//! All comes and goes as JSON text, through a reader of our own: clients may part a character above U+FFFF, and such
//! halves have to come through ([`Utf16`]). Nothing here panics or recurses deep on any input, and what an input may cost
//! is bounded by [`Work`]. Beyond the originals, what would leave a document that clients cannot agree on is refused: see
//! `docs/decisions/0006-operations-are-refused-earlier.md`.

mod error;
pub use error::{Fault, Flaw, OtError};

mod json;
pub use json::{Json, NESTING_MAX, Object};

mod json0;
pub use json0::{Change, Component as Json0Component, Edit, Edits, Embedded, Path, Step};

mod operation;
pub use operation::{Operation, Side};

mod ot_type;
pub use ot_type::{OtType, UnknownType};

mod pairwise;

mod presence;

mod rich_text;
pub use rich_text::{Action, Component as RichTextComponent, Delta};

mod snapshot;
pub use snapshot::Snapshot;

mod text;
pub use text::{Component as TextComponent, Deleted, Measure, Walk};

mod text0;
pub use text0::{Act, Splice};

mod utf16;
pub use utf16::Utf16;

mod work;
#[cfg(feature = "sabotage")]
pub use work::OtBug;
pub use work::{COMPONENTS_MAX, Work};
