//! How long to wait before trying again: twice as long each time, up to a bound, and never quite as long as others do.

use std::time::Duration;

/// The pause after so many failures before this one. Half of it is left to chance, so that those who failed together do not
/// come back together.
pub(super) fn after(failures: u32, min: Duration, max: Duration) -> Duration {
    let doubled = min.saturating_mul(1 << failures.min(DOUBLINGS_MAX));
    let whole = doubled.min(max);
    whole / 2 + (whole / 2).mul_f64(chance())
}

/// A number from 0 to 1. Where the system has no randomness there is no chance either.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Beyond this any bound is reached.
const DOUBLINGS_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        for (failures, whole) in [(0, 1), (1, 2), (3, 8), (6, 60), (u32::MAX, 60)] {
            let pause = after(failures, min, max);
            let whole = Duration::from_secs(whole);
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{failures}: {pause:?}"
            );
        }
    }
}
