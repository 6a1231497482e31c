//! Changes as columns: an array for each, by which any number of them go into one statement.

use engine::Change;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;

use super::rows::{author_bytes, change_checksum};
use crate::numbers::signed;

pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Columns of changes, in the order in which the statements take them.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    replicas: Vec<i64>,
    counters: Vec<i64>,
    contexts: Vec<Vec<u8>>,
    timestamps: Vec<i64>,
    authors: Vec<Option<&'a [u8]>>,
    connections: Vec<i64>,
    kinds: Vec<i16>,
    payloads: Vec<&'a [u8]>,
    checksums: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub(super) fn push(&mut self, change: &'a Change) {
        self.replicas.push(i64::from(change.dot.replica.0));
        self.counters.push(signed(change.dot.counter));
        self.contexts.push(change.context.to_bytes());
        self.timestamps.push(signed(change.hlc.0));
        self.authors.push(author_bytes(change.author.as_ref()));
        self.connections.push(signed(change.connection.0));
        self.kinds.push(i16::from(change.kind as u8));
        self.payloads.push(&change.payload);
        self.checksums.push(change_checksum(change));
    }

    pub(super) fn bind(self, query: Query<'a>) -> Query<'a> {
        query
            .bind(self.replicas)
            .bind(self.counters)
            .bind(self.contexts)
            .bind(self.timestamps)
            .bind(self.authors)
            .bind(self.connections)
            .bind(self.kinds)
            .bind(self.payloads)
            .bind(self.checksums)
    }
}
