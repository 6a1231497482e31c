//! The whole router over a store in memory, asked as over the network but without one.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use server::config::{Config, Environment, Flags};
use server::http::{self, App};
use server::serve;
use storage::MemoryStore;
use tower::ServiceExt;

pub(crate) const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";

pub(crate) struct Api {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) app: Arc<App>,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    /// One that lets everybody do everything.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// One with these settings, each under the name of its variable.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let store = Arc::new(MemoryStore::new());
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let environment = Environment {
            variables: settings.iter().map(owned).collect(),
            ..Environment::default()
        };
        let config = Config::load_in(&environment, &Flags::default())
            .unwrap()
            .config;
        let app = serve::build(&config, store.clone(), None).await.unwrap();
        Self::of(store, app)
    }

    /// That of a server that is there already.
    pub(crate) fn of(store: Arc<MemoryStore>, app: Arc<App>) -> Self {
        Self {
            store,
            router: http::router(app.clone()),
            app,
        }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let (head, body) = self
            .router
            .clone()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        self.ask(
            Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("content-type", "application/json");
        self.ask(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn create(&self, name: &str) -> Answer {
        self.post(DOCUMENTS, json!({"name": name, "kind": "yjs"}).to_string())
            .await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is a problem as every error has to be, and gives its code.
    pub(crate) fn problem(&self, status: u16, path: &str) -> String {
        let body = self.json();
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(
            (&body["status"], &body["instance"]),
            (&json!(status), &json!(path)),
            "{body}"
        );
        assert_eq!(body["type"], "about:blank");
        assert!(
            body["title"].is_string() && body["detail"].as_str().unwrap().len() > 20,
            "{body}"
        );
        body["code"].as_str().unwrap().to_owned()
    }
}
