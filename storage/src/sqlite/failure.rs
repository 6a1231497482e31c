//! What SQLite's result codes mean to a caller of the store.

use crate::store::StoreError;

/// The general code: the statement itself is wrong, for example for want of a table.
pub(super) const SQLITE_ERROR: i32 = 1;

/// The disk, or the database's own limit, is full.
const SQLITE_FULL: i32 = 13;

/// The file that connections share could not grow: the disk is full, seen from another side.
const SQLITE_IOERR_SHMSIZE: i32 = 4874;

/// The last of these many bits of a code say what kind of failure it is, the rest makes it precise.
const PRIMARY_MASK: i32 = 0xff;

/// SQLite's extended result code, if the failure is SQLite's.
pub(super) fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// The answer to a caller whose request failed so.
pub(super) fn store_error(error: &sqlx::Error) -> StoreError {
    match code(error) {
        Some(code) if is_full(code) => StoreError::Full,
        _ => StoreError::Unavailable(error.to_string()),
    }
}

fn is_full(code: i32) -> bool {
    code & PRIMARY_MASK == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE
}
