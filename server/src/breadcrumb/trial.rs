//! Trials: whether a crumb names what ended the process, found out by doing the same again in a process of its own.
//!
//! That process is this program with a command of its own. It gets the crumb on its standard input, opens the document
//! as the server would, and names each step on its standard output before it takes it. If it dies, the last step that it
//! named is guilty. If it lives, nobody is: the server was killed from outside.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use engine::{
    Content, Document, Dot, Effect, Effects, Input, Intent, Joining, Limits, Now, PayloadHash,
    Piece, PushTag, ReplicaId,
};
use storage::{Past, Store, load_log};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::slot::{self, Payload, SLOT_BYTES};
use super::{Crumb, Step, What};
use crate::clock::Clock;
use crate::config::Config;

/// What a trial has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same does no harm.
    Innocent,
    /// This ended the process again.
    Guilty(Culprit),
    /// There was no trial.
    Untried(String),
}

/// What ended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// Restoring the snapshot, whose state has this hash.
    Snapshot(PayloadHash),
    /// Replaying an update of a stored change.
    Change(Dot, PayloadHash),
    /// Integrating the edit of the crumb.
    Push,
    /// Reading or writing out the content.
    Reading,
}

/// Does again what a crumb tells of, in another process.
pub(crate) async fn of(crumb: &Crumb, config: &Config) -> Verdict {
    match judge(crumb, config).await {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Untried(format!("{error:#}")),
    }
}

async fn judge(crumb: &Crumb, config: &Config) -> Result<Verdict> {
    let program = std::env::current_exe().context("this program is not to be found")?;
    let mut command = Command::new(program);
    if let Some(url) = &config.database_url {
        // Others on this machine can read arguments.
        command.env("QUIRE_DATABASE_URL", url.reveal());
    }
    let mut child = command
        .args([COMMAND, "--data-dir"])
        .arg(&config.data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What a library says as it dies may quote content.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("another process cannot be started")?;
    let last = async {
        hand_over(&mut child, crumb).await;
        last_step(&mut child).await
    };
    let Ok(last) = timeout(TRIAL_MAX, last).await else {
        // What only takes long is for the watchdog to see to.
        return Ok(Verdict::Innocent);
    };
    let status = child.wait().await.context("the trial did not end")?;
    Ok(verdict(status, last))
}

/// A child that dies early does not read all of it.
async fn hand_over(child: &mut Child, crumb: &Crumb) {
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(&crumb.to_bytes()).await;
    }
}

async fn last_step(child: &mut Child) -> Option<Culprit> {
    let mut steps = BufReader::new(child.stdout.take()?).lines();
    let mut last = None;
    while let Ok(Some(step)) = steps.next_line().await {
        last = Culprit::parse(&step);
    }
    last
}

fn verdict(status: ExitStatus, last: Option<Culprit>) -> Verdict {
    let died = status.signal().is_some() || status.code() == Some(PANICKED);
    match last {
        _ if status.success() => Verdict::Innocent,
        Some(culprit) if died => Verdict::Guilty(culprit),
        _ => Verdict::Untried(format!("the trial ended with {status}")),
    }
}

/// Does again what a crumb on standard input tells of. This is the other process: it may not survive.
///
/// # Errors
/// There is no crumb, or the document can not be read.
pub(crate) async fn stand(store: &dyn Store, input: impl Read) -> Result<()> {
    let crumb = Crumb::from_reader(input)?;
    let mut past = store.load(crumb.document.clone()).await?;
    loop {
        let again = crumb.clone();
        let gone_through = tokio::task::spawn_blocking(move || go_through(past, &again));
        let Some(BadSnapshot) = gone_through.await? else {
            return Ok(());
        };
        past = load_log(store, &crumb.document, None).await?;
    }
}

/// The snapshot is of no use: the log has it all.
struct BadSnapshot;

/// Opens the document as a session does, and does to it what the crumb tells of. What the engine wants to have done is
/// not done, except that the log is asked for where the snapshot is of no use.
fn go_through(past: Past, crumb: &Crumb) -> Option<BadSnapshot> {
    let (mut effects, now) = (Effects::new(), Clock::start().now());
    let (document, replica) = (crumb.document.clone(), ReplicaId(0));
    let mut document = Document::open(
        document,
        crumb.kind,
        replica,
        Limits::default(),
        &mut effects,
    )
    .ok()?;
    effects.clear();
    document.handle(Input::Opened(past.into()), now, &mut effects);
    while let Some(piece) = document.next_replay() {
        say(Culprit::of(piece));
        document.replay(now, &mut effects);
    }
    if effects
        .iter()
        .any(|effect| matches!(effect, Effect::LoadLog))
    {
        return Some(BadSnapshot);
    }
    if let (What::Push, Some(payload)) = (crumb.what, &crumb.payload) {
        say(Culprit::Push);
        push(&mut document, crumb, payload.clone(), now, &mut effects);
    }
    say(Culprit::Reading);
    read(document.content());
    None
}

