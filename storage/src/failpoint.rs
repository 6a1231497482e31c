//! Failpoints: moments on the way of an edit at which a test ends the process as a crash would.
//!
//! They exist only with the feature `failpoints`, which nothing turns on by default; without it, [`Failpoint::reach`] is
//! nothing. With it, `QUIRE_FAILPOINT=Committed:3` ends the process by SIGKILL when it comes there for the third time.

/// A moment on the way of an edit, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// A frame has come from a client.
    FrameReceived,
    /// Pre-flight has looked at it.
    FrameChecked,
    /// The engine has taken an edit in.
    EditIntegrated,
    /// A batch has ended: its edits have their dots, and effects wait to be performed.
    BatchSettled,
    /// Changes are on their way to the store.
    BeforeAppend,
    /// All is written and nothing is committed.
    BeforeCommit,
    /// The commit is done, and nobody knows.
    Committed,
    /// A step of filing is committed: changes stand in two places, or have gone from the first.
    ChangesFiled,
    /// The session has heard of the commit, and said nothing.
    CommitHeard,
    /// An acknowledgement waits to be written.
    AckQueued,
    /// A snapshot is on its way to the store.
    BeforeSnapshot,
    /// A snapshot is stored, and nobody knows.
    SnapshotStored,
    /// What broke the engine is stored, and its sender not closed.
    QuarantineStored,
}

impl Failpoint {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::FrameReceived,
        Self::FrameChecked,
        Self::EditIntegrated,
        Self::BatchSettled,
        Self::BeforeAppend,
        Self::BeforeCommit,
        Self::Committed,
        Self::ChangesFiled,
        Self::CommitHeard,
        Self::AckQueued,
        Self::BeforeSnapshot,
        Self::SnapshotStored,
        Self::QuarantineStored,
    ];

    /// The process is here.
    #[cfg(feature = "failpoints")]
    pub fn reach(self) {
        use std::sync::atomic::Ordering;
        if let Some((chosen, left)) = &*CHOSEN
            && *chosen == self
            && left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            // Nothing can stop this signal, and nothing is tidied up.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }

    /// The process is here, which is nothing to it.
    #[cfg(not(feature = "failpoints"))]
    #[inline(always)]
    pub fn reach(self) {}
}

/// Where to end the process, and after how many more times.
#[cfg(feature = "failpoints")]
static CHOSEN: std::sync::LazyLock<Option<(Failpoint, std::sync::atomic::AtomicI64)>> =
    std::sync::LazyLock::new(|| {
        let chosen = std::env::var("QUIRE_FAILPOINT").ok()?;
        let (name, nth) = chosen.split_once(':')?;
        let point = Failpoint::ALL
            .into_iter()
            .find(|point| format!("{point:?}") == name)?;
        Some((point, nth.parse::<i64>().ok()?.into()))
    });
