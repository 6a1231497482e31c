//! The pulse of a connection: when its client is asked for a sign of life, when it is told something so that it does not
//! take silence for death, and when it has been silent for too long.
//!
//! There is one timer, and traffic never touches it: it rings at the earliest time at which something may have to be
//! done, and is set again to what is left of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::ConnectionLimits;

/// When something was heard and said.
#[derive(Debug)]
pub(super) struct Pulse {
    timer: Pin<Box<Sleep>>,
    heard_at: Instant,
    said_at: Instant,
    pinged_at: Instant,
    keepalive_after: Duration,
    ping_interval: Duration,
    silence_max: Duration,
}

/// What it is time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// To say something.
    KeepAlive,
    /// To ask for a sign of life.
    Ping,
    /// To close: nothing was heard for too long.
    Silent,
}

impl Pulse {
    pub(super) fn new(keepalive_after: Duration, limits: &ConnectionLimits) -> Self {
        let now = Instant::now();
        let mut pulse = Self {
            timer: Box::pin(sleep_until(now)),
            heard_at: now,
            said_at: now,
            pinged_at: now,
            keepalive_after,
            ping_interval: limits.ping_interval,
            silence_max: limits.silence_max,
        };
        let first = pulse.next_at();
        pulse.timer.as_mut().reset(first);
        pulse
    }

    /// The client gave a sign of life.
    pub(super) fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Something was written.
    pub(super) fn said(&mut self) {
        self.said_at = Instant::now();
    }

    /// Waits until it is time for something.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Due> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            let due = self.due(Instant::now());
            let next = self.next_at();
            self.timer.as_mut().reset(next);
            if let Some(due) = due {
                return Poll::Ready(due);
            }
        }
    }

    fn due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.heard_at + self.silence_max {
            return Some(Due::Silent);
        }
        if now >= self.pinged_at + self.ping_interval {
            self.pinged_at = now;
            return Some(Due::Ping);
        }
        if now >= self.said_at + self.keepalive_after {
            self.said_at = now;
            return Some(Due::KeepAlive);
        }
        None
    }

    fn next_at(&self) -> Instant {
        let keepalive_at = self.said_at + self.keepalive_after;
        keepalive_at.min(self.pinged_at + self.ping_interval)
    }
}
