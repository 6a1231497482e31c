//! A steady beat: when the next of so many a second is due.

/// Events evenly spread over time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    begin_us: u32,
    per_second: f64,
    done: u64,
}

impl Beat {
    pub(crate) fn new(begin_us: u32, per_second: f64) -> Self {
        Self {
            begin_us,
            per_second,
            done: 0,
        }
    }

    /// Which one is due by now, if one is that was not told yet.
    pub(crate) fn due(&mut self, now_us: u32) -> Option<u64> {
        let number = self.done;
        (now_us >= self.next_us()?).then(|| {
            self.done += 1;
            number
        })
    }

    /// When the next is due, if ever.
    pub(crate) fn next_us(&self) -> Option<u32> {
        let after_us = self.done as f64 * 1e6 / self.per_second;
        (self.per_second > 0.0).then_some(self.begin_us.saturating_add(after_us as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_time_has_passed() {
        let mut beat = Beat::new(1_000, 400.0);
        let due = |beat: &mut Beat, now_us| std::iter::from_fn(|| beat.due(now_us)).count();
        assert_eq!(due(&mut beat, 999), 0);
        assert_eq!(due(&mut beat, 1_000), 1);
        assert_eq!(due(&mut beat, 1_001_000), 400);
        assert_eq!(due(&mut Beat::new(0, 0.0), 9_000_000), 0);
    }
}
