//! Addresses: whatever one is, it names a document by a name that may be one, or none at all.

use engine::NAME_BYTES_MAX;
use protocol::route::Route;

/// Reads an address; what it names must be a good name, and must name the same when it is written out in full.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let address = String::from_utf8_lossy(input);
    let Ok(route) = Route::parse(&address) else {
        return;
    };
    let full = match &route {
        Route::YWebsocket(key) => {
            let (workspace, name) = (key.workspace(), key.name());
            format!("/yjs/{}/{}", good(workspace), good(name))
        }
        Route::Hocuspocus(workspace) => format!("/hocuspocus/{}", good(workspace)),
        Route::ShareDb(workspace) => format!("/sharedb/{}", good(workspace)),
        Route::Automerge(workspace) => format!("/automerge/{}", good(workspace)),
    };
    assert_eq!(Route::parse(&full), Ok(route));
}

/// A name that may be one, escaped.
fn good(name: &str) -> String {
    let good = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(|character: char| character.is_control());
    assert!(good, "{name:?} is no name");
    escaped(name)
}

fn escaped(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
