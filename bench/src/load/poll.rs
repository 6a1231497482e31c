//! Readiness of many sockets, from the kernel, told once for each change (edge-triggered).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};

/// Sockets that are watched.
pub(crate) struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// Something happened to the socket that was added under this key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readiness {
    pub(crate) key: usize,
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Poll {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS_AT_ONCE),
        })
    }

    /// Watches a socket until it is closed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn add(&self, socket: impl AsFd, key: usize) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            socket,
            EventData::new_u64(key as u64),
            flags,
        )?)
    }

    /// Waits until something happens, or so long, and appends what did.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Readiness>) -> io::Result<()> {
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| readiness(*event)));
        Ok(())
    }
}

fn readiness(event: Event) -> Readiness {
    let broken = EventFlags::ERR | EventFlags::HUP;
    let flags = event.flags;
    Readiness {
        key: event.data.u64() as usize,
        read: flags.intersects(EventFlags::IN | EventFlags::RDHUP | broken),
        write: flags.intersects(EventFlags::OUT | broken),
    }
}

/// Enough that a wait is paid by many; what does not fit is told by the next.
const EVENTS_AT_ONCE: usize = 1_024;
