//! Tickets and duties in the database, written with the writer's batches.

use std::time::Duration;

use bytes::Bytes;
use engine::Author;
use sqlx::Row;

use super::batch::{Batch, Stop};
use super::sql;
use crate::lease::Holder;
use crate::ticket::{NewTicket, TicketBounds, TicketHash, TicketKept};

impl Batch<'_> {
    pub(super) async fn keep_ticket(
        &mut self,
        ticket: &NewTicket,
        bounds: TicketBounds,
    ) -> Result<TicketKept, Stop> {
        sqlx::query(sql::FORGET_TICKETS)
            .bind(self.now_ms)
            .execute(self.database().await?)
            .await?;
        let user = ticket.user.as_ref().map(Author::as_str);
        let counts = sqlx::query(sql::COUNT_TICKETS)
            .bind(user)
            .fetch_one(self.database().await?)
            .await?;
        let count = |column| counts.try_get(column).map(i64::cast_unsigned);
        let judged = bounds.judge(count(0)?, count(1)?);
        if judged == TicketKept::Good {
            sqlx::query(sql::KEEP_TICKET)
                .bind(&ticket.hash.0[..])
                .bind(user)
                .bind(&ticket.pass[..])
                .bind(self.until_ms(ticket.lasts))
                .execute(self.database().await?)
                .await?;
        }
        Ok(judged)
    }

    pub(super) async fn use_ticket(&mut self, hash: TicketHash) -> Result<Option<Bytes>, Stop> {
        let used = sqlx::query(sql::USE_TICKET)
            .bind(&hash.0[..])
            .fetch_optional(self.database().await?)
            .await?;
        let Some(used) = used else { return Ok(None) };
        let is_good = used.try_get::<i64, _>(1)? > self.now_ms;
        let pass: Vec<u8> = used.try_get(0)?;
        Ok(is_good.then(|| pass.into()))
    }

    pub(super) async fn take_duty(
        &mut self,
        duty: &str,
        holder: &Holder,
        lasts: Duration,
    ) -> Result<bool, Stop> {
        let taken = sqlx::query(sql::TAKE_DUTY)
            .bind(duty)
            .bind(&holder.node)
            .bind(&holder.incarnation.to_be_bytes()[..])
            .bind(self.until_ms(lasts))
            .bind(self.now_ms)
            .execute(self.database().await?)
            .await?;
        Ok(taken.rows_affected() > 0)
    }
}
