//! The application's hook: one address that is asked who may come in, what a new document begins with and what becomes of a
//! signal, and that is told what happens to documents.
//!
//! Every request is a POST of JSON, signed ([`signature`]), bounded and repeated where that does no harm ([`client`]); after
//! some failures in a row the application is left alone for a moment ([`breaker`]). While it does not answer nobody is let
//! in, no new document is opened, and all who come are told to come back; those who are here stay. What it is told it is
//! told at least once ([`telling`]), from the store's own account of what it has not heard. `docs/hooks.md` has every event.

mod breaker;
mod client;

mod deciding;
mod pause;
mod seeding;
mod signals;
mod signature;
mod telling;
mod words;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use engine::DocumentKey;
use protocol::preflight::Bounds;
use storage::Store;

use crate::cluster::Cluster;
use crate::config::{Config, HookConfig};
use client::{Asking, Requester};
use deciding::Decisions;
use telling::Telling;

pub(crate) use client::Fault;
pub use deciding::Doorkeeper;
pub(crate) use seeding::seed;
pub(crate) use signals::{Said, Signals};

/// An application that is asked and told things.
#[derive(Debug)]
pub struct Hook {
    requester: Requester,
    config: HookConfig,
    decisions: Decisions,
    telling: OnceLock<Telling>,
    /// What the content that it gives may be.
    bounds: Bounds,
    /// The longest content that it may give, in bytes.
    content_max: usize,
    /// How long trying such content may take.
    trial_max: Duration,
}

impl Hook {
    /// The application of a configuration; none if there is none.
    ///
    /// # Errors
    /// Its secret can not be read, or there is nobody to trust for TLS.
    pub fn new(config: &Config, bounds: Bounds) -> anyhow::Result<Option<Arc<Self>>> {
        let Some(url) = &config.hook.url else {
            return Ok(None);
        };
        let requester = Requester::new(&config.hook, url).context("the hook can not be used")?;
        Ok(Some(Arc::new(Self {
            requester,
            decisions: Decisions::new(config.hook.authenticate_cache),
            telling: OnceLock::new(),
            config: config.hook.clone(),
            bounds,
            content_max: config.limits.message_bytes,
            trial_max: config.limits.step_max,
        })))
    }

    /// Starts to tell the application what happens to documents, if it wants to know. Of several nodes one does.
    pub fn start(self: &Arc<Self>, store: &Arc<dyn Store>, cluster: Option<&Arc<Cluster>>) {
        if self.config.events.any() {
            self.telling
                .get_or_init(|| Telling::start(self.clone(), store.clone(), cluster.cloned()));
        }
    }

    /// Tells it no more, because the store is about to close.
    pub async fn stop(&self) {
        if let Some(telling) = self.telling.get() {
            telling.stop().await;
        }
    }

    /// Whether it decides who is let in.
    pub fn decides(&self) -> bool {
        self.config.authenticate
    }

    /// Whether it gives new documents their first content.
    pub(crate) fn loads(&self) -> bool {
        self.config.load
    }

    /// Whether clients' signals are for it.
    pub(crate) fn takes_signals(&self) -> bool {
        self.config.signals
    }

    /// Whether somebody is let in.
    async fn authenticate(
        &self,
        document: &DocumentKey,
        token: Option<&str>,
    ) -> Result<words::Decision, Fault> {
        let asking = Asking {
            event: "authenticate",
            answer_max: ANSWER_BYTES_MAX,
            attempts_max: ATTEMPTS_MAX,
        };
        let question = words::authenticate(document, token);
        self.requester
            .ask(asking, question, words::Decision::read)
            .await
    }

    /// What the first content of a document is, if the application has any.
    async fn first_content(&self, document: &DocumentKey) -> Result<Option<words::First>, Fault> {
        let asking = Asking {
            event: "load",
            answer_max: words::encoded_max(self.content_max),
            attempts_max: ATTEMPTS_MAX,
        };
        let question = words::load(document);
        self.requester
            .ask(asking, question, words::First::read)
            .await
    }

    /// What becomes of a client's signal. It is asked once: the application may have done something for it.
    async fn signal(&self, document: &DocumentKey, said: &Said) -> Result<words::Reply, Fault> {
        let asking = Asking {
            event: "signal",
            answer_max: ANSWER_BYTES_MAX,
            attempts_max: 1,
        };
        let question = words::signal(document, said);
        self.requester
            .ask(asking, question, words::Reply::read)
            .await
    }
}

/// How often a question is asked that may be asked again.
const ATTEMPTS_MAX: u32 = 3;
/// The longest answer that holds no content.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
