//! `quire token`: makes tokens, and tells what is in one and whether this server takes it.

use std::io::{self, Read};

use jsonwebtoken::EncodingKey;
use serde::Serialize;
use serde_json::Value;

use super::args::{Output, TokenCommand, TokenInspectArgs, TokenNewArgs};
use super::failure::Failure;
use super::{output, serve};
use crate::auth::keys::{KeyFile, StoredKey};
use crate::auth::token::{Expected, TOKEN_BYTES_MAX, Token, Wanted};
use crate::auth::{Auth, Credential, Pass, Visitor, wall_ms};
use crate::config::{Config, StoreChoice};
use crate::place::timestamp;
use crate::stores;

/// What is told of a token.
#[derive(Debug, Serialize)]
struct Inspected {
    good: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Value>,
}

pub(super) fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::New(args) => new(args),
        TokenCommand::Inspect(args) => serve::runtime()?.block_on(inspect(args)),
    }
}

fn new(args: TokenNewArgs) -> Result<(), Failure> {
    let config = Config::load(&args.data.flags())?.config;
    let file = KeyFile::read(&config.data_dir)?;
    let (key, signer) = choose(&file, args.key.as_deref())?;
    let id = match args.id {
        Some(id) => id,
        None => KeyFile::random_id()?,
    };
    let wanted = Wanted {
        subject: args.sub,
        id,
        may: args.may,
        workspace: args.workspace,
        document: args.document,
        editors_max: args.editors_max,
        life: args.expires,
    };
    let expected = Expected::from(&config.auth);
    let token = wanted.sign(key, &signer, &expected, wall_ms());
    let token = token.map_err(|fault| {
        Failure::usage(format!("this server would not take such a token: {fault}"))
    })?;
    output::print(&format!("{token}\n"))
}

/// The key of a name, or the only one that can sign.
fn choose<'a>(
    file: &'a KeyFile,
    name: Option<&str>,
) -> Result<(&'a StoredKey, EncodingKey), Failure> {
    if let Some(name) = name {
        let key = file.find(name)?;
        if key.revoked_at.is_some() {
            return Err(Failure::failed(format!("the key {name:?} was revoked")));
        }
        let sentence =
            format!("what the key {name:?} signs with is not here: whoever signs keeps it");
        let signer = key.signer()?.ok_or_else(|| Failure::failed(sentence))?;
        return Ok((key, signer));
    }
    let mut able = Vec::new();
    for key in file.keys().iter().filter(|key| key.revoked_at.is_none()) {
        able.extend(key.signer()?.map(|signer| (key, signer)));
    }
    match (able.pop(), able.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Failure::not_found(
            "there is no key that can sign; make one with `quire key new`",
        )),
        (Some(_), false) => Err(Failure::usage(
            "there are several keys that can sign; name one with --key, `quire key list` shows them",
        )),
    }
}

async fn inspect(args: TokenInspectArgs) -> Result<(), Failure> {
    let text = match args.token.as_str() {
        "-" => read()?,
        token => token.to_owned(),
    };
    let config = Config::load(&args.data.flags())?.config;
    let pass = verdict(&config, text.trim()).await?;
    let inspected = look(text.trim(), pass.as_ref().err());
    match args.output {
        Output::Table => output::print(&output::table(["FIELD", "VALUE"], &rows(&inspected)))?,
        Output::Json | Output::Ndjson => output::print(&output::json(&inspected))?,
    }
    pass.map(|_| ()).map_err(Failure::denied)
}

/// What a server with this configuration would say: the pass, or why there is none.
async fn verdict(config: &Config, token: &str) -> Result<Result<Pass, String>, Failure> {
    let auth = Auth::asking(config).map_err(|error| Failure::failed(format!("{error:#}")))?;
    let store = match config.store {
        StoreChoice::Sqlite if !config.data_dir.join("quire.sqlite").exists() => None,
        _ => stores::open_to_look(config)
            .await
            .map_err(|error| Failure::of_store(&error))?,
    };
    let auth = match store {
        Some(store) => auth.kept_in(store).await?,
        None => auth,
    };
    let credential = Credential::new(token);
    let visitor = Visitor {
        credential: Some(&credential),
        document: None,
    };
    let pass = auth.admit(visitor).await;
    Ok(pass
        .map(|pass| (*pass).clone())
        .map_err(|refusal| refusal.to_string()))
}

fn look(text: &str, reason: Option<&String>) -> Inspected {
    let token = Token::parse(text).ok();
    let header = token.as_ref().map(|token| token.header.clone());
    Inspected {
        good: reason.is_none(),
        reason: reason.cloned(),
        alg: header.as_ref().map(|it| it.algorithm.to_string()),
        kid: header.and_then(|it| it.key),
        claims: token.and_then(|token| token.unverified_json().ok()),
    }
}

fn rows(inspected: &Inspected) -> Vec<[String; 2]> {
    let verdict = match &inspected.reason {
        None => "taken".to_owned(),
        Some(reason) => format!("not taken: {}", output::harmless(reason)),
    };
    let mut rows = vec![["verdict".to_owned(), verdict]];
    let parts = [("alg", &inspected.alg), ("kid", &inspected.kid)];
    for (name, value) in parts {
        rows.extend(
            value
                .as_ref()
                .map(|value| [name.to_owned(), output::name(value)]),
        );
    }
    let claims = inspected.claims.as_ref().and_then(Value::as_object);
    for (name, value) in claims.into_iter().flatten() {
        rows.push([output::name(name), output::harmless(&claim(name, value))]);
    }
    rows
}

/// Times as people read them.
fn claim(name: &str, value: &Value) -> String {
    let is_time = ["exp", "iat", "nbf"].contains(&name);
    match value.as_u64().filter(|_| is_time) {
        Some(seconds) => format!("{} ({value})", timestamp(seconds.saturating_mul(1_000))),
        None => value.to_string(),
    }
}

/// A token from standard input; not much more than one may be long is read.
fn read() -> Result<String, Failure> {
    let mut text = String::new();
    let most = TOKEN_BYTES_MAX as u64 + 64;
    let read = io::stdin().lock().take(most).read_to_string(&mut text);
    read.map_err(|error| {
        Failure::failed(format!("cannot read a token from standard input: {error}"))
    })?;
    Ok(text)
}
