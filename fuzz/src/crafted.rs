//! Updates as no writer makes them, but of good form: any struct, any neighbours, any parent, of a few clients at small
//! clocks, so that they meet what is there.

use std::collections::BTreeMap;

use yrs::encoding::write::Write;

use crate::script::Script;
use crate::update;
use crate::writer;

/// Several crafted updates, one after the other.
///
/// # Panics
/// A promise was broken.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let content = if script.flag() {
        writer::document()
    } else {
        writer::empty()
    };
    let updates = updates(&mut script);
    let updates: Vec<_> = updates.iter().map(Vec::as_slice).collect();
    update::all(content, &updates);
}

/// All updates that are crafted of the rest of the bytes.
pub fn updates(script: &mut Script<'_>) -> Vec<Vec<u8>> {
    let mut clocks = Clocks::default();
    let mut updates = Vec::new();
    while !script.is_done() && updates.len() < UPDATES_MAX {
        updates.push(craft(script, &mut clocks));
    }
    updates
}

/// Where the next struct of each client goes, if it is to follow those that were crafted before.
pub type Clocks = BTreeMap<u64, u64>;

/// One update.
pub fn craft(script: &mut Script<'_>, clocks: &mut Clocks) -> Vec<u8> {
    let mut out = Vec::new();
    let clients = clients(script);
    out.write_var(clients.len());
    for client in clients {
        section(&mut out, client, script, clocks);
    }
    deletions(&mut out, script);
    out
}

fn section(out: &mut Vec<u8>, client: u64, script: &mut Script<'_>, clocks: &mut Clocks) {
    let next = clocks.entry(client).or_default();
    let mut clock = if script.below(4) == 0 {
        script.number()
    } else {
        *next
    };
    let structs = 1 + script.below(STRUCTS_MAX);
    out.write_var(structs);
    out.write_var(client);
    out.write_var(clock);
    for _ in 0..structs {
        clock = clock.saturating_add(item(out, script, clock));
    }
    *next = clock;
}

/// One struct; gives its length.
fn item(out: &mut Vec<u8>, script: &mut Script<'_>, clock: u64) -> u64 {
    match script.below(16) {
        0 => gap(out, script, GC),
        1 => gap(out, script, SKIP),
        _ => {
            let kind = script.one_of(&[1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9]);
            place(out, script, kind, clock);
            content(out, script, kind)
        }
    }
}

fn gap(out: &mut Vec<u8>, script: &mut Script<'_>, kind: u8) -> u64 {
    let length = script.number();
    out.write_u8(kind);
    out.write_var(length);
    length
}

fn place(out: &mut Vec<u8>, script: &mut Script<'_>, kind: u8, clock: u64) {
    let flags = script.byte();
    let (origin, right, key) = (flags & 1, flags >> 1 & 1, flags >> 2 & 1);
    out.write_u8(kind | origin << 7 | right << 6 | key << 5);
    if origin == 1 {
        id(out, script, clock);
    }
    if right == 1 {
        id(out, script, clock);
    }
    if origin | right == 0 {
        parent(out, script, clock);
        if key == 1 {
            out.write_string(script.one_of(&KEYS));
        }
    }
}

fn parent(out: &mut Vec<u8>, script: &mut Script<'_>, clock: u64) {
    if script.below(3) == 0 {
        out.write_u8(0);
        id(out, script, clock);
    } else {
        out.write_u8(1);
        out.write_string(script.one_of(&ROOTS));
    }
}

/// An id: near the item's own clock, or anywhere.
fn id(out: &mut Vec<u8>, script: &mut Script<'_>, clock: u64) {
    out.write_var(client(script));
    let back = script.number();
    out.write_var(clock.checked_sub(back).unwrap_or(back));
}

fn content(out: &mut Vec<u8>, script: &mut Script<'_>, kind: u8) -> u64 {
    match kind {
        1 => {
            let length = script.number();
            out.write_var(length);
            return length;
        }
        2 => {
            return list(out, script, |out, script| {
                out.write_string(script.one_of(&JSON));
            });
        }
        3 => out.write_buf([script.byte()]),
        4 => {
            let text = script.one_of(&TEXTS);
            out.write_string(text);
            return text.encode_utf16().count() as u64;
        }
        5 => out.write_string(script.one_of(&JSON)),
        6 => {
            out.write_string(script.one_of(&KEYS));
            out.write_string(script.one_of(&JSON));
        }
        7 => shared_type(out, script),
        8 => return list(out, script, any),
        _ => {
            out.write_string(script.one_of(&KEYS));
            any(out, script);
        }
    }
    1
}

fn shared_type(out: &mut Vec<u8>, script: &mut Script<'_>) {
    let kind = script.below(8);
    out.write_u8(kind);
    if kind == 3 || kind == 5 {
        out.write_string(script.one_of(&KEYS));
    }
}

fn list(out: &mut Vec<u8>, script: &mut Script<'_>, one: fn(&mut Vec<u8>, &mut Script<'_>)) -> u64 {
    let count = script.below(4);
    out.write_var(count);
    (0..count).for_each(|_| one(out, script));
    count.into()
}

fn any(out: &mut Vec<u8>, script: &mut Script<'_>) {
    let kind = script.one_of(&[127, 126, 125, 124, 123, 122, 121, 120, 119, 118, 117, 116]);
    out.write_u8(kind);
    match kind {
        125 => out.write_u8(script.byte() & 0x3f),
        124 => (0..4).for_each(|_| out.write_u8(script.byte())),
        122 | 123 => (0..8).for_each(|_| out.write_u8(script.byte())),
        119 => out.write_string(script.one_of(&TEXTS)),
        118 => {
            out.write_u8(1);
            out.write_string(script.one_of(&KEYS));
            any(out, script);
        }
        117 => {
            list(out, script, any);
        }
        116 => out.write_buf([script.byte()]),
        _ => {}
    }
}

/// Deletions; the ranges of a client follow one another, unless one begins where it will.
fn deletions(out: &mut Vec<u8>, script: &mut Script<'_>) {
    let clients = clients(script);
    out.write_var(clients.len());
    for client in clients {
        out.write_var(client);
        let ranges = script.below(4);
        out.write_var(ranges);
        let mut clock = 0_u64;
        for _ in 0..ranges {
            let (begin, length) = (script.number(), script.number());
            clock = if script.below(8) == 7 {
                begin
            } else {
                clock + begin
            };
            out.write_var(clock);
            out.write_var(length);
            clock += length;
        }
    }
}

/// Some of the clients, each once, beginning anywhere.
fn clients(script: &mut Script<'_>) -> Vec<u64> {
    let decision = u64::from(script.byte());
    let (first, count) = (decision / CLIENTS, decision % CLIENTS);
    (first..first + count).map(|at| 1 + at % CLIENTS).collect()
}

/// One of a few clients: those that wrote what is there, and one more.
fn client(script: &mut Script<'_>) -> u64 {
    1 + u64::from(script.byte()) % CLIENTS
}

const CLIENTS: u64 = 4;
const STRUCTS_MAX: u8 = 6;
const UPDATES_MAX: usize = 32;
const GC: u8 = 0;
const SKIP: u8 = 10;
const ROOTS: [&str; 6] = ["text", "map", "array", "xml", "new", ""];
const KEYS: [&str; 5] = ["k", "l", "bold", "p", ""];
const TEXTS: [&str; 5] = ["", "a", "bc", "\u{1f600}", "several words"];
const JSON: [&str; 6] = ["null", "true", "1", "\"a\"", "{\"k\":[]}", "{"];
