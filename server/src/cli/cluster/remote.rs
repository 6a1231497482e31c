//! A running server, asked over its API.

use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{Method, Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::timeout;

use super::{Part, Status};
use crate::cli::failure::Failure;
use crate::outward::{causes, connector};

/// A server and who asks it.
pub(super) struct Remote {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    server: String,
    token: Option<String>,
}

impl Remote {
    /// # Errors
    /// That is no address of a server.
    pub(super) fn new(server: &str, token: Option<String>) -> Result<Self, Failure> {
        let uri: Option<Uri> = server.parse().ok();
        let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        let uri = uri.filter(is_http).ok_or_else(|| {
            let sentence = format!(
                "--server is {server:?}, expected an address such as http://127.0.0.1:1234"
            );
            Failure::usage(sentence)
        })?;
        let connector =
            connector(&uri, TIME_MAX).map_err(|error| Failure::failed(format!("{error:#}")))?;
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            server: server.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// How all nodes are, as this one knows it.
    pub(super) async fn status(&self) -> Result<Status, Failure> {
        let mut page = self.ask(Method::GET, "/api/v1/replicas").await?;
        // A server that is not ready says so with another status, and why.
        let (_, ready) = self.answer(Method::GET, "/readyz?verbose").await?;
        let replicas = match page["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        Ok(Status {
            store: Part {
                status: ready["store"]["status"]
                    .as_str()
                    .unwrap_or("not told")
                    .to_owned(),
                latency_ms: ready["store"]["latency_ms"].as_f64(),
            },
            bus: Part {
                status: ready["node"]["bus"].as_str().unwrap_or("none").to_owned(),
                latency_ms: None,
            },
            replicas,
        })
    }

    /// Has a node drain or not any more; the one that is asked if none is named.
    pub(super) async fn drain(&self, node: Option<&str>, begins: bool) -> Result<(), Failure> {
        let node = match node {
            Some(node) => node.to_owned(),
            None => self.own_name().await?,
        };
        let node = utf8_percent_encode(&node, NON_ALPHANUMERIC);
        let method = if begins { Method::POST } else { Method::DELETE };
        self.ask(method, &format!("/api/v1/nodes/{node}/drain"))
            .await?;
        Ok(())
    }

    async fn own_name(&self) -> Result<String, Failure> {
        let page = self.ask(Method::GET, "/api/v1/replicas").await?;
        let mut items = page["items"].as_array().into_iter().flatten();
        let own = items.find(|item| item["here"] == Value::Bool(true));
        let name = own.and_then(|own| own["node"].as_str());
        name.map(str::to_owned).ok_or_else(|| {
            let server = &self.server;
            Failure::failed(format!("{server} shares its store with no other node"))
        })
    }

    async fn ask(&self, method: Method, path: &str) -> Result<Value, Failure> {
        let (status, body) = self.answer(method, path).await?;
        if status.is_success() {
            return Ok(body);
        }
        let detail = body["detail"].as_str().unwrap_or("it says no more");
        let sentence = format!("{} answers {}: {detail}", self.server, status.as_u16());
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::denied(sentence),
            StatusCode::NOT_FOUND => Failure::not_found(sentence),
            _ => Failure::failed(sentence),
        })
    }

    /// The status and the body of an answer; null for a body that is not JSON.
    async fn answer(&self, method: Method, path: &str) -> Result<(StatusCode, Value), Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server));
        let request = match &self.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        };
        let request = request
            .body(Empty::new())
            .map_err(|error| Failure::usage(format!("cannot ask {}: {error}", self.server)))?;
        let answered = async {
            let answer = self.http.request(request).await;
            let answer = answer.map_err(|error| causes(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        let late = || Err("it does not answer in time".to_owned());
        let answered = timeout(TIME_MAX, answered).await.unwrap_or_else(|_| late());
        answered.map_err(|why| {
            Failure::unreachable(format!("{} cannot be reached: {why}", self.server))
        })
    }
}

const TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: usize = 16 * 1024 * 1024;
