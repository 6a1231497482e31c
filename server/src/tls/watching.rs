//! Notices that the files have changed: by looking each second, and at once on SIGHUP.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Tls, TlsError};

impl Tls {
    /// Reads the files again whenever they change, until it is cancelled. From the call on, not only once it is polled, a
    /// SIGHUP does not end the process.
    pub fn watch(self: Arc<Self>, stopping: CancellationToken) -> impl Future<Output = ()> + Send {
        let hangup = signal(SignalKind::hangup())
            .inspect_err(|error| warn!("SIGHUP cannot be listened for: {error}"))
            .ok();
        self.keep_watch(hangup, stopping)
    }

    async fn keep_watch(self: Arc<Self>, mut hangup: Option<Signal>, stopping: CancellationToken) {
        loop {
            let is_asked = tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => false,
                () = hung_up(&mut hangup) => true,
                () = stopping.cancelled() => return,
            };
            let tls = self.clone();
            // Files may be on a disk that takes its time.
            let looking = spawn_blocking(move || tls.look(is_asked));
            if let Err(error) = looking.await {
                error!("the certificate could not be looked at: {error}");
            }
        }
    }

    fn look(&self, is_asked: bool) {
        let looked = if is_asked {
            self.reload().map(|()| true)
        } else {
            self.reload_changed()
        };
        match looked {
            Ok(true) => info!("the certificate was read again; who connects now sees it"),
            Ok(false) => {}
            Err(error) => told(&error),
        }
    }
}

fn told(error: &TlsError) {
    error!("the certificate stays the old one: {error}");
}

async fn hung_up(hangup: &mut Option<Signal>) {
    let heard = match hangup {
        Some(hangup) => hangup.recv().await,
        None => None,
    };
    if heard.is_none() {
        std::future::pending::<()>().await;
    }
}

const LOOK_INTERVAL: Duration = Duration::from_secs(1);
