//! An alarm: says when the next deadline has come, of a document or of a connection.
//!
//! Deadlines move with nearly every batch, nearly always to a later moment. The timer is left where it was set, looks at
//! the deadline when it rings, and is set again; only an earlier deadline moves it at once. Without a deadline there is
//! no timer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Rings at a deadline that may move.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Rings when a deadline has come.
    pub(crate) fn poll(
        &mut self,
        deadline: Option<Instant>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            match (&mut self.0, deadline) {
                (None, None) => return Poll::Pending,
                (None, Some(deadline)) => self.0 = Some(Box::pin(sleep_until(deadline))),
                (Some(timer), Some(deadline)) if deadline < timer.deadline() => {
                    timer.as_mut().reset(deadline);
                }
                (Some(_), _) => {}
            }
            if let Some(timer) = &mut self.0 {
                ready!(timer.as_mut().poll(context));
                self.0 = None;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    /// What the alarm says when it is asked once.
    async fn rings(alarm: &mut Alarm, deadline: Option<Instant>) -> bool {
        poll_fn(|context| Poll::Ready(alarm.poll(deadline, context).is_ready())).await
    }

    #[tokio::test]
    async fn it_rings_at_the_deadline_wherever_that_moves() {
        let (soon, late) = (Duration::from_millis(5), Duration::from_secs(3600));
        let mut alarm = Alarm::default();
        assert!(!rings(&mut alarm, None).await);
        assert!(alarm.0.is_none(), "nothing is set for no deadline");
        let began = Instant::now();
        assert!(!rings(&mut alarm, Some(began + late)).await);
        poll_fn(|context| alarm.poll(Some(began + soon), context)).await;
        assert!(began.elapsed() >= soon);
    }

    #[tokio::test]
    async fn a_deadline_that_moved_away_does_not_ring() {
        let soon = Instant::now() + Duration::from_millis(5);
        let mut alarm = Alarm::default();
        assert!(!rings(&mut alarm, Some(soon)).await);
        sleep_until(soon + Duration::from_millis(5)).await;
        assert!(!rings(&mut alarm, Some(soon + Duration::from_secs(3600))).await);
        assert!(!rings(&mut alarm, None).await);
        assert!(rings(&mut alarm, Some(soon)).await);
    }
}
