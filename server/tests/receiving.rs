//! Messages that never become whole, on the real binary: together they take up so much memory and no more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

struct Server {
    process: Child,
    /// A server whose output nobody takes does not get far.
    _said: BufReader<ChildStdout>,
    address: String,
    _folder: TempDir,
}

impl Server {
    fn start(receiving_bytes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", "memory"])
            .env_clear()
            .env("QUIRE_LIMITS__RECEIVING_BYTES", receiving_bytes)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        let address = said.trim().rsplit_once("http://").unwrap().1.to_owned();
        Self {
            process,
            address,
            _said: lines,
            _folder: folder,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A WebSocket that says what it is told to, frame or not.
struct Socket(BufReader<TcpStream>);

impl Socket {
    fn open(server: &Server) -> Self {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let request = format!(
            "GET /notes HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            server.address
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut socket = Self(BufReader::new(stream));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            socket.0.read_line(&mut line).unwrap();
        }
        socket
    }

    /// Begins a message of a mebibyte, and sends so much of it.
    fn begin(&mut self, sent: usize) {
        let mut bytes = vec![0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
        bytes.resize(bytes.len() + sent, 0);
        // The server may have closed meanwhile, which is read later.
        let _ = self.0.get_mut().write_all(&bytes);
    }

    /// The code that the server closes with; 0 if it is gone. Its frames here are short and not masked.
    fn close_code(&mut self) -> u16 {
        loop {
            let mut head = [0; 2];
            if self.0.read_exact(&mut head).is_err() {
                return 0;
            }
            let mut payload = vec![0; usize::from(head[1] & 0x7f)];
            self.0.read_exact(&mut payload).unwrap();
            if head[0] & 0x0f == 8 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

#[test]
fn who_asks_for_more_than_there_is_room_for_is_closed_and_others_go_on() {
    let server = Server::start("256KiB");
    let mut hogs: Vec<_> = (0..3).map(|_| Socket::open(&server)).collect();
    for hog in &mut hogs {
        hog.begin(200 * 1024);
    }
    // No two of them fit in together, so one stays at most.
    let (codes, closed) = channel();
    for mut hog in hogs {
        let codes = codes.clone();
        // Whoever stays reads until the server is gone.
        thread::spawn(move || codes.send(hog.close_code()));
    }
    for _ in 0..2 {
        assert_eq!(closed.recv_timeout(Duration::from_secs(30)), Ok(1013));
    }
    let mut modest = Socket::open(&server);
    // A pull of everything: two bytes, masked with zeros.
    let pull = [0x82, 0x84, 0, 0, 0, 0, 0, 0, 1, 0];
    modest.0.get_mut().write_all(&pull).unwrap();
    let mut head = [0; 2];
    modest.0.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x82, "a small message is answered");
}
