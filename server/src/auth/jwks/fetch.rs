//! Fetching an issuer's keys over HTTP: no redirects, nothing longer than keys are.

use std::fmt;
use std::sync::Arc;

use axum::http::header::{ACCEPT, USER_AGENT};
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::{FETCH_MAX, set};
use crate::auth::keys::Key;
use crate::outward::{causes, connector};

/// Asks an issuer for its keys.
pub(super) struct Fetcher {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: Uri,
}

impl Fetcher {
    pub(super) fn new(url: &Uri) -> anyhow::Result<Self> {
        // Seldom enough that no connection is kept.
        let mut pool = Client::builder(TokioExecutor::new());
        pool.pool_max_idle_per_host(0);
        Ok(Self {
            http: pool.build(connector(url, FETCH_MAX)?),
            url: url.clone(),
        })
    }

    /// The keys, or why they were not had.
    pub(super) async fn fetch(&self) -> Result<Vec<Arc<Key>>, String> {
        let request = Request::get(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("quire/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = self.http.request(request).await;
        let response = response.map_err(|error| causes(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer has status {}", response.status()));
        }
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        set::read(&body.to_bytes())
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetcher({})", self.url)
    }
}

/// Keys are a few hundred bytes each.
const BODY_BYTES_MAX: usize = 256 * 1024;
