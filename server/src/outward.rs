//! Requests of this server to others: how they are reached, and what is said when they are not.

use std::error::Error;
use std::time::Duration;

use anyhow::Context;
use axum::http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// Connections over HTTP, with TLS or without. Whom to trust is the system's affair, and asked only where there is TLS.
pub(crate) fn connector(
    url: &Uri,
    time_max: Duration,
) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(time_max));
    http.set_nodelay(true);
    let provider = aws_lc_rs::default_provider();
    let https = HttpsConnectorBuilder::new();
    let https = if url.scheme_str() == Some("https") {
        https
            .with_provider_and_native_roots(provider)
            .context("this system has no certificate authorities to trust; SSL_CERT_FILE names a file of them")?
    } else {
        let nobody = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        https.with_tls_config(nobody)
    };
    Ok(https.https_or_http().enable_http1().wrap_connector(http))
}

/// An error and what caused it, which is what says most.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
