//! Keys and tokens on the command line, as a shell runs it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of its own for each test.
struct Shell(TempDir);

impl Shell {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a key for HS256.
    fn with_key() -> Self {
        let shell = Self::new();
        shell.prints(&["key", "new", "--kid", "app"]);
        shell
    }

    fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What a command that succeeds prints.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.run_with(args, "");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails with a code complains of.
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run_with(args, "");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {complaint}");
        complaint
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.prints(args)).unwrap()
    }

    fn token(&self, args: &[&str]) -> String {
        let all = [
            &["token", "new", "--sub", "ada", "--may", "read,write"],
            args,
        ]
        .concat();
        self.prints(&all).trim().to_owned()
    }

    /// What is said of a token, and the exit code.
    fn inspected(&self, token: &str) -> (Value, i32) {
        let output = self.run_with(&["token", "inspect", "-o", "json"], token);
        let said = serde_json::from_slice(&output.stdout).unwrap();
        (said, output.status.code().unwrap())
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("quire-data/keys.json")
    }
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let shell = Shell::new();
    assert_eq!(shell.prints(&["key", "new", "--kid", "one"]), "one\n");
    let second = shell.prints(&["key", "new", "--alg", "ES256"]);
    assert_eq!(second.trim().len(), 12);
    shell.prints(&["key", "new", "--alg", "EdDSA", "--kid", "three"]);
    let listed = shell.json(&["key", "list", "-o", "json"]);
    let algorithms: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["alg"])
        .collect();
    assert_eq!(algorithms, ["HS256", "ES256", "EdDSA"]);
    shell.prints(&["key", "revoke", "one"]);
    let listed = shell.json(&["key", "list", "-o", "json"]);
    assert!(listed[0]["revoked_at"].is_string() && listed[1]["revoked_at"].is_null());
    let said = shell.fails(3, &["key", "revoke", "four"]);
    assert!(
        said.contains("there is no key \"four\"; `quire key list`"),
        "{said}"
    );
    let said = shell.fails(1, &["key", "new", "--kid", "one"]);
    assert!(said.contains("there is a key \"one\" already"), "{said}");
    let said = shell.fails(2, &["key", "new", "--kid", "../x"]);
    assert!(said.contains("1 to 64 letters, digits"), "{said}");
    let said = shell.fails(2, &["key", "new", "--alg", "RS256"]);
    assert!(said.contains("quire key add --public FILE"), "{said}");
    let said = shell.fails(2, &["key", "new", "--alg", "none"]);
    assert!(said.contains("unknown algorithm \"none\""), "{said}");
}

