//! `quire key`: the keys that this server checks tokens with. They are a file in the data folder, which a running server
//! reads again when it changes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::{
    DataArgs, KeyAddArgs, KeyCommand, KeyListArgs, KeyNewArgs, KeyRevokeArgs, KeyShowArgs,
};
use super::failure::Failure;
use super::output;
use crate::auth::keys::{Algorithm, KeyFile, KeyFileError, StoredKey};
use crate::auth::wall_ms;
use crate::config::Config;

/// A key as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    kid: String,
    alg: Algorithm,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
    signs_here: bool,
}

pub(super) fn run(command: KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::New(args) => new(args),
        KeyCommand::Add(args) => add(args),
        KeyCommand::List(args) => list(&args),
        KeyCommand::Show(args) => show(&args),
        KeyCommand::Revoke(args) => revoke(&args),
    }
}

/// Where the keys are.
pub(super) fn data_dir(args: &DataArgs) -> Result<PathBuf, Failure> {
    Ok(Config::load(&args.flags())?.config.data_dir)
}

fn new(args: KeyNewArgs) -> Result<(), Failure> {
    insert(&args.data, |keys| {
        keys.make(args.alg, args.kid, wall_ms()).cloned()
    })
}

fn add(args: KeyAddArgs) -> Result<(), Failure> {
    let file = args
        .source
        .public
        .as_deref()
        .or(args.source.secret.as_deref());
    let file = file.expect("one of them is required");
    let text = read(file)?;
    insert(&args.data, |keys| {
        let added = match args.source.public {
            Some(_) => keys.add_public(&text, args.kid, wall_ms()),
            None => keys.add_secret(text.trim_end_matches(['\r', '\n']), args.kid, wall_ms()),
        };
        added.cloned()
    })
}

/// Prints the name alone, for scripts; what people should know goes to standard error.
fn insert(
    data: &DataArgs,
    make: impl FnOnce(&mut KeyFile) -> Result<StoredKey, KeyFileError>,
) -> Result<(), Failure> {
    let folder = data_dir(data)?;
    let is_first = KeyFile::read(&folder)?.keys().is_empty();
    let key = KeyFile::change(&folder, make)?;
    output::print(&format!("{}\n", key.id))?;
    let file = KeyFile::path(&folder);
    output::remark(&format!(
        "key {} ({}) is in {}",
        key.id,
        key.algorithm,
        file.display()
    ));
    if is_first {
        output::remark(
            "from now on tokens are asked for; a server that runs already has to be started again for that",
        );
    }
    Ok(())
}

fn list(args: &KeyListArgs) -> Result<(), Failure> {
    let file = KeyFile::read(&data_dir(&args.data)?)?;
    let keys: Vec<_> = file.keys().iter().map(shown).collect();
    let head = ["KID", "ALG", "STATE", "SIGNS", "CREATED"];
    output::print_list(args.output, &keys, head, |key| {
        let state = match &key.revoked_at {
            Some(at) => format!("revoked {at}"),
            None => "good".to_owned(),
        };
        let signs = if key.signs_here { "here" } else { "elsewhere" };
        [
            output::name(&key.kid),
            key.alg.to_string(),
            state,
            signs.to_owned(),
            key.created_at.clone(),
        ]
    })
}

fn show(args: &KeyShowArgs) -> Result<(), Failure> {
    let file = KeyFile::read(&data_dir(&args.data)?)?;
    let key = file.find(&args.kid)?;
    let text = match (args.secret, &key.secret, &key.private, &key.public) {
        (true, Some(secret), ..) => format!("{secret}\n"),
        (true, None, Some(private), _) => private.clone(),
        (false, None, _, Some(public)) => public.clone(),
        (true, ..) => {
            return Err(Failure::not_found(
                "what this key signs with is not here: whoever signs keeps it",
            ));
        }
        (false, ..) => {
            return Err(Failure::usage(
                "a key for HS256 has no public part; --secret prints it all",
            ));
        }
    };
    output::print(&text)
}

fn revoke(args: &KeyRevokeArgs) -> Result<(), Failure> {
    let folder = data_dir(&args.data)?;
    let is_new = KeyFile::change(&folder, |keys| keys.revoke(&args.kid, wall_ms()))?;
    output::remark(match is_new {
        true => "none of its tokens is good any more",
        false => "it was revoked before",
    });
    Ok(())
}

fn shown(key: &StoredKey) -> Shown {
    Shown {
        kid: key.id.clone(),
        alg: key.algorithm,
        created_at: key.created_at.clone(),
        revoked_at: key.revoked_at.clone(),
        signs_here: key.secret.is_some() || key.private.is_some(),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))
}
