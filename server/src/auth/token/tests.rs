//! Tokens as they should be, and as people make them who want more than they got.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use engine::{Access, Author, Capability, DocumentKey};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use super::*;
use crate::auth::keys::{Algorithm, KeyFile};

const NOW_MS: u64 = 1_795_167_000_000;
const NOW_S: u64 = NOW_MS / 1_000;

/// One key for each algorithm; making them takes a moment.
struct Keys {
    file: KeyFile,
    rsa: RsaKeyPair,
    rsa_pem: String,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut file = KeyFile::default();
    for algorithm in [Algorithm::Hs256, Algorithm::Es256, Algorithm::EdDsa] {
        let id = Some(algorithm.as_str().to_owned());
        file.make(algorithm, id, NOW_MS).unwrap();
    }
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = rsa.public_key().as_der().unwrap();
    let digits = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let rsa_pem = format!("-----BEGIN PUBLIC KEY-----\n{digits}\n-----END PUBLIC KEY-----\n");
    file.add_public(&rsa_pem, Some("RS256".to_owned()), NOW_MS)
        .unwrap();
    Keys { file, rsa, rsa_pem }
});

fn key(id: &str) -> Key {
    KEYS.file.find(id).unwrap().verifier().unwrap()
}

fn base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of exactly this text, signed with the key of this name.
fn sign(id: &str, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let signature = match id.parse().unwrap() {
        Algorithm::Rs256 => {
            let mut signature = vec![0; KEYS.rsa.public_modulus_len()];
            let random = SystemRandom::new();
            let message = signed.as_bytes();
            KEYS.rsa
                .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                .unwrap();
            URL_SAFE_NO_PAD.encode(signature)
        }
        algorithm => {
            let signer = KEYS.file.find(id).unwrap().signer().unwrap().unwrap();
            crypto::sign(signed.as_bytes(), &signer, algorithm.into()).unwrap()
        }
    };
    format!("{signed}.{signature}")
}

fn header(id: &str) -> String {
    json!({"alg": id, "kid": id, "typ": "JWT"}).to_string()
}

/// What a token of Ada's claims, with some of it replaced; what is null is left out.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": "ada",
        "exp": NOW_S + 60,
        "iat": NOW_S,
        "quire": {"may": ["read", "write"]},
    });
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    let all = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => all.remove(&name),
            value => all.insert(name, value),
        };
    }
    claims
}

fn verify_by(id: &str, token: &str, expected: &Expected) -> Result<Pass, Fault> {
    Token::parse(token)?.verify(&key(id), expected, NOW_MS)
}

fn verify(token: &str) -> Result<Pass, Fault> {
    verify_by("HS256", token, &expected())
}

fn expected() -> Expected {
    Expected {
        leeway: Duration::from_secs(30),
        ..Expected::default()
    }
}

/// What is said of a token with these claims.
fn said(claims: &Value) -> String {
    said_of_text(&claims.to_string())
}

fn said_of_text(claims: &str) -> String {
    match verify(&sign("HS256", &header("HS256"), claims)) {
        Ok(_) => "good".to_owned(),
        Err(fault) => fault.to_string(),
    }
}

