//! A key as it is kept: what it is for, since when it is good and whether it still is, and its parts.

use serde::{Deserialize, Serialize};

use super::Algorithm;

/// A key as it is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// What it is called by tokens.
    #[serde(rename = "kid")]
    pub id: String,
    /// The algorithm that it is for.
    #[serde(rename = "alg")]
    pub algorithm: Algorithm,
    /// When it was made or added.
    pub created_at: String,
    /// When it was revoked; none if it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// A text whose bytes are the key (HS256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The private part in PEM; none if somebody else has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<String>,
    /// The public part in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
}

/// Without the key itself.
impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredKey({:?}, {})", self.id, self.algorithm)
    }
}
