//! How the layers come together, and what is said about where each value came from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Config;
use super::environment::Environment;
use super::error::ConfigError;
use super::file;
use super::origin::Origin;
use super::settings::Setting;
use super::values::Values;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The file to read, instead of looking for one.
    pub file: Option<PathBuf>,
    /// Values by key.
    pub values: BTreeMap<&'static str, String>,
}

/// A configuration and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every setting's value as text, and its origin.
    pub origins: BTreeMap<&'static str, (String, Origin)>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// What to tell the operator, one sentence each.
    pub warnings: Vec<String>,
}

/// Puts the layers upon each other and reads the result.
pub(super) fn load(environment: &Environment, flags: &Flags) -> Result<Loaded, ConfigError> {
    let mut values = Values::defaults();
    let file = flags
        .file
        .clone()
        .or_else(|| environment.named_file())
        .map(|path| environment.resolve(&path))
        .or_else(|| environment.find_file());
    if let Some(path) = &file {
        file::apply(path, &mut values)?;
    }
    environment.apply(&mut values)?;
    apply_flags(flags, &mut values);
    Ok(Loaded {
        config: Config::read(&values)?,
        origins: values.into_origins(),
        file,
        warnings: environment.warnings(),
    })
}

fn apply_flags(flags: &Flags, values: &mut Values) {
    for (&key, text) in &flags.values {
        let setting = Setting::find(key).expect("every flag is a setting");
        let flag = format!("--{}", key.replace(['.', '_'], "-"));
        values.set(setting.key, text.clone(), Origin::Flag(flag));
    }
}