fn said_with(expected: &Expected, changes: Value) -> String {
    let token = sign("HS256", &header("HS256"), &claims(changes).to_string());
    match verify_by("HS256", &token, expected) {
        Ok(_) => "good".to_owned(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn a_good_token_is_good_with_each_algorithm() {
    for id in ["HS256", "RS256", "ES256", "EdDSA"] {
        let claims = claims(json!({"jti": "t-1"})).to_string();
        let token = sign(id, &header(id), &claims);
        let pass = verify_by(id, &token, &expected()).unwrap();
        assert_eq!(pass.author(), Some(Author::new("ada")));
        assert_eq!(pass.grant.expires_ms, Some(NOW_MS + 60_000));
        assert_eq!(pass.issued_ms, Some(NOW_MS));
        assert_eq!(pass.token_id.as_deref(), Some("t-1"));
        assert_eq!(pass.key_id.as_deref(), Some(id));
    }
}

#[test]
fn a_token_is_good_with_its_own_key_only() {
    let claims = claims(json!({})).to_string();
    let mut other = KeyFile::default();
    for id in ["HS256", "ES256", "EdDSA"] {
        let token = sign(id, &header(id), &claims);
        other
            .make(id.parse().unwrap(), Some(id.to_owned()), 0)
            .unwrap();
        let key = other.find(id).unwrap().verifier().unwrap();
        let fault = Token::parse(&token).unwrap();
        let fault = fault.verify(&key, &expected(), NOW_MS).unwrap_err();
        assert_eq!(fault, Fault::Signature(id.to_owned()));
    }
}

#[test]
fn whatever_is_changed_breaks_the_signature() {
    let token = sign("ES256", &header("ES256"), &claims(json!({})).to_string());
    let parts: Vec<_> = token.split('.').collect();
    let forged = base64url(&claims(json!({"sub": "eve"})).to_string());
    let changed = [
        format!("{}.{forged}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], base64url("guess")),
        format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)),
        format!(
            "{}.{}.{}",
            base64url(&header("ES256").replace("JWT", "jwt")),
            parts[1],
            parts[2]
        ),
    ];
    for token in changed {
        let fault = verify_by("ES256", &token, &expected()).unwrap_err();
        assert_eq!(fault, Fault::Signature("ES256".to_owned()), "{token}");
    }
}

/// Also where a digit has bits to spare, so that a token has one spelling.
#[test]
fn no_other_text_is_the_same_token() {
    let token = sign("EdDSA", &header("EdDSA"), &claims(json!({})).to_string());
    for at in 0..token.len() {
        for digit in ["A", "B", "g", "_", ".", "=", "\u{e9}", ""] {
            let mut changed = token.clone();
            changed.replace_range(at..=at, digit);
            let is_taken = verify_by("EdDSA", &changed, &expected()).is_ok();
            assert_eq!(is_taken, changed == token, "{changed}");
        }
    }
}

#[test]
fn no_token_goes_without_a_signature() {
    let claims = base64url(&claims(json!({})).to_string());
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS256 ", "hs256", "HS512", "PS256",
    ] {
        let header = base64url(&json!({"alg": alg, "kid": "HS256"}).to_string());
        for token in [
            format!("{header}.{claims}."),
            format!("{header}.{claims}.AAAA"),
        ] {
            let fault = Token::parse(&token).unwrap_err();
            let is_told = fault.to_string().contains("header alg is");
            assert!(is_told || fault == Fault::Form, "{fault}");
        }
    }
    let header = base64url(&header("HS256"));
    assert_eq!(
        Token::parse(&format!("{header}.{claims}.")).unwrap_err(),
        Fault::Form
    );
    let unsigned = format!("{header}.{claims}.AAAA");
    assert_eq!(verify(&unsigned), Err(Fault::Signature("HS256".to_owned())));
}

/// Signed as if the public key, which everybody has, were a secret.
#[test]
fn an_algorithm_cannot_be_chosen_by_the_token() {
    let claims = claims(json!({})).to_string();
    let header = json!({"alg": "HS256", "kid": "RS256"}).to_string();
    let signed = format!("{}.{}", base64url(&header), base64url(&claims));
    let der = KEYS.rsa.public_key().as_der().unwrap();
    let public = [
        KEYS.rsa_pem.as_bytes(),
        KEYS.rsa_pem.trim().as_bytes(),
        der.as_ref(),
    ];
    for secret in public {
        let signer = EncodingKey::from_secret(secret);
        let algorithm = jsonwebtoken::Algorithm::HS256;
        let signature = crypto::sign(signed.as_bytes(), &signer, algorithm).unwrap();
        let fault = verify_by("RS256", &format!("{signed}.{signature}"), &expected());
        assert_eq!(
            fault.unwrap_err().to_string(),
            "the token says alg HS256, but its key \"RS256\" is for RS256"
        );
    }
    let token = sign("HS256", &self::header("HS256"), &claims);
    for id in ["RS256", "ES256", "EdDSA"] {
        let fault = verify_by(id, &token, &expected()).unwrap_err();
        assert!(matches!(fault, Fault::OtherAlgorithm { .. }), "{fault}");
    }
}

#[test]
fn a_token_brings_no_key_and_demands_nothing() {
    let claims = claims(json!({})).to_string();
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("jwk", json!({"kty": "oct", "k": "c2VjcmV0"})),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["b64"])),
        ("crit", json!(null)),
    ] {
        let header = json!({"alg": "HS256", "kid": "HS256", name: value}).to_string();
        let fault = verify(&sign("HS256", &header, &claims)).unwrap_err();
        assert_eq!(fault, Fault::Header(name));
    }
}