#[test]
fn the_key_file_is_for_its_owner_only() {
    let shell = Shell::with_key();
    let mode = fs::metadata(shell.keys()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(shell.keys(), fs::Permissions::from_mode(0o644)).unwrap();
    let said = shell.fails(1, &["key", "list"]);
    assert!(
        said.contains("can be read or changed by others (mode 644)"),
        "{said}"
    );
    assert!(said.contains("chmod 600"), "{said}");
    let said = shell.fails(1, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(
        said.contains("chmod 600"),
        "the server does not start either: {said}"
    );
}

#[test]
fn what_others_sign_with_is_added_and_what_they_keep_is_refused() {
    let [ours, theirs] = [Shell::new(), Shell::new()];
    for alg in ["ES256", "EdDSA"] {
        theirs.prints(&["key", "new", "--alg", alg, "--kid", alg]);
        let public = theirs.prints(&["key", "show", alg]);
        assert!(
            public.starts_with("-----BEGIN PUBLIC KEY-----\n"),
            "{public}"
        );
        let file = ours.0.path().join("public.pem");
        fs::write(&file, public).unwrap();
        ours.prints(&["key", "add", "--public", "public.pem", "--kid", alg]);
        let token = theirs.token(&["--key", alg]);
        assert_eq!(ours.inspected(&token).1, 0);
        let private = theirs.prints(&["key", "show", alg, "--secret"]);
        fs::write(&file, private).unwrap();
        let said = ours.fails(2, &["key", "add", "--public", "public.pem"]);
        assert!(said.contains("this is a private key"), "{said}");
    }
    let said = ours.fails(
        1,
        &[
            "token", "new", "--key", "ES256", "--sub", "a", "--may", "read",
        ],
    );
    assert!(said.contains("whoever signs keeps it"), "{said}");
    let said = ours.fails(3, &["key", "show", "ES256", "--secret"]);
    assert!(said.contains("whoever signs keeps it"), "{said}");
    fs::write(ours.0.path().join("junk"), "junk").unwrap();
    let said = ours.fails(2, &["key", "add", "--public", "junk"]);
    assert!(said.contains("no public key in PEM"), "{said}");
}

#[test]
fn a_secret_is_the_text_as_it_stands() {
    let [ours, theirs] = [Shell::new(), Shell::with_key()];
    let secret = theirs.prints(&["key", "show", "app", "--secret"]);
    fs::write(ours.0.path().join("secret"), &secret).unwrap();
    ours.prints(&["key", "add", "--secret", "secret", "--kid", "app"]);
    assert_eq!(ours.inspected(&theirs.token(&[])).1, 0);
    assert_eq!(ours.prints(&["key", "show", "app", "--secret"]), secret);
    let said = ours.fails(2, &["key", "show", "app"]);
    assert!(said.contains("has no public part"), "{said}");
    fs::write(ours.0.path().join("secret"), "too short").unwrap();
    let said = ours.fails(2, &["key", "add", "--secret", "secret"]);
    assert!(
        said.contains("a secret of 9 bytes can be guessed"),
        "{said}"
    );
    ours.fails(
        2,
        &["key", "add", "--secret", "secret", "--public", "secret"],
    );
    ours.fails(2, &["key", "add"]);
}

#[test]
fn a_token_says_what_was_asked_for() {
    let shell = Shell::with_key();
    let token = shell.token(&[
        "--workspace",
        "team",
        "--document",
        "stories/*",
        "--editors-max",
        "3",
        "--expires",
        "2h",
        "--id",
        "t-1",
    ]);
    let (said, code) = shell.inspected(&token);
    assert_eq!((code, &said["good"]), (0, &json!(true)));
    assert_eq!(
        (&said["alg"], &said["kid"]),
        (&json!("HS256"), &json!("app"))
    );
    let claims = &said["claims"];
    assert_eq!(
        (&claims["sub"], &claims["jti"]),
        (&json!("ada"), &json!("t-1"))
    );
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 7_200);
    let rule = json!({"may": ["read", "write"], "workspace": "team", "document": "stories/*", "editors_max": 3});
    assert_eq!(claims["quire"], rule);
    let table = shell.prints(&["token", "inspect", &token]);
    assert!(
        table.contains("verdict  taken\n") && table.contains("sub      \"ada\"\n"),
        "{table}"
    );
    let other = shell.token(&[]);
    assert_ne!(shell.inspected(&other).0["claims"]["jti"], claims["jti"]);
}

#[test]
fn a_token_that_would_not_be_taken_is_not_made() {
    let shell = Shell::with_key();
    let new = |args: &[&str]| shell.fails(2, &[&["token", "new"], args].concat());
    for (args, why) in [
        (&["--sub", "", "--may", "read"][..], "sub is \"\""),
        (
            &["--sub", "a", "--may", "read", "--editors-max", "0"],
            "editors_max is 0",
        ),
        (
            &["--sub", "a", "--may", "read", "--expires", "0s"],
            "has expired",
        ),
        (&["--sub", "a", "--may", "reed"], "expected words of read"),
        (&["--sub", "a"], "--may"),
        (&["--may", "read"], "--sub"),
    ] {
        let said = new(args);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    let said = shell.fails(
        3,
        &["token", "new", "--key", "no", "--sub", "a", "--may", "read"],
    );
    assert!(said.contains("there is no key \"no\""), "{said}");
    shell.prints(&["key", "new", "--kid", "second"]);
    let said = new(&["--sub", "a", "--may", "read"]);
    assert!(said.contains("several keys that can sign"), "{said}");
    let none = Shell::new().fails(3, &["token", "new", "--sub", "a", "--may", "read"]);
    assert!(none.contains("make one with `quire key new`"), "{none}");
}

#[test]
fn inspecting_says_why_a_token_is_not_taken() {
    let [shell, other] = [Shell::with_key(), Shell::with_key()];
    let good = shell.token(&[]);
    let said = |token: &str| {
        let (said, code) = shell.inspected(token);
        assert_eq!((code, &said["good"]), (4, &json!(false)), "{said}");
        said["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        said(&other.token(&[])),
        "the token's signature is not of the key \"app\""
    );
    other.prints(&["key", "new", "--kid", "else"]);
    let unknown = other.token(&["--key", "else"]);
    assert_eq!(said(&unknown), "the token's key \"else\" is not known here");
    assert!(said("nonsense").starts_with("this is no token"));
    assert!(said("").starts_with("this is no token"));
    shell.prints(&["key", "revoke", "app"]);
    assert_eq!(said(&good), "the token's key \"app\" was revoked");
    let complaint = shell.fails(4, &["token", "inspect", &good]);
    assert_eq!(complaint, "error: the token's key \"app\" was revoked\n");
}

#[test]
fn what_the_configuration_expects_is_put_into_tokens() {
    let shell = Shell::with_key();
    let config = "[auth]\nissuer = \"https://app.example\"\naudience = \"quire\"\n";
    let plain = shell.token(&[]);
    fs::write(shell.0.path().join("quire.toml"), config).unwrap();
    let (said, code) = shell.inspected(&shell.token(&[]));
    assert_eq!(
        (code, &said["claims"]["iss"]),
        (0, &json!("https://app.example"))
    );
    assert_eq!(said["claims"]["aud"], json!("quire"));
    let (said, code) = shell.inspected(&plain);
    assert_eq!(code, 4);
    assert_eq!(
        said["reason"],
        json!("the token's iss is missing, expected what auth.issuer says")
    );
}
