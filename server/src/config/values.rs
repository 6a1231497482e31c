//! One layer upon another: for each setting its text and where it came from, the last layer that has it wins.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::form::Form;
use super::origin::Origin;
use super::settings::{SECRETS, SETTINGS};

/// The value of every setting, as text, with its origin.
#[derive(Clone, Debug)]
pub(super) struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// The defaults.
    pub(super) fn defaults() -> Self {
        let value = |default: &str| (default.to_owned(), Origin::Default);
        Self(
            SETTINGS
                .iter()
                .map(|setting| (setting.key, value(setting.default)))
                .collect(),
        )
    }

    /// Puts a value over whatever was there.
    pub(super) fn set(&mut self, key: &'static str, text: String, origin: Origin) {
        self.0.insert(key, (text, origin));
    }

    /// Reads a value as what it has to be.
    pub(super) fn get<F: Form>(&self, key: &str) -> Result<F, ConfigError> {
        let (text, origin) = &self.0[key];
        F::parse(text).ok_or_else(|| ConfigError::BadValue {
            origin: origin.clone(),
            key: key.to_owned(),
            found: match F::IS_SECRET {
                true => "something that is not shown".to_owned(),
                false => format!("{text:?}"),
            },
            expected: F::EXPECTED,
        })
    }

    /// A value as text, and where it came from.
    pub(super) fn text(&self, key: &str) -> (&str, &Origin) {
        let (text, origin) = &self.0[key];
        (text, origin)
    }

    /// Whether somebody has set it.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.0[key].1 != Origin::Default
    }

    /// The values with their origins. Of secrets it is only said that they are there.
    pub(super) fn into_origins(self) -> BTreeMap<&'static str, (String, Origin)> {
        let mut origins = self.0;
        for key in SECRETS {
            let (text, _) = origins.get_mut(key).expect("every secret is a setting");
            if let Some((scheme, _)) = text.split_once("://") {
                *text = format!("{scheme}://… (not shown)");
            }
        }
        origins
    }
}
