//! Encrypted connections, on the real binary: TLS 1.3 and nothing older, and certificates that change while people write.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use crate::common::edit;
use crate::common::wire::{Server, Socket};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustix::process::{Pid, Signal, kill_process};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

/// A certificate of its own making and its key.
fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// The two files.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(shown: &CertifiedKey<KeyPair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Self { folder };
        files.put("certificate", &shown.cert.pem());
        files.put("key", &shown.signing_key.serialize_pem());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Exchanges a file in one step.
    fn put(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        let [certificate, key] = ["certificate", "key"].map(|name| self.path(name));
        let named = [
            ("TLS__CERTIFICATE", certificate.to_str().unwrap()),
            ("TLS__KEY", key.to_str().unwrap()),
        ];
        Server::start(&[&named, settings].concat())
    }

    /// What a server says that does not start.
    fn refused(&self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let Output { status, stderr, .. } = Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory"])
            .env_clear()
            .envs(settings.iter().copied())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    }
}

/// Connects as somebody who trusts a certificate and nothing else, and shakes hands.
fn connect(
    server: &Server,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> io::Result<Encrypted> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, server.connect());
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn open(server: &Server, trusted: &CertifiedKey<KeyPair>) -> io::Result<Socket> {
    let stream = connect(server, trusted.cert.der(), &TLS13)?;
    let socket = Socket::over(stream, &server.address, "/notes", "");
    Ok(socket.expect("the server agrees to a socket"))
}

/// Writes, and waits for the word that it is stored.
fn write(socket: &mut Socket, client: u8, text: &str) {
    let update = edit(client, text);
    let length = u8::try_from(update.len()).unwrap();
    let push = [&[0, 2, length][..], &update].concat();
    socket.send_frame(&push).unwrap();
    loop {
        let (_, frame) = socket.next_frame().expect("the server goes on");
        if frame == push {
            return;
        }
    }
}

#[test]
fn an_edit_over_tls_is_stored_and_seen_by_others() {
    let shown = certificate();
    let server = Files::new(&shown).serve();
    let mut writer = open(&server, &shown).unwrap();
    write(&mut writer, 1, "encrypted");
    let mut reader = open(&server, &shown).unwrap();
    reader
        .send_frame(&crate::common::wire::PULL_EVERYTHING)
        .unwrap();
    let seen = std::iter::from_fn(|| reader.next_frame()).any(|(_, frame)| {
        let text = String::from_utf8_lossy(&frame);
        text.contains("encrypted")
    });
    assert!(seen);
    assert!(server.said.starts_with("Quire "), "{}", server.said);
    assert!(
        server.said.contains(" https://127.0.0.1:"),
        "{}",
        server.said
    );
}

#[test]
fn a_new_certificate_is_shown_to_who_comes_and_nobody_is_dropped() {
    let (old, new) = (certificate(), certificate());
    let files = Files::new(&old);
    let server = files.serve();
    let mut stays = open(&server, &old).unwrap();
    write(&mut stays, 1, "before");
    // One file after the other, as they are renewed; between the two they do not belong together.
    files.put("certificate", &new.cert.pem());
    files.put("key", &new.signing_key.serialize_pem());
    server.logs("the certificate was read again");
    assert!(
        open(&server, &old).is_err(),
        "the old one is not shown any more"
    );
    let mut comes = open(&server, &new).unwrap();
    write(&mut comes, 2, "after");
    write(&mut stays, 3, "still here");
}

#[test]
fn files_that_cannot_be_used_leave_the_certificate_as_it_was() {
    let shown = certificate();
    let files = Files::new(&shown);
    let server = files.serve();
    files.put("certificate", "-----BEGIN CERTIFICATE-----\nrubbish");
    server.logs("the certificate stays the old one: tls.certificate: ");
    assert!(open(&server, &shown).is_ok());
    files.put("certificate", &certificate().cert.pem());
    server.logs("is not the key of the first certificate");
    assert!(open(&server, &shown).is_ok());
    files.put("certificate", &shown.cert.pem());
    server.logs("the certificate was read again");
    assert!(open(&server, &shown).is_ok());
}

#[test]
fn a_hangup_has_the_files_read_at_once() {
    let shown = certificate();
    let files = Files::new(&shown);
    let server = files.serve();
    let pid = Pid::from_raw(server.pid().try_into().unwrap()).unwrap();
    // Nothing has changed, so only the signal makes it look.
    kill_process(pid, Signal::HUP).unwrap();
    server.logs("the certificate was read again");
    assert!(open(&server, &shown).is_ok());
}

#[test]
fn nothing_older_than_tls_1_3_is_spoken() {
    let shown = certificate();
    let server = Files::new(&shown).serve();
    let refused = connect(&server, shown.cert.der(), &TLS12).unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    let plain = server.get("/", "");
    assert_eq!(plain.status, 0, "what is not encrypted is not answered");
    let mut encrypted = connect(&server, shown.cert.der(), &TLS13).unwrap();
    assert_eq!(encrypted.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    encrypted.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // Without the word that nothing more comes this would be an error.
    encrypted.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("okay"), "{answer}");
}

#[test]
fn who_does_not_shake_hands_is_not_waited_for() {
    let shown = certificate();
    let server = Files::new(&shown).serve_with(&[("LIMITS__REQUEST_TIME", "300ms")]);
    let mut silent = server.connect();
    let mut begun = server.connect();
    begun.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    let mut nothing = [0];
    assert_eq!(silent.read(&mut nothing).unwrap(), 0);
    assert_eq!(begun.read(&mut nothing).unwrap_or(0), 0);
    assert!(open(&server, &shown).is_ok());
}

#[test]
fn a_server_with_half_or_wrong_files_says_what_is_wrong_and_does_not_start() {
    let files = Files::new(&certificate());
    files.put("other", &certificate().signing_key.serialize_pem());
    let complaint = |certificate, key| {
        let settings = [
            ("QUIRE_TLS__CERTIFICATE", certificate),
            ("QUIRE_TLS__KEY", key),
        ];
        files.refused(&settings)
    };
    let cases = [
        ("none", "key", "set tls.certificate too"),
        ("certificate", "none", "set tls.key too"),
        (
            "absent",
            "key",
            "tls.certificate: \"absent\" cannot be read: No such file",
        ),
        (
            "key",
            "key",
            "tls.certificate: \"key\" holds no certificate in PEM",
        ),
        (
            "certificate",
            "certificate",
            "tls.key: \"certificate\" holds no private key in PEM",
        ),
        (
            "certificate",
            "other",
            "\"other\" is not the key of the first certificate in \"certificate\"",
        ),
    ];
    for (certificate, key, expected) in cases {
        let (code, said) = complaint(certificate, key);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
