//! Questions: what the server has asked a client and is yet to be answered.
//!
//! Some clients count what they have sent and is not stored. One of them that asks expects to be asked in turn, and counts
//! its answer; an answer to a question that came by itself it does not count, so that is not to be acknowledged. Clients
//! answer in the order in which they are asked.

/// The questions that a client is yet to answer, and whether it expected each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Questions {
    /// The first is the lowest bit.
    expected: u32,
    open: u32,
    /// Whether some of them may never have reached the client.
    in_doubt: bool,
}

impl Questions {
    pub(super) fn ask(&mut self, expected: bool) {
        // Whoever leaves so many unanswered answers none.
        if self.open < u32::BITS {
            self.expected |= u32::from(expected) << self.open;
            self.open += 1;
        }
    }

    /// The client's queue was dropped, and questions perhaps with it.
    pub(super) fn doubt(&mut self) {
        self.in_doubt = self.open > 0;
    }

    /// The client asks something itself. By then it has answered what had reached it, so what is in doubt was lost.
    pub(super) fn settle_doubt(&mut self) {
        if self.in_doubt {
            *self = Self::default();
        }
    }

    /// Whether an answer is under way.
    pub(super) fn is_any_open(self) -> bool {
        self.open > 0
    }

    /// An answer has come. Whether its sender counts it; it does if nothing was asked.
    pub(super) fn answered(&mut self) -> bool {
        if self.open == 0 {
            return true;
        }
        let expected = self.expected & 1 == 1;
        self.expected >>= 1;
        self.open -= 1;
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let mut questions = Questions::default();
        assert!(questions.answered(), "nothing was asked");
        for expected in [true, false, true] {
            questions.ask(expected);
        }
        let answers: Vec<_> = (0..3).map(|_| questions.answered()).collect();
        assert_eq!(answers, [true, false, true]);
        assert!(!questions.is_any_open());
    }

    #[test]
    fn what_was_lost_on_the_way_is_not_waited_for_when_the_client_asks() {
        let mut questions = Questions::default();
        questions.ask(true);
        questions.doubt();
        questions.ask(false);
        assert!(
            questions.answered(),
            "the first may have been lost, and this be the answer to the second"
        );
        questions.settle_doubt();
        questions.ask(true);
        assert!(questions.answered());
    }

    #[test]
    fn who_never_answers_costs_nothing() {
        let mut questions = Questions::default();
        for _ in 0..1_000 {
            questions.ask(true);
        }
        assert!((0..1_000).all(|_| questions.answered()));
    }
}
