//! The real binary, and bytes on its sockets: requests and WebSocket frames as nobody's library would write them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server on a free port, which forgets everything unless it was started to keep it.
pub(crate) struct Server {
    process: Child,
    /// A server whose output nobody takes does not get far.
    _said: BufReader<ChildStdout>,
    /// The first line of what it prints.
    pub(crate) said: String,
    pub(crate) address: String,
    folder: TempDir,
}

impl Server {
    /// Starts with these settings, by their variables without `QUIRE_`.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_on("memory", settings)
    }

    /// Starts on a store of a kind.
    pub(crate) fn start_on(store: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings
            .iter()
            .map(|(name, value)| (format!("QUIRE_{name}"), value));
        let mut process = Command::new(env!("CARGO_BIN_EXE_quire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", store])
            .env_clear()
            .envs(settings)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join(LOG)).unwrap())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        let address = said.trim().rsplit_once("://").unwrap().1.to_owned();
        Self {
            process,
            said,
            address,
            _said: lines,
            folder,
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap()
    }

    /// Waits until the log has something.
    pub(crate) fn logs(&self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(what) {
            assert!(Instant::now() < deadline, "no {what:?} in {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// What it ends with, when it does.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// What a path is answered, to a request with more headers.
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        self.request("GET", path, headers)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut stream = BufReader::new(self.connect());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.address
        );
        stream.get_mut().write_all(request.as_bytes()).unwrap();
        Answer::read(&mut stream)
    }

    /// The value of a metric, named with its labels; 0 if there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics", "").body;
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// An answer over HTTP; all zero and empty if there was none.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(stream: &mut impl BufRead) -> Self {
        let mut answer = Self::read_head(stream);
        // A connection that is reset has said what it had to say.
        let _ = stream.read_to_string(&mut answer.body);
        answer
    }

    fn read_head(stream: &mut impl BufRead) -> Self {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|read| read > 0)
        {
        }
        let status = head.split(' ').nth(1);
        Self {
            status: status.map_or(0, |status| status.parse().unwrap()),
            head,
            body: String::new(),
        }
    }
}

pub(crate) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A WebSocket that says what it is told to, frame or not.
pub(crate) struct Socket(pub(crate) BufReader<Box<dyn Stream>>);

impl Socket {
    /// A socket for a path, which is expected to be there.
    pub(crate) fn open(server: &Server, path: &str) -> Self {
        Self::ask(server, path, "").expect("the server agrees to a socket")
    }

    /// A socket, or what was answered instead.
    pub(crate) fn ask(server: &Server, path: &str, headers: &str) -> Result<Self, Answer> {
        Self::over(server.connect(), &server.address, path, headers)
    }

    /// The same over a stream that is there already.
    pub(crate) fn over(
        stream: impl Stream + 'static,
        host: &str,
        path: &str,
        headers: &str,
    ) -> Result<Self, Answer> {
        let mut stream = stream;
        // The server may have closed at once, which is read below.
        let _ = stream.write_all(upgrade(host, path, headers).as_bytes());
        Self::agreed(stream)
    }

    /// Reads the answer to a request for a socket.
    pub(crate) fn agreed(stream: impl Stream + 'static) -> Result<Self, Answer> {
        let mut socket = Self(BufReader::new(Box::new(stream)));
        let mut answer = Answer::read_head(&mut socket.0);
        if answer.status == 101 {
            return Ok(socket);
        }
        let length = answer
            .head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        socket.0.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        Err(answer)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Sends a short binary message, masked with zeros.
    pub(crate) fn send_frame(&mut self, payload: &[u8]) -> std::io::Result<()> {
        self.send_message(0x82, payload)
    }

    /// Sends a text message.
    pub(crate) fn send_text(&mut self, text: &str) -> std::io::Result<()> {
        self.send_message(0x81, text.as_bytes())
    }

    fn send_message(&mut self, first: u8, payload: &[u8]) -> std::io::Result<()> {
        let length = u8::try_from(payload.len()).unwrap();
        assert!(length < 126);
        let head = [first, 0x80 | length, 0, 0, 0, 0];
        self.send(&[&head, payload].concat())
    }

    /// The next frame: its opcode and payload. None if the connection has ended.
    pub(crate) fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let mut length = usize::from(head[1] & 0x7f);
        if length == 126 {
            let mut long = [0; 2];
            self.0.read_exact(&mut long).ok()?;
            length = usize::from(u16::from_be_bytes(long));
        }
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[0] & 0x0f, payload))
    }

    /// The code and text that the server closes with; 0 if it went without a word.
    pub(crate) fn closed(&mut self) -> (u16, String) {
        while let Some((opcode, payload)) = self.next_frame() {
            if opcode == 8 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
            }
        }
        (0, String::new())
    }

    /// Asks for everything, and waits for the answer: what it writes afterwards is not in it.
    pub(crate) fn joins(&mut self) -> bool {
        let _ = self.send_frame(&PULL_EVERYTHING);
        while let Some((opcode, payload)) = self.next_frame() {
            match opcode {
                2 if payload.starts_with(&[0, 1]) => return true,
                8 => return false,
                _ => {}
            }
        }
        false
    }
}

/// A request for a socket, with more headers.
pub(crate) fn upgrade(host: &str, path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
    )
}

/// Step 1 of the synchronization, with nothing at hand.
pub(crate) const PULL_EVERYTHING: [u8; 4] = [0, 0, 1, 0];
const LOG: &str = "log";
const PATIENCE: Duration = Duration::from_secs(30);
