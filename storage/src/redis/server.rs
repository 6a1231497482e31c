//! One Redis server: what is to be said to it and heard from it, and how it stands with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::channels::Channels;
use super::queue::Queue;
use super::slots::{Place, Slots};
use crate::bus::Counters;

/// A server that is connected to, or is to be.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) client: redis::Client,
    pub(super) queue: Queue,
    pub(super) channels: Arc<Channels>,
    /// It is to be asked again how slots are spread.
    pub(super) look: Notify,
    standing: Mutex<Standing>,
    closing: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How it stands with a server.
#[derive(Debug)]
struct Standing {
    /// Why nothing gets through.
    trouble: Option<String>,
    /// What it says of who has what, while it answers.
    view: Option<Spread>,
    /// What it was when it last said so.
    is_one_of_several: bool,
    /// The connection that asks, while it answers.
    mouth: Option<MultiplexedConnection>,
}

/// Who has what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// One server has all.
    Alone,
    /// Several have a part of it.
    Over(Slots),
}

impl Server {
    pub(super) fn new(place: Place, client: redis::Client, counters: Arc<Counters>) -> Self {
        Self {
            place,
            client,
            queue: Queue::new(counters),
            channels: Arc::default(),
            look: Notify::new(),
            standing: Mutex::new(Standing {
                trouble: Some("not connected yet".to_owned()),
                view: None,
                is_one_of_several: false,
                mouth: None,
            }),
            closing: watch::Sender::new(false),
            task: Mutex::new(None),
        }
    }

    /// Words get through.
    pub(super) fn up(&self, mouth: &MultiplexedConnection) {
        let mut standing = self.standing();
        standing.trouble = None;
        standing.mouth = Some(mouth.clone());
    }

    /// Words do not get through, or nobody knows.
    pub(super) fn down(&self, reason: &str) {
        let mut standing = self.standing();
        standing.trouble = Some(reason.to_owned());
        standing.view = None;
        standing.mouth = None;
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.standing().trouble.clone()
    }

    pub(super) fn view(&self) -> Option<Spread> {
        self.standing().view.clone()
    }

    pub(super) fn saw(&self, view: Spread) {
        let mut standing = self.standing();
        standing.is_one_of_several = matches!(view, Spread::Over(_));
        standing.view = Some(view);
    }

    pub(super) fn is_one_of_several(&self) -> bool {
        self.standing().is_one_of_several
    }

    pub(super) fn mouth(&self) -> Option<MultiplexedConnection> {
        self.standing().mouth.clone()
    }

    pub(super) fn runs(&self, task: JoinHandle<()>) {
        *self.task() = Some(task);
    }

    /// Says what is still to be said, and ends.
    pub(super) fn close(&self) -> Option<JoinHandle<()>> {
        self.closing.send_replace(true);
        self.task().take()
    }

    /// Ends at once. The connection holds what it passes words on to, so it is let go too.
    pub(super) fn abort(&self) {
        if let Some(task) = self.task().take() {
            task.abort();
        }
        self.standing().mouth = None;
    }

    pub(super) async fn closed(&self) {
        // The sender lives as long as the server.
        let _ = self.closing.subscribe().wait_for(|it| *it).await;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
