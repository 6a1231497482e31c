//! New keys, keys that others made, and what signs and checks with either.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::error::KeyFileError;
use super::pem::pem;
use super::stored::StoredKey;
use super::{Algorithm, Key};

/// The parts of a key that is kept.
#[derive(Default)]
pub(super) struct Material {
    pub(super) secret: Option<String>,
    pub(super) private: Option<String>,
    pub(super) public: Option<String>,
}

/// A new key. There are no new RSA keys: those are for issuers who have one already.
pub(super) fn generate(algorithm: Algorithm) -> Result<Material, KeyFileError> {
    let made = match algorithm {
        Algorithm::Hs256 => secret(),
        Algorithm::Es256 => ecdsa(),
        Algorithm::EdDsa => ed25519(),
        Algorithm::Rs256 => return Err(KeyFileError::NotMadeHere),
    };
    made.map_err(|Unspecified| KeyFileError::NoRandomness)
}

/// A random name.
pub(super) fn random_id() -> Result<String, KeyFileError> {
    random::<9>().map_err(|Unspecified| KeyFileError::NoRandomness)
}

/// The key of which somebody else has the private part, and its algorithm.
pub(super) fn import_public(text: &str) -> Result<(Algorithm, Material), KeyFileError> {
    if text.contains("PRIVATE KEY") {
        return Err(KeyFileError::Private);
    }
    let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
    let algorithm = algorithms
        .into_iter()
        .find(|algorithm| public(*algorithm, text).is_ok())
        .ok_or(KeyFileError::NotPublic)?;
    let material = Material {
        public: Some(text.to_owned()),
        ..Material::default()
    };
    Ok((algorithm, material))
}

/// A secret that an application signs with too.
pub(super) fn import_secret(text: &str) -> Result<(Algorithm, Material), KeyFileError> {
    let material = Material {
        secret: Some(text.to_owned()),
        ..Material::default()
    };
    match text.len() >= SECRET_BYTES_MIN {
        true => Ok((Algorithm::Hs256, material)),
        false => Err(KeyFileError::ShortSecret(text.len())),
    }
}

impl StoredKey {
    /// What checks its signatures.
    ///
    /// # Errors
    /// It is not of its algorithm.
    pub fn verifier(&self) -> Result<Key, KeyFileError> {
        let verifier = match (self.algorithm, &self.secret, &self.public) {
            (Algorithm::Hs256, Some(secret), _) if secret.len() >= SECRET_BYTES_MIN => {
                DecodingKey::from_secret(secret.as_bytes())
            }
            (Algorithm::Hs256, ..) | (_, _, None) => return Err(damaged(self)),
            (algorithm, _, Some(text)) => public(algorithm, text).map_err(|_| damaged(self))?,
        };
        Ok(Key::own(&self.id, self.algorithm, verifier))
    }

    /// What makes its signatures; none if somebody else has the private part.
    ///
    /// # Errors
    /// It is not of its algorithm.
    pub fn signer(&self) -> Result<Option<EncodingKey>, KeyFileError> {
        let pem = self.private.as_deref().map(str::as_bytes);
        let signer = match (self.algorithm, &self.secret, pem) {
            (Algorithm::Hs256, Some(secret), _) => Ok(EncodingKey::from_secret(secret.as_bytes())),
            (Algorithm::Es256, _, Some(pem)) => EncodingKey::from_ec_pem(pem),
            (Algorithm::EdDsa, _, Some(pem)) => EncodingKey::from_ed_pem(pem),
            _ => return Ok(None),
        };
        signer.map(Some).map_err(|_| damaged(self))
    }
}

fn public(algorithm: Algorithm, text: &str) -> Result<DecodingKey, KeyFileError> {
    let pem = text.as_bytes();
    let key = match algorithm {
        Algorithm::Hs256 => return Err(KeyFileError::NotPublic),
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
    };
    let key = key.map_err(|_| KeyFileError::NotPublic)?;
    let bytes = key.try_get_as_bytes().map_or(0, <[u8]>::len);
    let is_strong = match algorithm {
        Algorithm::Hs256 => false,
        Algorithm::Rs256 => bytes >= RSA_BYTES_MIN,
        Algorithm::Es256 => bytes == P256_POINT_BYTES,
        Algorithm::EdDsa => bytes == ED25519_BYTES,
    };
    is_strong.then_some(key).ok_or(KeyFileError::NotPublic)
}

/// A text whose bytes are the key, so that it can be given to any library as it stands.
fn secret() -> Result<Material, Unspecified> {
    Ok(Material {
        secret: Some(random::<32>()?),
        ..Material::default()
    })
}

fn ecdsa() -> Result<Material, Unspecified> {
    let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let private = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new())?;
    let pair = EcdsaKeyPair::from_pkcs8(signing, private.as_ref()).map_err(|_| Unspecified)?;
    let public = pair.public_key().as_der()?;
    Ok(pair_of(private.as_ref(), public.as_ref()))
}

fn ed25519() -> Result<Material, Unspecified> {
    let private = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?;
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|_| Unspecified)?;
    let public = pair.public_key().as_der()?;
    Ok(pair_of(private.as_ref(), public.as_ref()))
}

fn pair_of(private: &[u8], public: &[u8]) -> Material {
    Material {
        secret: None,
        private: Some(pem("PRIVATE KEY", private)),
        public: Some(pem("PUBLIC KEY", public)),
    }
}

fn random<const N: usize>() -> Result<String, Unspecified> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn damaged(key: &StoredKey) -> KeyFileError {
    KeyFileError::Damaged(key.id.clone())
}

/// As long as what SHA-256 gives (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// The modulus of the shortest RSA key that is taken, 2048 bits; the DER around it adds a little.
const RSA_BYTES_MIN: usize = 256;
const P256_POINT_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;