fn push(document: &mut Document, crumb: &Crumb, payload: Bytes, now: Now, effects: &mut Effects) {
    let (connection, author) = (crumb.connection, crumb.author.clone());
    let kind = crumb.kind;
    let joined = Input::Joined(Joining::freely(connection, kind, author));
    let intent = Intent::Push {
        payload,
        tag: PushTag(0),
    };
    let pushed = Input::Intent {
        connection,
        intent,
        seen: None,
    };
    document.handle(joined, now, effects);
    document.handle(pushed, now, effects);
    document.settle(now, effects);
}

/// Everything that is ever asked of content. That it fails is no matter here, only that it survives.
fn read(content: &Content) {
    let _ = content.state().map(|state| content.matches(&state));
    let _ = content.missing_from(&[0]);
    let _ = content.update();
    let _ = content.text(None);
    let _ = content.json(None);
}

/// Names a step before it is taken.
fn say(step: Culprit) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: then nobody will ask for the verdict either.
    let _ = writeln!(out, "{}", step.word());
    let _ = out.flush();
}

impl Culprit {
    fn of(piece: Piece<'_>) -> Self {
        let hash = PayloadHash::of(piece.payload);
        match piece.change {
            Some(change) => Self::Change(change.dot, hash),
            None => Self::Snapshot(hash),
        }
    }

    fn word(self) -> String {
        match self {
            Self::Snapshot(hash) => format!("snapshot {hash}"),
            Self::Change(dot, hash) => format!("change {dot} {hash}"),
            Self::Push => "push".to_owned(),
            Self::Reading => "reading".to_owned(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split(' ').collect();
        Some(match words[..] {
            ["snapshot", hash] => Self::Snapshot(hash.parse().ok()?),
            ["change", dot, hash] => Self::Change(dot.parse().ok()?, hash.parse().ok()?),
            ["push"] => Self::Push,
            ["reading"] => Self::Reading,
            _ => return None,
        })
    }
}

impl Crumb {
    /// A slot, and behind it the payload.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; SLOT_BYTES];
        let place = match &self.payload {
            Some(_) => Payload::Beside,
            None => Payload::Nowhere,
        };
        slot::write(&mut bytes, &self.document, self.kind, &self.step(), place);
        bytes.extend(self.payload.iter().flatten());
        bytes
    }

    fn from_reader(mut input: impl Read) -> Result<Self> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes)?;
        let Some((slot, payload)) = bytes.split_at_checked(SLOT_BYTES) else {
            bail!("there is no crumb on standard input");
        };
        slot::read(slot, || Some(Bytes::copy_from_slice(payload)))
            .context("what is on standard input is no crumb")
    }

    fn step(&self) -> Step<'_> {
        match self.what {
            What::Push => Step::Push {
                payload: self.payload.as_deref().unwrap_or_default(),
                author: self.author.as_ref(),
                connection: self.connection,
            },
            What::Replay(dot) => Step::Replay(dot),
            What::Snapshot => Step::Snapshot,
            What::Read => Step::Read,
            What::Render => Step::Render,
        }
    }
}

/// The command of the other process.
pub(crate) const COMMAND: &str = "try-crumb";

/// How a Rust program ends that panics.
const PANICKED: i32 = 101;

/// How long a trial may take: as long as any document takes to open.
const TRIAL_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{ConnectionId, DocumentKey, Kind};

    fn crumb(payload: &[u8]) -> Crumb {
        Crumb {
            document: DocumentKey::new("w", "notes").unwrap(),
            kind: Kind::Yjs,
            what: What::Push,
            author: None,
            connection: ConnectionId(3),
            payload: Some(Bytes::copy_from_slice(payload)),
        }
    }

    #[test]
    fn a_crumb_is_handed_over_whole() {
        for length in [0, 10, 3 * SLOT_BYTES] {
            let crumb = crumb(&vec![5; length]);
            assert_eq!(Crumb::from_reader(&crumb.to_bytes()[..]).unwrap(), crumb);
        }
        assert!(Crumb::from_reader(&[0; 100][..]).is_err());
        assert!(Crumb::from_reader(&[7; SLOT_BYTES][..]).is_err());
    }

    #[test]
    fn whoever_was_named_last_is_guilty_of_a_death() {
        let hash = PayloadHash::of(b"x");
        let change = Culprit::Change(Dot::new(ReplicaId(7), 12), hash);
        for step in [
            Culprit::Snapshot(hash),
            change,
            Culprit::Push,
            Culprit::Reading,
        ] {
            assert_eq!(Culprit::parse(&step.word()), Some(step));
        }
        let (aborted, panicked) = (ExitStatus::from_raw(6), ExitStatus::from_raw(PANICKED << 8));
        for died in [aborted, panicked] {
            assert_eq!(verdict(died, Some(change)), Verdict::Guilty(change));
            assert!(matches!(verdict(died, None), Verdict::Untried(_)));
        }
        let well = ExitStatus::from_raw(0);
        assert_eq!(verdict(well, Some(change)), Verdict::Innocent);
        let failed = ExitStatus::from_raw(1 << 8);
        assert!(matches!(verdict(failed, Some(change)), Verdict::Untried(_)));
    }
}
