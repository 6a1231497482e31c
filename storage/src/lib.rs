//! Where changes are kept, and how nodes hear of them. The only crate that knows SQL and Redis.
//!
//! A [`Store`] is the truth about every document: the log of its changes, and snapshots that spare replaying it. When
//! [`Store::append`] returns, the changes survive a crash of the machine; an acknowledgement may be sent then, and not
//! before. Begin with the trait, whose docs are the contract; `contract` checks each promise of it for every
//! implementation alike.
//!
//! [`MemoryStore`] is the contract in its plainest form, for tests and for reading. [`SqliteStore`] keeps it on disk: one
//! writer that commits all that waits in one transaction, and readers beside it that never wait for the writer.
//! [`PostgresStore`] keeps it in a database that any number of nodes share.
//!
//! A [`Bus`] carries words between the nodes that share a store: [`RedisBus`], or [`MemoryBus`] within one process. It only
//! hurries: whatever gets lost on it is found again in the store.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bus;
pub use bus::{
    BEAT_LASTS, Bus, BusAnswer, BusError, BusFigures, BusState, Ear, MemoryBus, MemoryBusHub,
    NodeEntry, NodeLoad, OpenClock, Topic, Word,
};

#[cfg(any(test, feature = "contract"))]
pub mod contract;

mod damage;

mod failpoint;
pub use failpoint::Failpoint;

mod foreign;
pub use foreign::{
    ForeignDocument, ForeignError, HocuspocusDatabase, RepoDocument, RepoFault, RepoFile,
    RepoFolder, read_file,
};

mod lease;
pub use lease::{Holder, Lease};

mod memory;
pub use memory::MemoryStore;

mod news;
pub use news::{Changed, News, NewsHabit, Told};

mod numbers;

mod operation;

mod pace;

mod postgres;
pub use postgres::{Commits, ConnectError, PostgresPools, PostgresStore};

mod quarantine;
pub use quarantine::{QuarantineEntry, QuarantineQuery};

mod redis;
pub use redis::{BadRedisUrl, RedisBus};

mod revocation;
pub use revocation::{Revocation, RevocationEntry, Revoked};

mod sqlite;
pub use sqlite::{OpenError, SqliteStore};

mod store;
pub use store::{
    Answer, AppendRefused, Description, DocumentQuery, Past, Place, Standing, Store, StoreError,
    TimelinePage, WorkspaceSummary, load_log,
};

mod thinning;

mod ticket;
pub use ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};
