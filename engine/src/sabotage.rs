//! Deliberate bugs, each behind a switch that exists only with the feature `sabotage`.
//!
//! A checker that never found anything proves nothing. So the simulator in `tests` breaks a document on purpose, in one of
//! the ways listed here, and shows that its checkers notice. Without the feature [`Sabotage::is`] is plainly false, and
//! nothing of this is left in the program.

/// One way in which a document can be broken on purpose.
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
