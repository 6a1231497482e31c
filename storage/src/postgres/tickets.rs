//! Tickets and duties in the database, by its own clock, which is the same for all nodes.

use std::time::Duration;

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::failure::Stop;
use super::leases::millis;
use super::rows::author_bytes;
use super::sql;
use crate::lease::Holder;
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

/// Keeps a ticket, and forgets those that have ended. Nodes that issue at the same moment do not see each other's, so there
/// may be a few more than the bounds say.
pub(super) async fn keep(
    connection: &mut PgConnection,
    ticket: &NewTicket,
    bounds: TicketBounds,
) -> Result<TicketKept, Stop> {
    sqlx::query(sql::FORGET_TICKETS)
        .execute(&mut *connection)
        .await?;
    let counts = sqlx::query(sql::KEEP_TICKET)
        .bind(&ticket.hash.0[..])
        .bind(author_bytes(ticket.user.as_ref()))
        .bind(&ticket.pass[..])
        .bind(millis(ticket.lasts))
        .bind(i64::from(bounds.of_user))
        .bind(i64::from(bounds.of_all))
        .fetch_one(connection)
        .await?;
    let count = |column| counts.try_get(column).map(i64::cast_unsigned);
    Ok(bounds.judge(count(0)?, count(1)?))
}

/// What a ticket is good for; it is used up by this.
pub(super) async fn take(
    connection: &mut PgConnection,
    hash: TicketHash,
) -> Result<Option<Bytes>, Stop> {
    let used = sqlx::query(sql::USE_TICKET)
        .bind(&hash.0[..])
        .fetch_optional(connection)
        .await?;
    let Some(used) = used else { return Ok(None) };
    let (pass, is_good): (Vec<u8>, bool) = (used.try_get(0)?, used.try_get(1)?);
    Ok(is_good.then(|| pass.into()))
}

/// Takes a duty, or goes on with it. False if another process has it.
pub(super) async fn take_duty(
    connection: &mut PgConnection,
    duty: &str,
    holder: &Holder,
    lasts: Duration,
) -> Result<bool, Stop> {
    let taken = sqlx::query(sql::TAKE_DUTY)
        .bind(duty)
        .bind(holder.node.as_bytes())
        .bind(&holder.incarnation.to_be_bytes()[..])
        .bind(millis(lasts))
        .execute(connection)
        .await?;
    Ok(taken.rows_affected() > 0)
}
