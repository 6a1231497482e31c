//! The layer of environment variables: `QUIRE_KEY` and `QUIRE_SECTION__KEY`, and the ones that everybody knows.
//!
//! `PORT` changes the port of `listen`, `RUST_LOG` is `log.filter`, and `DATABASE_URL` and `REDIS_URL` are `database_url` and
//! `redis_url`; a variable of our own wins over them. Variables
//! without a section that are no setting are left alone (Kubernetes puts `QUIRE_SERVICE_HOST` and the like in every pod),
//! with a warning where a setting was probably meant.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::origin::Origin;
use super::settings::{SETTINGS, Setting, nearest};
use super::values::Values;

/// What a process finds around it: its variables and its working folder.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// The folder that relative paths start from.
    pub directory: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self {
            variables: env::vars_os()
                .map(|(name, value)| (text(name), text(value)))
                .collect(),
            directory: PathBuf::new(),
        }
    }

    /// The file that `QUIRE_CONFIG` names.
    pub(super) fn named_file(&self) -> Option<PathBuf> {
        self.given(FILE_VARIABLE).map(PathBuf::from)
    }

    /// The first configuration file that exists where one is looked for.
    pub(super) fn find_file(&self) -> Option<PathBuf> {
        let here = Some(self.resolve(Path::new(FILE_NAME)));
        let of_user = self
            .user_folder()
            .map(|folder| folder.join("quire").join(FILE_NAME));
        let of_machine = Some(Path::new("/etc/quire").join(FILE_NAME));
        [here, of_user, of_machine]
            .into_iter()
            .flatten()
            .find(|path| path.is_file())
    }

    /// A path as seen from the working folder.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// Puts the variables over the values.
    pub(super) fn apply(&self, values: &mut Values) -> Result<(), ConfigError> {
        self.apply_port(values)?;
        for (variable, key) in KNOWN_TO_ALL {
            if let Some(text) = self.given(variable) {
                values.set(key, text.to_owned(), origin(variable));
            }
        }
        self.refuse_unknown()?;
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(text) = self.variables.get(&variable) {
                values.set(setting.key, text.clone(), Origin::Environment(variable));
            }
        }
        Ok(())
    }

    /// What the operator may have meant and did not get.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mistyped = self
            .own()
            .filter(|name| !is_setting(name) && !has_section(name));
        let warned = mistyped.filter_map(|name| {
            let meant = nearest(name, variables())?;
            Some(format!(
                "{name} is not a setting and is ignored; did you mean {meant}?"
            ))
        });
        warned.collect()
    }

    fn apply_port(&self, values: &mut Values) -> Result<(), ConfigError> {
        let Some(text) = self.given("PORT") else {
            return Ok(());
        };
        let port = text.parse().map_err(|_| ConfigError::BadValue {
            origin: origin("PORT"),
            key: "listen".to_owned(),
            found: format!("{text:?}"),
            expected: "a port number from 0 to 65535",
        })?;
        let listen: SocketAddr = values.get("listen")?;
        values.set(
            "listen",
            SocketAddr::new(listen.ip(), port).to_string(),
            origin("PORT"),
        );
        Ok(())
    }

    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        match self
            .own()
            .find(|name| has_section(name) && !is_setting(name))
        {
            Some(name) => Err(ConfigError::UnknownKey {
                origin: origin(name),
                key: name[PREFIX.len()..].replace("__", ".").to_lowercase(),
                suggestion: nearest(name, variables()),
            }),
            None => Ok(()),
        }
    }

    fn own(&self) -> impl Iterator<Item = &str> {
        let own = self.variables.keys().map(String::as_str);
        own.filter(|name| name.starts_with(PREFIX) && *name != FILE_VARIABLE)
    }

    /// A variable that is set to something.
    fn given(&self, variable: &str) -> Option<&str> {
        self.variables
            .get(variable)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    fn user_folder(&self) -> Option<PathBuf> {
        let of_home = || {
            self.given("HOME")
                .map(|home| Path::new(home).join(".config"))
        };
        self.given("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(of_home)
    }
}

fn variables() -> impl Iterator<Item = String> {
    SETTINGS.iter().map(Setting::variable)
}

fn is_setting(variable: &str) -> bool {
    variables().any(|known| known == variable)
}

fn has_section(variable: &str) -> bool {
    variable.contains("__")
}

fn origin(variable: &str) -> Origin {
    Origin::Environment(variable.to_owned())
}

const PREFIX: &str = "QUIRE_";
const FILE_VARIABLE: &str = "QUIRE_CONFIG";
const FILE_NAME: &str = "quire.toml";

/// Variables that other programs go by too, and what they set here.
const KNOWN_TO_ALL: [(&str, &str); 3] = [
    ("RUST_LOG", "log.filter"),
    ("DATABASE_URL", "database_url"),
    ("REDIS_URL", "redis_url"),
];
