//! The keys of an issuer, fetched from where it publishes them (RFC 7517) and kept for a while.
//!
//! They are fetched when the server starts and again and again while it runs. A token that names a key which is not among
//! them has them fetched at once, since the issuer may have a new one; but only once in a while, however many tokens name
//! whatever keys, and never twice at a time. What was fetched stays good for a time when it can no longer be.

mod fetch;

mod set;

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::keys::{Algorithm, Key};
use crate::config::JwksConfig;
use fetch::Fetcher;

/// The keys of an issuer.
#[derive(Debug)]
pub(super) struct Jwks {
    fetcher: Fetcher,
    config: JwksConfig,
    known: RwLock<Known>,
    /// When the keys were last asked for, whatever came of it. Whoever holds this may ask.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    keys: Vec<Arc<Key>>,
    /// When they came; none if they never did.
    came: Option<Instant>,
}

/// There are no keys to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the issuer's keys cannot be had")]
pub(super) struct NoKeys;

impl Jwks {
    /// # Errors
    /// The system has no certificate authorities to trust.
    pub(super) fn new(config: JwksConfig) -> anyhow::Result<Self> {
        Ok(Self {
            fetcher: Fetcher::new(&config.url)?,
            config,
            known: RwLock::default(),
            asked: Mutex::default(),
        })
    }

    /// The key of a name, fetched if it is not known and it is not too soon to ask again.
    ///
    /// # Errors
    /// There are no keys at all, or they are too old.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Arc<Key>>, NoKeys> {
        let find = |keys: &[Arc<Key>]| keys.iter().find(|key| key.id() == id).cloned();
        if let Some(key) = find(&self.usable(Instant::now()).unwrap_or_default()) {
            return Ok(Some(key));
        }
        self.fetch_unless_just_done().await;
        self.usable(Instant::now()).map(|keys| find(&keys))
    }

    /// The keys for an algorithm.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub(super) async fn of(&self, algorithm: Algorithm) -> Result<Vec<Arc<Key>>, NoKeys> {
        if self.usable(Instant::now()).is_err() {
            self.fetch_unless_just_done().await;
        }
        let mut keys = self.usable(Instant::now())?;
        keys.retain(|key| key.algorithm() == algorithm);
        Ok(keys)
    }

    /// Fetches the keys now and again, as long as anybody needs them.
    pub(super) async fn keep_fresh(weak: Weak<Self>) {
        while let Some(jwks) = weak.upgrade() {
            let wait = jwks.fetch_and_wait().await;
            drop(jwks);
            tokio::time::sleep(wait).await;
        }
    }

    /// Fetches the keys, and tells when to do it again.
    async fn fetch_and_wait(&self) -> Duration {
        let JwksConfig { refresh, pause, .. } = self.config;
        let mut asked = self.asked.lock().await;
        match self.fetch(&mut asked).await {
            true => refresh,
            false => pause.min(refresh),
        }
    }

    /// The keys, if they are not too old.
    fn usable(&self, now: Instant) -> Result<Vec<Arc<Key>>, NoKeys> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let age = |came: Instant| now.saturating_duration_since(came);
        let stale_max = self.config.stale_max;
        let is_usable = known.came.is_some_and(|came| age(came) <= stale_max);
        is_usable.then(|| known.keys.clone()).ok_or(NoKeys)
    }

    async fn fetch_unless_just_done(&self) {
        let mut asked = self.asked.lock().await;
        let pause = self.config.pause;
        if asked.is_none_or(|at| at.elapsed() >= pause) {
            self.fetch(&mut asked).await;
        }
    }

    /// Fetches the keys. False if they do not come; then those that are here stay.
    async fn fetch(&self, asked: &mut Option<Instant>) -> bool {
        let fetched = tokio::time::timeout(FETCH_MAX, self.fetcher.fetch()).await;
        *asked = Some(Instant::now());
        let keys = match fetched.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(keys) => keys,
            Err(reason) => {
                warn!(
                    "the issuer's keys were not fetched, those that are here stay for a while: {reason}"
                );
                return false;
            }
        };
        let ids: Vec<_> = keys.iter().map(|key| key.id()).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = known
            .keys
            .iter()
            .map(|key| key.id())
            .eq(ids.iter().copied());
        if known.came.is_none() || !is_same {
            info!(keys = ?ids, "the issuer has these keys");
        }
        *known = Known { keys, came: *asked };
        true
    }
}

/// How long the issuer may take to answer, all of it.
const FETCH_MAX: Duration = Duration::from_secs(5);
