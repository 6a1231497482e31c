//! `quire config show`: every setting as the server would have it, and where it comes from.

use serde::Serialize;

use super::args::{ConfigCommand, ConfigShowArgs};
use super::failure::Failure;
use super::output;
use crate::config::{Config, Loaded, SETTINGS};

/// A setting as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    key: &'static str,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

pub(super) fn run(command: ConfigCommand) -> Result<(), Failure> {
    let ConfigCommand::Show(args) = command;
    let loaded = Config::load(&args.flags())?;
    for warning in &loaded.warnings {
        output::warn(warning);
    }
    print(&shown(&loaded, args.origin), &args)
}

fn shown(loaded: &Loaded, with_origin: bool) -> Vec<Shown> {
    let shown = |key| {
        let (value, origin) = &loaded.origins[key];
        Shown {
            key,
            value: value.clone(),
            origin: with_origin.then(|| origin.to_string()),
        }
    };
    SETTINGS.iter().map(|setting| shown(setting.key)).collect()
}

fn print(settings: &[Shown], args: &ConfigShowArgs) -> Result<(), Failure> {
    let value = |setting: &Shown| output::harmless(&setting.value);
    if args.origin {
        let origin = |setting: &Shown| output::harmless(setting.origin.as_deref().unwrap_or(""));
        let row = |setting: &Shown| [setting.key.to_owned(), value(setting), origin(setting)];
        output::print_list(args.output, settings, ["KEY", "VALUE", "ORIGIN"], row)
    } else {
        let row = |setting: &Shown| [setting.key.to_owned(), value(setting)];
        output::print_list(args.output, settings, ["KEY", "VALUE"], row)
    }
}