#[test]
fn a_header_is_read_strictly() {
    let claims = base64url(&claims(json!({})).to_string());
    for (header, why) in [
        (r#"{"alg":["HS256"]}"#, "header alg is a list"),
        (r#"{"kid":"a"}"#, "header alg is null"),
        (r#"{"alg":"HS256","kid":7}"#, "header kid is 7"),
        (r#"{"alg":"HS256","kid":""}"#, "header kid is \"\""),
        (r#"{"alg":"HS256","kid":null}"#, "header kid is null"),
        (
            r#"{"alg":"HS256","typ":"logout+jwt"}"#,
            "header typ is \"logout+jwt\"",
        ),
        (r#"{"alg":"HS256","typ":1}"#, "header typ is 1"),
        (r#"{"alg":"HS256","alg":"HS256"}"#, "\"alg\" is there twice"),
        (r#""HS256""#, "header cannot be read"),
        ("{", "header cannot be read"),
    ] {
        let token = format!("{}.{claims}.AAAA", base64url(header));
        let fault = Token::parse(&token).unwrap_err().to_string();
        assert!(fault.contains(why), "{header}: {fault}");
    }
    let long = json!({"alg": "HS256", "kid": "k".repeat(257)}).to_string();
    let token = format!("{}.{claims}.AAAA", base64url(&long));
    let fault = Token::parse(&token).unwrap_err().to_string();
    assert!(fault.contains("a text of 257 bytes"), "{fault}");
    let typed = json!({"alg": "HS256", "kid": "HS256", "typ": "application/at+JWT"}).to_string();
    let token = format!("{}.{claims}.AAAA", base64url(&typed));
    assert!(Token::parse(&token).is_ok());
}

/// What is no path and no statement to anything here is simply the name of no key.
#[test]
fn the_name_of_a_key_is_only_a_name() {
    for kid in [
        "../../etc/passwd",
        "/dev/null",
        "a' OR '1'='1",
        "x'; DROP TABLE revocations; --",
        "| id",
        "\u{0}",
    ] {
        let header = json!({"alg": "HS256", "kid": kid}).to_string();
        let text = sign("HS256", &header, &claims(json!({})).to_string());
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.header.key.as_deref(), Some(kid));
        assert!(KEYS.file.find(kid).is_err());
    }
}

#[test]
fn what_is_no_token_is_told_so() {
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30.",
        "e30=.e30.AA",
        "e3 0.e30.AA",
        "🔑.e30.AA",
    ] {
        let fault = Token::parse(text).unwrap_err();
        let is_told = fault == Fault::Form || matches!(fault, Fault::Json { .. });
        assert!(is_told, "{text}: {fault}");
    }
    let fault = Token::parse(&"a".repeat(1024 * 1024)).unwrap_err();
    assert_eq!(fault, Fault::TooLong(1024 * 1024));
    let dots = ".".repeat(TOKEN_BYTES_MAX);
    assert_eq!(Token::parse(&dots).unwrap_err(), Fault::Form);
}

#[test]
fn times_are_numbers_within_reason() {
    assert_eq!(said(&claims(json!({}))), "good");
    assert_eq!(said(&claims(json!({"exp": NOW_S as f64 + 0.5}))), "good");
    let time = "expected a number of seconds since 1970, before the year 10000";
    for (name, value, shown) in [
        ("exp", json!("1795167060"), "\"1795167060\""),
        ("exp", json!(-1), "-1"),
        ("exp", json!(true), "true"),
        ("exp", json!([NOW_S + 60]), "a list"),
        ("exp", json!(253_402_300_800_u64), "253402300800"),
        ("exp", json!(u64::MAX), "18446744073709551615"),
        ("nbf", json!("now"), "\"now\""),
        ("iat", json!({}), "an object"),
    ] {
        let said = said(&claims(json!({name: value})));
        assert_eq!(said, format!("the token's {name} is {shown}, {time}"));
    }
    let missing = said(&claims(json!({"exp": null})));
    assert_eq!(missing, format!("the token's exp is missing, {time}"));
    let null = said_of_text(r#"{"sub":"ada","exp":null}"#);
    assert_eq!(null, format!("the token's exp is null, {time}"));
    for number in ["1e400", "NaN", "0x7fffffff", "1e", "01795167060"] {
        let said = said_of_text(&format!(r#"{{"sub":"ada","exp":{number}}}"#));
        assert!(
            said.starts_with("the token's claims cannot be read"),
            "{said}"
        );
    }
    let twice = said_of_text(&format!(r#"{{"sub":"ada","exp":1,"exp":{}}}"#, NOW_S + 60));
    assert!(twice.contains("\"exp\" is there twice"), "{twice}");
}

#[test]
fn a_token_is_good_in_its_time() {
    assert_eq!(
        said(&claims(json!({"exp": NOW_S}))),
        "the token has expired"
    );
    assert_eq!(said(&claims(json!({"exp": 0}))), "the token has expired");
    assert_eq!(said(&claims(json!({"nbf": NOW_S + 30}))), "good");
    let future = "is in the future; if the clocks differ, auth.leeway bridges that";
    for name in ["nbf", "iat"] {
        let said = said(&claims(json!({name: NOW_S + 31})));
        assert_eq!(said, format!("the token's {name} {future}"));
    }
}

#[test]
fn a_subject_is_a_name() {
    for (value, shown) in [
        (json!(null), "missing"),
        (json!(""), "\"\""),
        (json!(7), "7"),
        (json!(["ada"]), "a list"),
        (json!("a\u{1b}[31m"), "\"a\\u{1b}[31m\""),
        (json!("a".repeat(513)), "a text of 513 bytes"),
    ] {
        let said = said(&claims(json!({"sub": value})));
        let expected = "expected a text of 1 to 512 bytes without control characters";
        assert_eq!(said, format!("the token's sub is {shown}, {expected}"));
    }
}

#[test]
fn the_issuer_is_the_one_that_is_expected() {
    let with = |changes| {
        let issuer = Some("https://login.example".to_owned());
        said_with(
            &Expected {
                issuer,
                ..expected()
            },
            changes,
        )
    };
    assert_eq!(with(json!({"iss": "https://login.example"})), "good");
    assert_eq!(
        with(json!({})),
        "the token's iss is missing, expected what auth.issuer says"
    );
    for issuer in [
        "https://login.example/",
        "https://login.example.evil.com",
        "HTTPS://login.example",
    ] {
        let said = with(json!({"iss": issuer}));
        assert!(said.ends_with("expected what auth.issuer says"), "{said}");
    }
    let list = with(json!({"iss": ["https://login.example"]}));
    assert!(list.contains("iss is a list, expected a text"), "{list}");
    assert_eq!(said(&claims(json!({"iss": "anybody"}))), "good");
}

#[test]
fn the_audience_is_this_server() {
    let with = |only_audience, changes| {
        let audience = Some("quire".to_owned());
        said_with(
            &Expected {
                audience,
                only_audience,
                ..expected()
            },
            changes,
        )
    };
    for only in [false, true] {
        assert_eq!(with(only, json!({"aud": "quire"})), "good");
        assert_eq!(with(only, json!({"aud": ["quire"]})), "good");
        let missing = with(only, json!({}));
        assert_eq!(
            missing,
            "the token's aud is missing, expected what auth.audience says"
        );
        for aud in [
            json!("evil"),
            json!(["evil"]),
            json!([]),
            json!("quire2"),
            json!("Quire"),
        ] {
            let said = with(only, json!({"aud": aud}));
            assert!(said.ends_with("expected what auth.audience says"), "{said}");
        }
        for aud in [
            json!(7),
            json!({"quire": true}),
            json!(["quire", 7]),
            json!(["quire", null]),
        ] {
            let said = with(only, json!({"aud": aud}));
            assert!(said.contains("expected a text of"), "{said}");
        }
    }
    let both = json!({"aud": ["quire", "evil"]});
    assert_eq!(with(false, both.clone()), "good");
    let said_only = with(true, both);
    assert!(
        said_only.ends_with("expected what auth.audience says and nobody else"),
        "{said_only}"
    );
    let named = said(&claims(json!({"aud": "quire"})));
    assert!(
        named.ends_with("expected none, since auth.audience says none"),
        "{named}"
    );
}

fn access(changes: Value, default_may: &str, workspace: &str, name: &str) -> Access {
    let token = sign("HS256", &header("HS256"), &claims(changes).to_string());
    let expected = Expected {
        default_may: default_may.parse().unwrap(),
        ..expected()
    };
    let pass = verify_by("HS256", &token, &expected).unwrap();
    pass.grant
        .access(&DocumentKey::new(workspace, name).unwrap())
}

#[test]
fn a_rule_says_what_and_where() {
    let rule = json!({"may": ["read", "write"], "workspace": "team-*", "document": "stories/*", "editors_max": 3});
    let here = access(json!({"quire": rule}), "", "team-a", "stories/1");
    assert_eq!(
        here.may.iter().collect::<Vec<_>>(),
        [Capability::Read, Capability::Write]
    );
    assert_eq!(here.editors_max, Some(3));
    assert!(
        access(json!({"quire": rule}), "", "team-a", "drafts/1")
            .may
            .is_empty()
    );
    assert!(
        access(json!({"quire": rule}), "", "default", "stories/1")
            .may
            .is_empty()
    );
    let rules = json!([{"may": ["read"]}, {"may": ["admin"], "document": "x"}]);
    assert_eq!(
        access(json!({"quire": rules}), "", "default", "x")
            .may
            .iter()
            .count(),
        2
    );
    assert_eq!(
        access(json!({"quire": rules}), "", "default", "y")
            .may
            .iter()
            .count(),
        1
    );
    assert!(
        access(json!({"quire": rules}), "", "other", "y")
            .may
            .is_empty()
    );
}

#[test]
fn a_token_that_says_nothing_gets_what_the_configuration_says() {
    let silent = || json!({"quire": null});
    assert!(access(silent(), "", "default", "x").may.is_empty());
    let may = access(silent(), "read,presence", "default", "x").may;
    assert_eq!(may.iter().count(), 2);
    assert!(
        access(silent(), "read,presence", "other", "x")
            .may
            .is_empty()
    );
    let nothing = json!({"quire": {"may": []}});
    assert!(access(nothing, "read", "default", "x").may.is_empty());
    assert!(
        access(json!({"quire": []}), "read", "default", "x")
            .may
            .is_empty()
    );
}

#[test]
fn a_rule_that_is_not_as_it_should_be_refuses_the_token_by_its_path() {
    for (claim, wanted) in [
        (
            json!("read"),
            "quire is \"read\", expected a rule or a list of at most 64 rules",
        ),
        (json!(true), "quire is true, expected a rule or"),
        (
            json!([["read"]]),
            "quire[0] is a list, expected a rule such as",
        ),
        (
            json!({}),
            "quire.may is missing, expected a list of capabilities",
        ),
        (
            json!([{"may": "admin"}]),
            "quire[0].may is \"admin\", expected a list of capabilities",
        ),
        (json!({"may": null}), "quire.may is null, expected a list"),
        (
            json!({"may": {"admin": false}}),
            "quire.may is an object, expected a list",
        ),
        (
            json!({"may": ["read", "Admin"]}),
            "quire.may[1] is \"Admin\", expected one of read,",
        ),
        (
            json!({"may": ["read", 0]}),
            "quire.may[1] is 0, expected one of read,",
        ),
        (
            json!({"may": ["read"], "admin": false}),
            "quire.admin is false, expected no such member",
        ),
        (
            json!({"may": ["read"], "admin": "false"}),
            "quire.admin is \"false\", expected no such member",
        ),
        (
            json!({"may": ["read"], "documents": "a"}),
            "quire.documents is \"a\", expected no such member",
        ),
        (
            json!({"may": ["read"], "document": ["a"]}),
            "quire.document is a list, expected a name",
        ),
        (
            json!({"may": ["read"], "document": ""}),
            "quire.document is \"\", expected a name",
        ),
        (
            json!({"may": ["read"], "workspace": null}),
            "quire.workspace is null, expected a name",
        ),
        (
            json!({"may": ["read"], "editors_max": 0}),
            "quire.editors_max is 0, expected a whole number",
        ),
        (
            json!({"may": ["read"], "editors_max": -1}),
            "quire.editors_max is -1, expected a whole",
        ),
        (
            json!({"may": ["read"], "editors_max": 1.5}),
            "quire.editors_max is 1.5, expected a whole",
        ),
        (
            json!({"may": ["read"], "editors_max": "3"}),
            "quire.editors_max is \"3\", expected a whole",
        ),
        (
            json!(vec![json!({"may": []}); 65]),
            "quire is a list, expected a rule or a list of at most",
        ),
    ] {
        let mut all = claims(json!({}));
        all["quire"] = claim;
        let said = said(&all);
        assert!(said.starts_with(&format!("the token's {wanted}")), "{said}");
    }
}
