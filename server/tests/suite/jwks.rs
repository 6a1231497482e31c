//! The keys of an issuer, fetched from a real server on this machine: how they come, change, and stay away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use engine::Capability;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};
use server::auth::keys::{Algorithm, KeyFile};
use server::auth::token::{Expected, Wanted};
use server::auth::{Auth, Credential, Refusal, Visitor};
use server::config::{Config, Environment, Flags};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What the issuer answers.
#[derive(Clone, Debug)]
enum Answer {
    Keys(Value),
    Status(StatusCode),
    Elsewhere,
    Bytes(usize),
    Garbage,
    /// After a while, and only then.
    Slowly(Value),
}

/// Somebody who issues tokens, with keys that come and go.
struct Issuer {
    url: String,
    folder: TempDir,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Shop {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

async fn serve(State(shop): State<Shop>) -> Response {
    shop.asked.fetch_add(1, Ordering::SeqCst);
    let answer = shop.answer.lock().unwrap().clone();
    match answer {
        Answer::Keys(keys) => keys.to_string().into_response(),
        Answer::Status(status) => status.into_response(),
        Answer::Elsewhere => Redirect::temporary("/other").into_response(),
        Answer::Bytes(count) => vec![b' '; count].into_response(),
        Answer::Garbage => "<html>we are closed</html>".into_response(),
        Answer::Slowly(keys) => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            keys.to_string().into_response()
        }
    }
}

impl Issuer {
    async fn start() -> Self {
        let shop = Shop {
            answer: Arc::new(Mutex::new(Answer::Status(StatusCode::SERVICE_UNAVAILABLE))),
            asked: Arc::default(),
        };
        let routes = Router::new()
            .route("/keys", get(serve))
            .route("/other", get(|| async { "{\"keys\":[]}" }))
            .with_state(shop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            url,
            folder: tempfile::tempdir().unwrap(),
            answer: shop.answer,
            asked: shop.asked,
        }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Makes a key, and tells what is published of it.
    fn key(&self, id: &str, algorithm: Algorithm) -> Value {
        let key = KeyFile::change(self.folder.path(), |keys| {
            keys.make(algorithm, Some(id.to_owned()), 0).cloned()
        });
        let signer = key.unwrap().signer().unwrap().unwrap();
        let jwk = Jwk::from_encoding_key(&signer, algorithm.into()).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(id);
        jwk["use"] = json!("sig");
        jwk
    }

    fn token(&self, id: &str) -> Credential {
        let keys = KeyFile::read(self.folder.path()).unwrap();
        let key = keys.find(id).unwrap();
        let signer = key.signer().unwrap().unwrap();
        let wanted = Wanted {
            subject: "ada".to_owned(),
            id: "t".to_owned(),
            may: [Capability::Read].into_iter().collect(),
            workspace: "default".to_owned(),
            document: "*".to_owned(),
            editors_max: None,
            life: Duration::from_secs(60),
        };
        let token = wanted.sign(key, &signer, &Expected::default(), now_ms());
        Credential::new(&token.unwrap())
    }

    /// A token whose header has no `kid`.
    fn token_without_name(&self, id: &str) -> Credential {
        let keys = KeyFile::read(self.folder.path()).unwrap();
        let key = keys.find(id).unwrap();
        let header = jsonwebtoken::Header::new(key.algorithm.into());
        let claims = json!({"sub": "ada", "exp": now_ms() / 1_000 + 60});
        let signer = key.signer().unwrap().unwrap();
        Credential::new(&jsonwebtoken::encode(&header, &claims, &signer).unwrap())
    }

    /// A server that fetches its keys here.
    fn reader(&self, settings: &[(&'static str, &str)]) -> Reader {
        let folder = tempfile::tempdir().unwrap();
        let mut flags = Flags::default();
        let data_dir = folder.path().to_str().unwrap();
        let ours = [("auth.jwks_url", &*self.url), ("data_dir", data_dir)];
        for (key, value) in ours.iter().chain(settings) {
            flags.values.insert(key, (*value).to_owned());
        }
        let environment = Environment {
            variables: BTreeMap::new(),
            directory: folder.path().to_owned(),
        };
        let config = Config::load_in(&environment, &flags).unwrap().config;
        Reader {
            auth: Auth::new(&config).unwrap(),
            _folder: folder,
        }
    }
}

struct Reader {
    auth: Auth,
    _folder: TempDir,
}

impl Reader {
    async fn admits(&self, token: &Credential) -> Result<(), String> {
        let visitor = Visitor {
            credential: Some(token),
            document: None,
        };
        let pass = self.auth.admit(visitor).await;
        pass.map(|_| ()).map_err(|refusal| match refusal {
            Refusal::Unavailable => "unavailable".to_owned(),
            refusal => refusal.to_string(),
        })
    }

    /// What is said once the pause is over.
    async fn admits_in_the_end(&self, token: &Credential, wanted: &Result<(), String>) {
        for _ in 0..5_000 {
            let said = self.admits(token).await;
            if said == *wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!(
            "it is not {wanted:?} in the end, but {:?}",
            self.admits(token).await
        );
    }
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

fn keys(keys: &[&Value]) -> Answer {
    Answer::Keys(json!({ "keys": keys }))
}

fn unavailable() -> Result<(), String> {
    Err("unavailable".to_owned())
}

fn unknown(id: &str) -> Result<(), String> {
    Err(format!("the token's key {id:?} is not known here"))
}

/// Shorter than any test, and longer than any.
const SHORT: (&str, &str) = ("auth.jwks_pause", "1ms");
const LONG: (&str, &str) = ("auth.jwks_pause", "1h");

#[tokio::test]
async fn tokens_of_an_issuer_are_good_with_its_keys() {
    let issuer = Issuer::start().await;
    let published = [
        issuer.key("a", Algorithm::Es256),
        issuer.key("b", Algorithm::EdDsa),
    ];
    issuer.answers(keys(&published.each_ref()));
    let reader = issuer.reader(&[LONG]);
    assert!(!reader.auth.is_open());
    for id in ["a", "b", "a"] {
        assert_eq!(reader.admits(&issuer.token(id)).await, Ok(()));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let issuer = Issuer::start().await;
    let [old, new] = ["old", "new"].map(|id| issuer.key(id, Algorithm::Es256));
    issuer.answers(keys(&[&old]));
    let reader = issuer.reader(&[SHORT]);
    assert_eq!(reader.admits(&issuer.token("old")).await, Ok(()));
    issuer.answers(keys(&[&new, &old]));
    reader
        .admits_in_the_end(&issuer.token("new"), &Ok(()))
        .await;
    assert_eq!(issuer.asked(), 2);
    issuer.answers(keys(&[&new]));
    issuer.key("third", Algorithm::Es256);
    assert_eq!(
        reader.admits(&issuer.token("third")).await,
        unknown("third")
    );
    assert_eq!(reader.admits(&issuer.token("old")).await, unknown("old"));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_request() {
    let issuer = Issuer::start().await;
    let known = issuer.key("a", Algorithm::Es256);
    issuer.key("b", Algorithm::Es256);
    issuer.answers(keys(&[&known]));
    let reader = Arc::new(issuer.reader(&[LONG]));
    assert_eq!(reader.admits(&issuer.token("a")).await, Ok(()));
    let token = issuer.token("b");
    let flood = (0..200).map(|_| {
        let (reader, token) = (reader.clone(), token.clone());
        tokio::spawn(async move { reader.admits(&token).await })
    });
    for refused in flood.collect::<Vec<_>>() {
        assert_eq!(refused.await.unwrap(), unknown("b"));
    }
    assert_eq!(issuer.asked(), 1, "the pause is not over");
    assert_eq!(reader.admits(&issuer.token("a")).await, Ok(()));
}

#[tokio::test]
async fn many_who_wait_for_the_first_keys_wait_for_one_request() {
    let issuer = Issuer::start().await;
    let known = issuer.key("a", Algorithm::EdDsa);
    issuer.answers(Answer::Slowly(json!({"keys": [known]})));
    let reader = Arc::new(issuer.reader(&[LONG]));
    let token = issuer.token("a");
    let crowd = (0..50).map(|_| {
        let (reader, token) = (reader.clone(), token.clone());
        tokio::spawn(async move { reader.admits(&token).await })
    });
    for admitted in crowd.collect::<Vec<_>>() {
        assert_eq!(admitted.await.unwrap(), Ok(()));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn keys_stay_while_the_issuer_is_down_and_not_for_ever() {
    let issuer = Issuer::start().await;
    let known = issuer.key("a", Algorithm::Es256);
    issuer.key("b", Algorithm::Es256);
    issuer.answers(keys(&[&known]));
    let [patient, strict] =
        ["24h", "1ms"].map(|stale| issuer.reader(&[SHORT, ("auth.jwks_stale_max", stale)]));
    for reader in [&patient, &strict] {
        // With keys that are too old at once, one is admitted by keys that have just come, or by none.
        let admitted = reader.admits(&issuer.token("a")).await;
        assert!(admitted == Ok(()) || admitted == unavailable());
    }
    for down in [
        Answer::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Answer::Status(StatusCode::NOT_FOUND),
        Answer::Elsewhere,
        Answer::Bytes(10 * 1024 * 1024),
        Answer::Garbage,
        Answer::Keys(json!({"keys": []})),
        Answer::Keys(json!({"keys": [{"kid": "b", "kty": "oct", "k": "c2VjcmV0"}]})),
        Answer::Keys(json!({"keys": [known, known]})),
    ] {
        issuer.answers(down.clone());
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(
            patient.admits(&issuer.token("b")).await,
            unknown("b"),
            "{down:?}"
        );
        assert_eq!(patient.admits(&issuer.token("a")).await, Ok(()), "{down:?}");
        assert_eq!(
            strict.admits(&issuer.token("a")).await,
            unavailable(),
            "{down:?}"
        );
    }
    issuer.answers(keys(&[&known]));
    assert_eq!(patient.admits(&issuer.token("a")).await, Ok(()));
}

#[tokio::test]
async fn without_any_keys_people_are_asked_to_come_back() {
    let issuer = Issuer::start().await;
    let known = issuer.key("a", Algorithm::Es256);
    let reader = issuer.reader(&[SHORT]);
    assert_eq!(reader.admits(&issuer.token("a")).await, unavailable());
    issuer.answers(keys(&[&known]));
    reader.admits_in_the_end(&issuer.token("a"), &Ok(())).await;
}

#[tokio::test]
async fn a_token_that_names_no_key_takes_the_only_one_of_its_algorithm() {
    let issuer = Issuer::start().await;
    let mut nameless = issuer.key("a", Algorithm::EdDsa);
    nameless.as_object_mut().unwrap().remove("kid");
    issuer.answers(keys(&[&nameless, &issuer.key("b", Algorithm::Es256)]));
    let reader = issuer.reader(&[SHORT]);
    assert_eq!(reader.admits(&issuer.token("a")).await, unknown("a"));
    let token = issuer.token_without_name("a");
    assert_eq!(reader.admits(&token).await, Ok(()));
    issuer.answers(keys(&[&nameless, &issuer.key("c", Algorithm::EdDsa)]));
    reader.admits_in_the_end(&issuer.token("c"), &Ok(())).await;
    let refused = reader.admits(&token).await.unwrap_err();
    assert_eq!(
        refused,
        "the token names no key (kid in its header), and there is not exactly one EdDSA key here"
    );
}
