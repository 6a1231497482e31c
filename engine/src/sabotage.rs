//! Deliberate bugs, each behind a switch that exists only with the feature `sabotage`.
//!
//! A checker that never found anything proves nothing. So the simulator in `tests` breaks a document on purpose, in one of
//! the ways listed here, and shows that its checkers notice. And a content library fails on purpose ([`Trap`]) when an
//! edit holds one of a few marks, so that it can be shown, through the real server too, that such a failure is contained.
//! Without the feature [`Sabotage::is`] is plainly false, no trap springs, and nothing of this is left in the program.

/// One way in which a document can be broken on purpose, of either sort where none is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sabotage"),
    allow(unreachable_pub, reason = "exported with the feature only")
)]
pub enum Bug {
    /// Acknowledges edits as soon as they are recorded.
    AckBeforeCommit,
    /// Leaves a counter out now and then.
    HoleInLane,
    /// Repeats a failed append with a change that is no longer the same.
    DotReuse,
    /// Drops the last of several edits when it merges them.
    LostMerge,
    /// Forgets to take who has left out of the presence table.
    GhostPresence,
    /// Shows the first word on a presence entry of those that gathered, not the last.
    StalePresence,
    /// Claims edits that are not stored when it says what it has.
    StaleStep1,
    /// Asks to be put away although not everything is stored.
    ForgetOnUnload,
    /// Answers a pull with nothing while edits wait for the store.
    EmptyAnswer,
    /// Takes snapshots whose clock says more than their state holds.
    BoastfulSnapshot,
    /// Takes edits in without a bound.
    NoBound,
    /// Skips a good change when it replays.
    FalseAlarm,
    /// Takes note of what another replica publishes, but not of what it says.
    LostHeard,
    /// Never hears who is with another node and who is not.
    DeafToRolls,
    /// Publishes changes when it asks for them to be stored.
    EarlyPublish,
    /// Never looks at what the store has of other lanes.
    DeafToHeads,
    /// Lets clients in at once, whatever they have seen elsewhere.
    BlindJoin,
    /// Does not notice that the store has lost something.
    Amnesia,
    /// Never repeats an append that failed.
    NoRetry,
    /// Takes the edits of those who may not write.
    BlindEye,
    /// Panics now and then, outside of any library.
    Panics,
    /// Automerge documents: shows changes to others before they are stored.
    ShownEarly,
    /// Automerge documents: does not store what waits for missing parts.
    ForgottenOrphan,
    /// Automerge documents: takes the author of a change to have seen all that there was, whatever the change builds on.
    LooseContext,
    /// Ordered documents: gives an operation that comes again a place of its own.
    PlacedAgain,
    /// Ordered documents: does not transform operations over those that were faster.
    NotTransformed,
    /// Ordered documents: sends what an author has missed after his operation's acknowledgement.
    AckBeforeMissed,
    /// Ordered documents: does not move presence.
    PresenceLeftBehind,
    /// Ordered documents: does not ask for what is missing.
    DeafToGaps,
    /// Ordered documents: tells clients that are too far behind that they have missed nothing.
    NoReset,
}

/// The bug that a document was given, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sabotage {
    #[cfg(feature = "sabotage")]
    bug: Option<Bug>,
}

impl Sabotage {
    /// Breaks the document.
    #[cfg(feature = "sabotage")]
    pub(crate) fn set(&mut self, bug: Bug) {
        self.bug = Some(bug);
    }

    /// Whether the document is broken in this way.
    #[cfg(feature = "sabotage")]
    pub(crate) fn is(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether the document is broken in this way: never.
    #[cfg(not(feature = "sabotage"))]
    pub(crate) fn is(self, _bug: Bug) -> bool {
        false
    }
}

/// A moment at which an edit that holds a certain mark makes its content library fail.
///
/// The marks are text, to be typed into a document: `[[panic]]`, `[[abort]]` and `[[contradict]]` when the edit is taken in;
/// `[[replay-panic]]` and `[[replay-abort]]` when it is taken in from the log; `[[read-panic]]` and `[[read-abort]]` when
/// what holds it is written out. Taking in `[[spin]]` never ends, and `[[slow]]` takes a second or so.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "sabotage"),
    allow(dead_code, reason = "nothing springs")
)]
pub(crate) enum Trap {
    Integrate,
    Replay,
    Read,
}

/// A trap that was asked for a contradiction.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "sabotage"),
    allow(dead_code, reason = "nothing springs")
)]
pub(crate) struct Sprung;

/// Fails on purpose.
#[cfg(feature = "sabotage")]
pub(crate) fn spring(trap: Trap, bytes: &[u8]) -> Result<(), Sprung> {
    let holds = |mark: &str| {
        let mut windows = bytes.windows(mark.len());
        windows.any(|window| window == mark.as_bytes())
    };
    let (panic, abort) = match trap {
        Trap::Integrate => ("[[panic]]", "[[abort]]"),
        Trap::Replay => ("[[replay-panic]]", "[[replay-abort]]"),
        Trap::Read => ("[[read-panic]]", "[[read-abort]]"),
    };
    if holds(abort) {
        std::process::abort();
    }
    if holds(panic) {
        panic!("a trap has sprung");
    }
    if matches!(trap, Trap::Integrate) {
        dawdle(holds("[[spin]]"), holds("[[slow]]"));
    }
    if matches!(trap, Trap::Integrate) && holds("[[contradict]]") {
        return Err(Sprung);
    }
    Ok(())
}

/// Takes for ever, or its time.
#[cfg(feature = "sabotage")]
fn dawdle(spins: bool, is_slow: bool) {
    let mut left: u64 = if is_slow { 200_000_000 } else { 0 };
    while spins || left > 0 {
        left = std::hint::black_box(left).wrapping_sub(1);
    }
}

/// Does nothing.
#[cfg(not(feature = "sabotage"))]
pub(crate) fn spring(_trap: Trap, _bytes: &[u8]) -> Result<(), Sprung> {
    Ok(())
}
