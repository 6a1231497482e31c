//! How much work one request may cause.
//!
//! Transforming lists of components takes a step for each pair of them, and a step may move much text. A hostile operation
//! is small and makes much work, so everything that could be repeated often is paid for from [`Work`], and ends with
//! [`OtError::TooMuchWork`] when that is used up. A step is worth about a tenth of a microsecond.

use super::OtError;

/// The most components that one operation may have.
pub const COMPONENTS_MAX: usize = 100_000;

/// The steps that may still be taken.
#[derive(Clone, Debug)]
pub struct Work {
    steps_left: u64,
    #[cfg(feature = "sabotage")]
    bug: Option<OtBug>,
}

/// One way in which a type can be broken on purpose, for the tests that show that such a thing is found.
#[cfg_attr(
    not(feature = "sabotage"),
    allow(unreachable_pub, reason = "exported with the feature only")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtBug {
    /// json0: of two items moved to one place, the wrong one goes first.
    MovedLast,
    /// json0: of two items inserted at one place, the wrong one goes first.
    InsertedLast,
    /// text, text-unicode: of two texts inserted at one place, the wrong one goes first.
    TextLast,
    /// rich-text: where both set an attribute, the wrong one wins.
    AttributeLost,
    /// All types: what another has inserted is counted as one less, or one more, than it is.
    OneOff,
}

impl Work {
    /// Grants a number of steps.
    pub fn steps(steps: u64) -> Self {
        Self {
            steps_left: steps,
            #[cfg(feature = "sabotage")]
            bug: None,
        }
    }

    /// Breaks the types.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub fn sabotaged(mut self, bug: OtBug) -> Self {
        self.bug = Some(bug);
        self
    }

    /// The steps that were not taken.
    pub fn left(&self) -> u64 {
        self.steps_left
    }

    /// Whether the types are broken in this way.
    #[cfg(feature = "sabotage")]
    pub(super) fn is(&self, bug: OtBug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether the types are broken in this way: never.
    #[cfg(not(feature = "sabotage"))]
    pub(super) fn is(&self, _bug: OtBug) -> bool {
        false
    }

    /// Takes a step.
    pub(super) fn step(&mut self) -> Result<(), OtError> {
        self.spend(1)
    }

    /// Takes a step for each of so many.
    pub(super) fn each(&mut self, count: usize) -> Result<(), OtError> {
        self.spend(count as u64)
    }

    /// Pays for moving so many cells or members.
    pub(super) fn carry(&mut self, count: usize) -> Result<(), OtError> {
        self.spend(count as u64 / CARRIED_IN_A_STEP)
    }

    fn spend(&mut self, steps: u64) -> Result<(), OtError> {
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(OtError::TooMuchWork),
        }
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::steps(STEPS)
    }
}

/// As much as 800 components against 800 with room to spare.
const STEPS: u64 = 2_000_000;

/// What a processor copies in about the time of a step.
const CARRIED_IN_A_STEP: u64 = 256;
