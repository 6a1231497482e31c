//! The ShareDB dialect, as the npm package `sharedb` 7.0 speaks it, protocol 1.2 (`lib/agent.js`, `lib/client/`), and as
//! its clients of 1.x still do.
//!
//! A message is a JSON object in a text frame. `a` says what it is about, `c` and `d` name a document by its collection and
//! its id. Documents and operations are handed on as the text that they came as, so that halves of characters and the order
//! of members survive; they are taken apart by their type and by nobody else.
//!
//! | `a` | from the client | answer |
//! |---|---|---|
//! | `init` | | the server speaks first: its protocol, and what it calls the client |
//! | `hs` | its protocol, and what it was called before | the same as `init`; it comes twice, and is answered twice |
//! | `f`, `s`, `u` | fetch, subscribe, unsubscribe; with `v` only what came since | `data`, or operations and then this |
//! | `bf`, `bs`, `bu` | the same for a list or a map of versions `b` | `data` by id |
//! | `op` | `v`, `seq`, and one of `op`, `create`, `del` | what was missed, then `v` on which it was committed |
//! | `nf`, `nt` | a document as it was, by version or time | `v`, `data`, `type` |
//! | `pp` | a sign of life | the same |
//! | `ps`, `pu`, `p`, `pr` | presence of a channel | the same, and `p` of others |
//! | `qf`, `qs`, `qu` | a query; with `r` what was found before | `data` by place, and `q` with what has become of it |
//!
//! An answer has the `id` of its request, or its `c` and `d`; one that refuses is the whole request again with an `error`.

mod address;
pub use address::{Address, collection, collection_of, prefix_of};

mod beginning;
pub use beginning::about;

mod code;
pub use code::{Code, words};

mod projection;
pub use projection::{Projection, Projections};

mod read;
pub use read::{Asked, Bulk, Fault, Named, Results, Shown, Submission, is_name, read};

mod steps;
pub use steps::{Step, steps};

mod write;
pub use write::{
    acknowledged, answered, at_version, bare, bulk_answered, failed, found, greeting, operation,
    presence, presence_subscribed, query_changed, query_ended, query_failed, query_subscribed,
    refused, shown, snapshot, snapshots,
};

/// What a client is told that the server speaks.
pub const PROTOCOL: (u64, u64) = (1, 2);
