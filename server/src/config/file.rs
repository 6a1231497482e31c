//! The layer of the configuration file: TOML, read with the place of every key, so that an error can name its line.

use std::fs;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::origin::Origin;
use super::settings::{SETTINGS, Setting, nearest};
use super::values::Values;

/// Puts what a file says over the values.
pub(super) fn apply(path: &Path, values: &mut Values) -> Result<(), ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut file = File {
        path,
        text: &text,
        values,
    };
    let table = DeTable::parse(&text).map_err(|error| ConfigError::Syntax {
        origin: file.origin(error.span().unwrap_or_default()),
        message: error.message().to_owned(),
    })?;
    file.apply(table.get_ref(), None)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    values: &'a mut Values,
}

impl File<'_> {
    fn apply(&mut self, table: &DeTable<'_>, section: Option<&str>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let origin = self.origin(name.span());
            let key = match section {
                Some(section) => format!("{section}.{}", name.get_ref()),
                None => name.get_ref().to_string(),
            };
            self.apply_key(&key, value, origin)?;
        }
        Ok(())
    }

    fn apply_key(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        if let (DeValue::Table(table), true) = (value.get_ref(), is_section(key)) {
            return self.apply(table, Some(key));
        }
        let Some(setting) = Setting::find(key) else {
            return Err(unknown(key, value.get_ref(), origin));
        };
        let text = text_of(key, value.get_ref(), &origin)?;
        self.values.set(setting.key, text, origin);
        Ok(())
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }
}

fn is_section(key: &str) -> bool {
    SETTINGS
        .iter()
        .any(|setting| setting.section() == Some(key))
}

fn unknown(key: &str, value: &DeValue<'_>, origin: Origin) -> ConfigError {
    let keys = SETTINGS.iter().map(|setting| setting.key);
    let sections = SETTINGS.iter().filter_map(Setting::section);
    let suggestion = match value {
        DeValue::Table(_) => nearest(key, sections.map(str::to_owned)),
        _ => nearest(key, keys.map(str::to_owned)),
    };
    ConfigError::UnknownKey {
        origin,
        key: key.to_owned(),
        suggestion,
    }
}

fn text_of(key: &str, value: &DeValue<'_>, origin: &Origin) -> Result<String, ConfigError> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        other => Err(ConfigError::BadValue {
            origin: origin.clone(),
            key: key.to_owned(),
            found: format!("of the type {}", other.type_str()),
            expected: "one value: a text in quotes, a whole number, true or false",
        }),
    }
}
