//! Which clients an update goes on with, told from the bytes: who would use up whose clocks.

use yrs::encoding::read::{Cursor, Error, Read};

use super::structs::{Header, Is, Struct};
use crate::content::{GoingOn, Writer};

/// What an update brings of the clients that `is_foreign` names: beyond `clock_of` the client, and whether any of that is
/// without content. Nothing if it brings nothing of them or is no update.
pub(super) fn going_on(
    update: &[u8],
    clock_of: impl Fn(u64) -> u32,
    is_foreign: &dyn Fn(Writer) -> bool,
) -> Option<GoingOn> {
    let mut cursor = Cursor::new(update);
    let sections: u32 = cursor.read_var().ok()?;
    let mut found: Option<GoingOn> = None;
    for left in (0..sections).rev() {
        let header = Header::read(&mut cursor).ok()?;
        let writer = Writer(header.client);
        if !is_foreign(writer) && left == 0 {
            break;
        }
        let here = clock_of(header.client);
        let is_hollow = beyond(&header, &mut cursor, here).ok()?;
        if let Some(is_hollow) = is_hollow.filter(|_| is_foreign(writer)) {
            let before = found.take();
            found = Some(GoingOn {
                writer,
                is_hollow: is_hollow || before.is_some_and(|before| before.is_hollow),
            });
        }
    }
    found
}

/// Whether any of the structs that reach beyond a clock is without content; nothing if none reaches beyond it.
fn beyond(header: &Header, cursor: &mut Cursor<'_>, here: u32) -> Result<Option<bool>, Error> {
    let mut clock = header.clock;
    let mut hollow = None;
    for _ in 0..header.structs {
        let Struct { length, is, .. } = Struct::read(cursor)?;
        clock = clock.checked_add(length).ok_or(Error::UnexpectedValue)?;
        if clock > here {
            hollow = Some(hollow.unwrap_or(false) || is_hollow(is));
        }
    }
    Ok(hollow)
}

fn is_hollow(is: Is) -> bool {
    matches!(is, Is::Hole | Is::Collected | Is::Deleted)
}
