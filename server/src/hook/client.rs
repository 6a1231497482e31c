//! Requests to the application: signed, bounded in number, time and size, and repeated where that does no harm.
//!
//! An answer is the body of a response with a status of success; every other status is a failure, redirects included, so
//! that a login page in front of the application lets nobody in. Why an application failed is logged; people are told no
//! more than that it does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::{Method, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::breaker::Breaker;
use super::pause;
use super::signature::Signer;
use crate::config::HookConfig;
use crate::outward::{causes, connector};
use crate::telemetry::metrics;

/// Why there is no answer that could be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    /// It failed so often that it is left alone for a moment.
    #[error("the application has failed and is tried again in a moment")]
    Resting,
    /// It can not be reached, or broke off.
    #[error("the application can not be reached: {0}")]
    Unreachable(String),
    /// It takes too long, or too many others wait for it.
    #[error("the application does not answer in time")]
    TimedOut,
    /// It says that it can not, or must not.
    #[error("the application answers with status {0}")]
    Status(u16),
    /// Its answer is too long.
    #[error("the application's answer is longer than {0} bytes")]
    TooLong(usize),
    /// Its answer is not what was asked for.
    #[error("the application's answer is of no use: {0}")]
    Useless(String),
}

impl Fault {
    /// Whether it tells of the application as a whole, rather than of what it was asked.
    fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut => true,
            Self::Status(status) => *status >= 500 || *status == TOO_MANY_REQUESTS,
            Self::Resting | Self::TooLong(_) | Self::Useless(_) => false,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Resting => "resting",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
            Self::Status(_) => "status",
            Self::TooLong(_) => "too_long",
            Self::Useless(_) => "useless",
        }
    }
}

/// What a request is about, and how it may be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// The event's name.
    pub(super) event: &'static str,
    /// The longest answer, in bytes.
    pub(super) answer_max: usize,
    /// How often it may be made; once if it must not happen twice.
    pub(super) attempts_max: u32,
}

/// Makes requests to the application.
#[derive(Debug)]
pub(super) struct Requester {
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    signer: Signer,
    timeout: Duration,
    /// One permit for each request that may be under way.
    places: Arc<Semaphore>,
    breaker: Breaker,
}

impl Requester {
    /// # Errors
    /// There is no secret, or no certificate authority to trust.
    pub(super) fn new(config: &HookConfig, url: &Uri) -> anyhow::Result<Self> {
        let secret = config.secret_file.as_ref();
        let secret = secret.context("hook.secret_file is none")?;
        let mut pool = Client::builder(TokioExecutor::new());
        pool.pool_timer(TokioTimer::new());
        Ok(Self {
            http: pool.build(connector(url, config.timeout)?),
            url: url.clone(),
            signer: Signer::read(secret)?,
            timeout: config.timeout,
            places: Arc::new(Semaphore::new(config.requests)),
            breaker: Breaker::new(config.timeout),
        })
    }

    /// How long the application is left alone.
    pub(super) fn rests_for(&self) -> Option<Duration> {
        self.breaker.closed_for(Instant::now())
    }

    /// Asks, and reads what the answer holds.
    pub(super) async fn ask<T>(
        &self,
        asking: Asking,
        body: Bytes,
        read: impl FnOnce(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let began = Instant::now();
        let answer = timeout(self.timeout, self.attempts(asking, &body)).await;
        let answer = answer.unwrap_or_else(|_| {
            self.breaker.failed(Instant::now());
            Err(Fault::TimedOut)
        });
        let answer = answer.and_then(|answer| read(&answer));
        let outcome = answer.as_ref().map_or_else(Fault::label, |_| "ok");
        metrics::hook_asked(asking.event, outcome, began.elapsed());
        answer
    }

    async fn attempts(&self, asking: Asking, body: &Bytes) -> Result<Bytes, Fault> {
        if !self.breaker.admits(Instant::now()) {
            return Err(Fault::Resting);
        }
        let mut attempt = 0;
        loop {
            let answer = self.attempt(asking, body).await;
            attempt += 1;
            match answer {
                Err(fault) if fault.is_outage() => {
                    self.breaker.failed(Instant::now());
                    if attempt >= asking.attempts_max || self.rests_for().is_some() {
                        return Err(fault);
                    }
                }
                answer => {
                    self.breaker.succeeded();
                    return answer;
                }
            }
            sleep(pause::after(attempt - 1, RETRY_MIN, RETRY_MAX)).await;
        }
    }

    async fn attempt(&self, asking: Asking, body: &Bytes) -> Result<Bytes, Fault> {
        let _place = self.places.acquire().await.map_err(|_| Fault::Resting)?;
        let request = self.request(asking.event, body.clone());
        let unreachable = |error: &dyn std::error::Error| Fault::Unreachable(causes(error));
        let response = self.http.request(request).await;
        let response = response.map_err(|error| unreachable(&error))?;
        if !response.status().is_success() {
            return Err(Fault::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), asking.answer_max);
        match body.collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(Fault::TooLong(asking.answer_max)),
            Err(error) => Err(unreachable(&*error)),
        }
    }

    fn request(&self, event: &'static str, body: Bytes) -> Request<Full<Bytes>> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = since.unwrap_or_default().as_secs().to_string();
        let signature = self.signer.sign(&timestamp, &body);
        Request::builder()
            .method(Method::POST)
            .uri(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("quire/", env!("CARGO_PKG_VERSION")))
            .header("x-quire-event", event)
            .header("x-quire-timestamp", timestamp)
            .header("x-quire-signature-256", signature)
            .body(Full::new(body))
            .expect("the parts of a request were checked when the server started")
    }
}

const TOO_MANY_REQUESTS: u16 = 429;
/// People wait for the answer.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
