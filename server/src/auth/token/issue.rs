//! Making a token. Applications do this with a library of theirs; the command line does it here.

use std::time::Duration;

use engine::Capabilities;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::auth::keys::StoredKey;

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who it is for.
    pub subject: String,
    /// Its id.
    pub id: String,
    /// What may be done.
    pub may: Capabilities,
    /// In which workspaces.
    pub workspace: String,
    /// With which documents.
    pub document: String,
    /// How many may edit one of them at the same time.
    pub editors_max: Option<u32>,
    /// How long it is good.
    pub life: Duration,
}

impl Wanted {
    /// A token that says this, signed with a key, for a server that expects what is said.
    ///
    /// # Errors
    /// The server would not take it.
    pub fn sign(
        &self,
        key: &StoredKey,
        signer: &EncodingKey,
        expected: &Expected,
        now_ms: u64,
    ) -> Result<String, Fault> {
        let header = json!({"alg": key.algorithm, "kid": key.id, "typ": "JWT"});
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = self.claims(expected, now_ms / 1_000);
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = crypto::sign(signed.as_bytes(), signer, key.algorithm.into());
        let signature = signature.map_err(|_| Fault::Signature(key.id.clone()))?;
        let token = format!("{signed}.{signature}");
        let verifier = key
            .verifier()
            .map_err(|_| Fault::Signature(key.id.clone()))?;
        Token::parse(&token)?.verify(&verifier, expected, now_ms)?;
        Ok(token)
    }

    fn claims(&self, expected: &Expected, now_s: u64) -> Value {
        let may: Vec<_> = self.may.iter().map(|it| it.as_str()).collect();
        let rule = json!({
            "may": may,
            "workspace": self.workspace,
            "document": self.document,
            "editors_max": self.editors_max,
        });
        let claims = json!({
            "sub": self.subject,
            "iat": now_s,
            "exp": now_s.saturating_add(self.life.as_secs()),
            "jti": self.id,
            "iss": expected.issuer,
            "aud": expected.audience,
            "quire": without_nulls(rule),
        });
        without_nulls(claims)
    }
}

/// What is not said is left out.
fn without_nulls(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}
