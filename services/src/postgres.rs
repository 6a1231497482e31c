//! A Postgres of a test's own: a folder, a port of loopback and a socket in the folder, with the settings that people run.
//!
//! One server serves all tests of a process ([`Postgres::shared`]), each with a database that is copied from a template. A
//! test of faults starts its own. Postgres refuses to run as root; then it runs as `postgres` or `nobody`.
//!
//! A keeper watches a pipe that this process holds open. When the process ends, however it ends, the keeper ends the server
//! and removes the folder; so a server that lives in a static and is never dropped leaves nothing behind either.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::free_port;

/// A server with its folder. It ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    account: Option<Account>,
    settings: Vec<String>,
    port: u16,
    server: Mutex<Option<Child>>,
    /// Ends the server when its input does.
    keeper: Child,
    databases: AtomicU32,
    folder: TempDir,
}

/// Whom it runs as where this process is root.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Whether there is a Postgres to start.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// The server that all tests of this process share. Each makes a database of its own.
    ///
    /// # Errors
    /// It does not start.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Postgres>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start(&[]));
        shared
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
    }

    /// A server of its own, with settings such as `fsync=off`.
    ///
    /// # Errors
    /// There is none, or it does not start.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let server = Self::unmade(settings)?;
        server.make_cluster()?;
        server.start_again()?;
        Ok(server)
    }

    /// One that has its folder and its port, and nothing in them yet.
    pub(crate) fn unmade(settings: &[&str]) -> Result<Self> {
        let programs = programs().context("there is no Postgres; `make setup` installs it")?;
        let account = Account::to_run_as()?;
        let folder = tempfile::Builder::new()
            .prefix("quire-postgres-")
            .tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group))?;
        }
        Ok(Self {
            keeper: keeper(folder.path())?,
            programs,
            account,
            settings: settings.iter().map(|it| (*it).to_owned()).collect(),
            port: free_port()?,
            server: Mutex::new(None),
            databases: AtomicU32::new(0),
            folder,
        })
    }

    /// The port of loopback on which it listens, also after it was started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach a database of it.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// A new database, empty or copied from another one to which nobody is connected.
    ///
    /// # Errors
    /// It can not be made.
    pub fn new_database(&self, template: Option<&str>) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        self.query(
            "postgres",
            &format!("CREATE DATABASE {name} TEMPLATE {template}"),
        )?;
        Ok(name)
    }

    /// What a database answers, as text: a line for each row, columns divided by `|`.
    ///
    /// # Errors
    /// What it says against it.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let asked = Command::new(self.programs.join("psql"))
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .arg(self.url(database))
            .stdin(Stdio::null())
            .output()
            .context("can not start psql")?;
        let said = String::from_utf8_lossy(&asked.stderr);
        ensure!(asked.status.success(), "{sql}: {said}");
        Ok(String::from_utf8_lossy(&asked.stdout).trim_end().to_owned())
    }

    /// Ends it in order: what is under way is rolled back, connections are closed.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Ends it as a crash would: at its next start it recovers from its log.
    ///
    /// # Errors
    /// It does not end.
    pub fn crash(&self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts it after it has ended.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&self) -> Result<()> {
        let mut command = self.program("postgres");
        command.args(["-D".as_ref(), self.data().as_os_str()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let mut log = fs::OpenOptions::new();
        let log = log.create(true).append(true);
        let log = log.open(self.folder.path().join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("can not start postgres")?;
        *self.server() = Some(child);
        self.wait_until_it_serves()
    }

    /// Makes it a standby without a primary: it lets its data be read and takes none.
    ///
    /// # Errors
    /// It does not end, or does not start again.
    pub fn become_standby(&self) -> Result<()> {
        self.stop()?;
        fs::write(self.data().join("standby.signal"), "")?;
        self.start_again()
    }

    /// Stops all its processes where they stand; connections stay open and nothing answers.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn go_on(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let mut server = self.server();
        let Some(child) = server.as_mut() else {
            return Ok(());
        };
        kill_process(Pid::from_child(child), signal)?;
        child.wait()?;
        *server = None;
        Ok(())
    }

    /// The server first when it is stopped, so that it starts nothing more.
    fn signal_all(&self, signal: Signal) -> Result<()> {
        let server = self.server();
        let child = server.as_ref().context("Postgres does not run")?;
        kill_process(Pid::from_child(child), signal)?;
        for process in children(child.id())? {
            // It may have ended by itself.
            let _ = kill_process(process, signal);
        }
        Ok(())
    }

    fn make_cluster(&self) -> Result<()> {
        let made = self
            .program("initdb")
            .args(["--no-sync", "-A", "trust", "-U", USER, "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "-D"])
            .arg(self.data())
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "initdb failed: {said}");
        self.configure()
    }

    /// Says where it listens; what was said before of that counts no more.
    pub(crate) fn configure(&self) -> Result<()> {
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
             max_connections = 200\nshared_buffers = 64MB\nlog_checkpoints = off\n",
            self.port,
            self.folder.path().display(),
        );
        let path = self.data().join("postgresql.conf");
        let before = fs::read_to_string(&path)?;
        Ok(fs::write(path, before + &settings)?)
    }

    /// A program of Postgres, run as whoever may run it, in a group of its own so that an interrupt from the terminal
    /// leaves its end to the keeper.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.process_group(0);
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        command
    }

    fn wait_until_it_serves(&self) -> Result<()> {
        let since = Instant::now();
        loop {
            if self.query("postgres", "SELECT 1").is_ok() {
                return Ok(());
            }
            let ended = self.server().as_mut().is_none_or(has_ended);
            if ended || since.elapsed() > START_MAX {
                bail!("Postgres does not start: {}", self.log());
            }
            sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let mut said = Vec::new();
        if let Ok(mut log) = fs::File::open(self.folder.path().join("log")) {
            // A log that can not be read is an empty one.
            let _ = log.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn server(&self) -> MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Whatever is left is the keeper's to end.
        let _ = self.signal_all(Signal::CONT);
        let _ = self.end(Signal::QUIT);
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Account {
    /// None where this process may run it itself.
    fn to_run_as() -> Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        let found = ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::find(&accounts, name));
        let found =
            found.context("Postgres refuses to run as root, and there is no other account")?;
        Ok(Some(found))
    }

    fn find(accounts: &str, name: &str) -> Option<Self> {
        let mut lines = accounts.lines().map(|line| line.split(':'));
        let mut fields = lines.find(|fields| fields.clone().next() == Some(name))?;
        Some(Self {
            user: fields.nth(2)?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    }
}

/// Ends the server of a folder and removes it, once its own input ends.
fn keeper(folder: &Path) -> Result<Child> {
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(folder)
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("can not start sh")
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}@127.0.0.1:{port}/{database}")
}

/// Where the programs are: the newest of Debian's versions, else wherever the shell finds one.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions.flatten().filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let programs = version.path().join("bin");
        programs
            .join("initdb")
            .is_file()
            .then_some((number, programs))
    });
    let newest = newest.max_by_key(|(number, _)| *number);
    newest.map(|(_, programs)| programs).or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

/// The processes that a process has started (`proc_pid_stat(5)`: the fourth field, the second after the name).
fn children(parent: u32) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc")?.flatten() {
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        if after_name.split_ascii_whitespace().nth(1) != Some(&parent.to_string()) {
            continue;
        }
        let id = process.file_name().to_str().and_then(|id| id.parse().ok());
        found.extend(id.and_then(Pid::from_raw));
    }
    Ok(found)
}

/// The role that owns everything.
pub(crate) const USER: &str = "quire";

/// So long a start may take.
const START_MAX: Duration = Duration::from_secs(60);

/// Reads until the pipe ends. A server that is stopped where it stands takes no signal but the last one.
const KEEPER: &str = r#"
cat >/dev/null
if server=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); then
    kill -QUIT "$server"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$server"
fi 2>/dev/null
rm -rf "$1"
"#;
