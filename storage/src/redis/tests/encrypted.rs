//! A connection that is encrypted: whose certificate is trusted, and that no other is.
//!
//! Which certificates are trusted is said to a whole process (`SSL_CERT_FILE`), so the test runs itself again as a client.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use services::free_port;
use tempfile::TempDir;

use super::{documents, hub_with};
use crate::bus::{Bus, BusState, Topic, Word};
use crate::contract::eventually;
use crate::redis::RedisBus;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_connection_is_made_to_whom_the_machine_trusts() {
    if let Ok(url) = env::var(URL) {
        return client(&url).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap().to_string();
    let [trusted, key] = certificate(&folder, "trusted");
    let [other, _] = certificate(&folder, "other");
    let options = ["--tls-port", &port, "--tls-auth-clients", "no"];
    let files = ["--tls-cert-file", &trusted, "--tls-key-file", &key];
    let authority = ["--tls-ca-cert-file", &trusted];
    let options = [&options[..], &files, &authority].concat();
    let Some(_hub) = hub_with(&options) else {
        return;
    };
    let url = format!("rediss://localhost:{port}");
    assert_eq!(run_as_client(&url, &trusted), "it is up");
    let refused = run_as_client(&url, &other);
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
}

/// What the client prints stands between the lines of the test's own.
fn run_as_client(url: &str, trusted: &str) -> String {
    let name =
        "redis::tests::encrypted::an_encrypted_connection_is_made_to_whom_the_machine_trusts";
    let output = Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(URL, url)
        .env("SSL_CERT_FILE", trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = output.lines().find_map(|line| line.split_once(MARK));
    said.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

async fn client(url: &str) {
    let bus = RedisBus::connect(url).unwrap();
    bus.listen(&documents(1)[0]);
    let said = eventually("something is known", || async {
        match bus.state() {
            BusState::Up => Some("it is up".to_owned()),
            BusState::Down { reason } if reason.contains("not connected") => None,
            BusState::Down { reason } => Some(reason),
        }
    });
    println!("{MARK}{}", said.await);
    bus.say(&Topic::Cluster, Word::Revoked);
    bus.close().await.unwrap();
}

/// The files of a certificate for this machine, and of its key.
fn certificate(folder: &TempDir, name: &str) -> [String; 2] {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let write = |end: &str, text: String| {
        let path = folder.path().join(format!("{name}.{end}"));
        fs::write(&path, text).unwrap();
        shown(&path)
    };
    [
        write("crt", cert.pem()),
        write("key", signing_key.serialize_pem()),
    ]
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

const URL: &str = "QUIRE_TEST_ENCRYPTED_REDIS";
const MARK: &str = "the client says: ";
