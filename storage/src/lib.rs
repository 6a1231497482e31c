//! Where changes are kept. The only crate that knows SQL.

mod store;
pub use store::{
    Answer, Description, DocumentQuery, Past, Place, Store, StoreError, TimelinePage,
    WorkspaceSummary,
};
