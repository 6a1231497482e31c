//! The bad inputs, as one table: each row is a number of the list, what is sent, what must come back, and what it may cost
//! in memory and time. Three pairs of bystanders edit meanwhile and must notice nothing; in the end the server is alive, its
//! log holds nothing that a client could put there, and its metrics name no document.
//!
//! The numbers are those of the project's list of bad inputs: 1-18 transport, 37 names, 38-61 Yjs, 62 presence, 63-73
//! Automerge, 84-91 the API and what surrounds it. 19-36 belong to rights, 74-83 to ordered documents, which have tests of their own. A row that does not
//! apply yet says why, so that none is missing in silence. `QUIRE_ROW=48` tries the rows of one number.

mod api;
mod automerge;
mod floods;
mod names;
mod presence;
mod row;
mod transport;
mod updates;
mod yard;

use std::env;

use anyhow::Result;
use row::Row;
use yard::Yard;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_inputs_harm_only_their_sender() -> Result<()> {
    let mut yard = Yard::open().await?;
    let rows = [
        transport::rows(),
        floods::rows(),
        names::rows(),
        updates::rows(),
        presence::rows(),
        automerge::rows(),
        api::rows(),
    ];
    let wanted = env::var("QUIRE_ROW").ok().and_then(|row| row.parse().ok());
    let chosen = |row: &Row| wanted.is_none_or(|number: u8| row.number == number);
    for row in rows.into_iter().flatten().filter(chosen) {
        yard.try_row(row).await?;
    }
    yard.close().await
}
