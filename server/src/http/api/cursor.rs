//! Pages and their cursors: where a page ended, in a form that invites nobody to look inside.
//!
//! A cursor names the last item seen and not a count of items, so pages have neither gaps nor repeats while others write.

use engine::Order;

/// Which side of a change to go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Older changes.
    Before(Order),
    /// Newer changes.
    After(Order),
}

/// Cuts what was found to a page, for which one more was asked for than it may have. True if there are further ones.
pub(super) fn cut<T>(found: &mut Vec<T>, limit: usize) -> bool {
    let more = found.len() > limit;
    found.truncate(limit);
    more
}

/// The cursor behind a name.
pub(super) fn after_name(name: &str) -> String {
    hex(name.as_bytes())
}

/// The name that a cursor stands behind.
pub(super) fn read_name(cursor: &str) -> Option<String> {
    String::from_utf8(unhex(cursor)?).ok()
}

impl Side {
    /// The cursor for this side of a change.
    pub(super) fn cursor(self) -> String {
        match self {
            Self::Before(Order(order)) => hex(format!("<{order}").as_bytes()),
            Self::After(Order(order)) => hex(format!(">{order}").as_bytes()),
        }
    }

    /// Reads a cursor.
    pub(super) fn read(cursor: &str) -> Option<Self> {
        let text = String::from_utf8(unhex(cursor)?).ok()?;
        let order = |digits: &str| digits.parse().ok().map(Order);
        match text.split_at_checked(1)? {
            ("<", digits) => order(digits).map(Self::Before),
            (">", digits) => order(digits).map(Self::After),
            _ => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
            _ => None,
        })
        .collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_a_page_has_says_that_there_is_another() {
        for (found, page, more) in [(0, 0, false), (2, 2, false), (3, 2, true)] {
            let mut found = vec![(); found];
            assert_eq!(cut(&mut found, 2), more);
            assert_eq!(found.len(), page);
        }
    }

    #[test]
    fn cursors_read_back() {
        assert_eq!(read_name(&after_name("a/é ✎")).as_deref(), Some("a/é ✎"));
        for side in [Side::Before(Order(0)), Side::After(Order(u64::MAX))] {
            assert_eq!(Side::read(&side.cursor()), Some(side));
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for cursor in ["", "0", "zz", "ff", "é", "3c", "3c2d31", "3f31"] {
            assert_eq!(Side::read(cursor), None, "{cursor}");
        }
        for cursor in ["0", "zz", "ff", "é"] {
            assert_eq!(read_name(cursor), None, "{cursor}");
        }
    }
}
