//! Which old snapshots to keep: the newest two, and of those before them enough that any point of the timeline is within
//! some thousands of changes of one. The rule goes from the oldest to the newest, so what was kept once stays kept.

/// How many of the newest snapshots are always kept: the one in use, and one in case it turns out damaged.
const NEWEST_KEPT: usize = 2;

/// How many changes apart the older ones are kept: replaying so many takes a fraction of a second.
const SPACING_CHANGES: u64 = 16_000;

/// The snapshots that may go. Each is given with the number of changes that it covers, the oldest first.
pub(crate) fn superfluous<I: Copy>(snapshots: &[(I, u64)]) -> Vec<I> {
    let older = snapshots.len().saturating_sub(NEWEST_KEPT);
    let mut kept = 0;
    snapshots[..older]
        .iter()
        .filter(|(_, covered)| {
            let goes = *covered < kept + SPACING_CHANGES;
            if !goes {
                kept = *covered;
            }
            goes
        })
        .map(|(id, _)| *id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(covered: &[u64]) -> Vec<u64> {
        let snapshots: Vec<_> = covered.iter().map(|&count| (count, count)).collect();
        let gone = superfluous(&snapshots);
        covered
            .iter()
            .copied()
            .filter(|count| !gone.contains(count))
            .collect()
    }

    #[test]
    fn the_newest_two_stay_whatever_their_distance() {
        assert_eq!(left(&[]), [0; 0]);
        assert_eq!(left(&[5]), [5]);
        assert_eq!(left(&[5, 6]), [5, 6]);
        assert_eq!(left(&[5, 6, 7]), [6, 7]);
    }

    #[test]
    fn older_ones_stay_at_a_distance() {
        let covered: Vec<u64> = (1..=100).map(|step| step * 1_000).collect();
        assert_eq!(
            left(&covered),
            [
                16_000, 32_000, 48_000, 64_000, 80_000, 96_000, 99_000, 100_000
            ]
        );
    }

    #[test]
    fn what_was_kept_stays_kept_as_the_log_grows() {
        let mut kept: Vec<u64> = Vec::new();
        for step in 1..=200 {
            kept.push(step * 700);
            kept = left(&kept);
        }
        assert!(
            kept.windows(2)
                .rev()
                .skip(2)
                .all(|pair| pair[1] - pair[0] >= SPACING_CHANGES)
        );
        assert!(
            kept.windows(2)
                .all(|pair| pair[1] - pair[0] < SPACING_CHANGES + 700)
        );
    }
}
