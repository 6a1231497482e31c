//! What a client wrote and was not told of: where the dialect has a status, one comes for each, in their order.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};

/// The oldest is the one that the next status is of.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(VecDeque<Written>);

/// Something that a status comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// That the client has nothing that the server lacks.
    NothingMore,
    Edit,
}

impl Unsettled {
    pub(crate) fn wrote(&mut self, written: Written) {
        self.0.push_back(written);
    }

    /// A status came; tells what of.
    ///
    /// # Errors
    /// It says that this was not taken, or there is nothing that it could be of.
    pub(crate) fn settle(&mut self, is_taken: bool) -> Result<Written> {
        let written = self.0.pop_front().context("a status of nothing")?;
        ensure!(is_taken, "the server did not take: {written:?}");
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_of_the_oldest() -> Result<()> {
        let mut unsettled = Unsettled::default();
        unsettled.wrote(Written::NothingMore);
        unsettled.wrote(Written::Edit);
        assert_eq!(unsettled.settle(true)?, Written::NothingMore);
        assert_eq!(unsettled.settle(true)?, Written::Edit);
        assert!(unsettled.settle(true).is_err(), "one more than was written");
        Ok(())
    }

    #[test]
    fn what_is_not_taken_is_a_fault() {
        let mut unsettled = Unsettled::default();
        unsettled.wrote(Written::Edit);
        assert!(unsettled.settle(false).is_err());
    }
}
