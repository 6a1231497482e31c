//! What grows with a document: the cost of one more keystroke, of a batch, a difference, a snapshot and an opening, as its
//! history grows from a thousand keystrokes to a million, by one author and by many.
//!
//! Each keystroke is a character at a random place, written as a client would write it. Nothing that is done once for each
//! keystroke should cost more in a document a thousand times as long; what is done for all of it should grow with it.
//!
//!     cargo bench -p quire-bench --bench growth -- [KEYSTROKES]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes};
use engine::{
    ConnectionId, Content, Document, DocumentKey, Effect, Effects, Input, Intent, Joining, Kind,
    Limits, Loaded, Now, ReplicaId,
};
use protocol::preflight::{Bounds, check_update};
use protocol::yjs::UPDATE;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() {
    let most = std::env::args().find_map(|word| word.parse().ok());
    let most: u32 = most.unwrap_or(1_000_000);
    println!("{HEADINGS}");
    for authors in [1, 100, 10_000] {
        let mut writing = Writing::new(authors);
        let mut open = Open::new();
        for keystrokes in [1_000, 10_000, 100_000, 1_000_000] {
            if keystrokes > most {
                break;
            }
            let before = resident_mb();
            open.take(&mut writing, keystrokes);
            open.measure(&mut writing, resident_mb() - before);
        }
    }
}

/// A document that is open, with two clients.
struct Open {
    document: Document,
    effects: Effects,
    keystrokes: u32,
}

impl Open {
    fn new() -> Self {
        let mut effects = Effects::new();
        let key = DocumentKey::new("default", "growing").expect("a good name");
        let limits = Limits::default();
        let mut document = Document::open(key, Kind::Yjs, ReplicaId(1), limits, &mut effects)
            .expect("it is served");
        document.handle(Input::Opened(Loaded::default()), NOW, &mut effects);
        for who in [1, 2] {
            let joined = Input::Joined(Joining::freely(ConnectionId(who), Kind::Yjs, None));
            document.handle(joined, NOW, &mut effects);
            let have = Bytes::from_static(&[0]);
            document.handle(said(who, Intent::Pull { have }), NOW, &mut effects);
        }
        document.settle(NOW, &mut effects);
        Self {
            document,
            effects,
            keystrokes: 0,
        }
    }

    /// Has keystrokes come in, one a batch, until there are so many.
    fn take(&mut self, writing: &mut Writing, keystrokes: u32) {
        while self.keystrokes < keystrokes {
            self.batch(writing.keystroke());
        }
    }

    fn batch(&mut self, payload: Bytes) {
        self.keystrokes += 1;
        let push = said(
            1,
            Intent::Push {
                payload,
                tag: UPDATE,
            },
        );
        self.document.handle(push, NOW, &mut self.effects);
        self.document.settle(NOW, &mut self.effects);
        while let Some(answer) = self.answer() {
            self.document.handle(answer, NOW, &mut self.effects);
            self.document.settle(NOW, &mut self.effects);
        }
    }

    /// What the store answers to what was asked of it.
    fn answer(&mut self) -> Option<Input> {
        self.effects.drain(..).find_map(answer)
    }

    fn measure(&mut self, writing: &mut Writing, taken_mb: f64) {
        let before = self.document.content().have(std::iter::empty());
        let few: Vec<_> = (0..FEW).map(|_| writing.keystroke()).collect();
        let preflight = each(&few, |update| {
            check_update(update, &Bounds::default()).expect("a client wrote it");
        });
        let state = self.document.content().state().expect("it is written");
        let mut copy = Content::new(Kind::Yjs).expect("it is served");
        let read = once(|| copy.restore(&state).expect("it was written"));
        let integrate = each(&few, |update| {
            copy.integrate(update).expect("it follows");
        });
        let batch = each(&few, |update| self.batch(update.clone()));
        let content = self.document.content();
        let have = once(|| drop(black_box(content.have(std::iter::empty()))));
        let diff = once(|| drop(black_box(content.missing_from(&before))));
        let write = once(|| drop(black_box(content.state())));
        println!(
            "{:>8} {:>10} | {:>9.2?} {:>9.2?} {:>9.2?} {:>9.2?} {:>9.2?} | {:>9.2?} {:>9.2?} {:>7.2} {:>7.1} {:>7.1}",
            writing.clocks.len(),
            self.keystrokes,
            preflight,
            integrate,
            batch,
            have,
            diff,
            write,
            read,
            state.len() as f64 / 1e6,
            content.weight() as f64 / 1e6,
            taken_mb,
        );
    }
}

/// The time of each, on average.
fn each(updates: &[Bytes], mut work: impl FnMut(&Bytes)) -> Duration {
    once(|| updates.iter().for_each(&mut work)) / FEW
}

fn once(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// The memory that this process has in use; nothing where the kernel does not say.
fn resident_mb() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<f64> = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or_default() * 4_096.0 / 1e6
}

fn answer(effect: Effect) -> Option<Input> {
    match effect {
        Effect::Append(changes) => changes.last().map(|last| Input::Committed {
            through: last.dot.counter,
        }),
        Effect::StoreSnapshot(_) => Some(Input::SnapshotStored),
        _ => None,
    }
}

fn said(who: u64, intent: Intent) -> Input {
    Input::Intent {
        connection: ConnectionId(who),
        intent,
        seen: None,
    }
}

/// Authors who type by turns, each a character at a random place of what all have typed.
struct Writing {
    /// The next clock of each author.
    clocks: Vec<u32>,
    /// All characters, and behind each the place in this list of its right neighbour.
    characters: Vec<(Id, Option<usize>)>,
    dice: u64,
}

type Id = (u64, u32);

impl Writing {
    fn new(authors: usize) -> Self {
        Self {
            clocks: vec![0; authors],
            characters: Vec::new(),
            dice: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// One keystroke in the first encoding of Yjs.
    fn keystroke(&mut self) -> Bytes {
        let author = self.characters.len() % self.clocks.len();
        let id = (3_000_000_000 + author as u64 * 1_001, self.clocks[author]);
        self.clocks[author] += 1;
        let mut out = Vec::with_capacity(40);
        number(&mut out, 1);
        number(&mut out, 1);
        number(&mut out, id.0);
        number(&mut out, id.1.into());
        self.item(&mut out, id);
        out.put_slice(b"\x01x\x00");
        out.into()
    }

    fn item(&mut self, out: &mut Vec<u8>, id: Id) {
        let new = self.characters.len();
        if new == 0 {
            out.put_slice(b"\x04\x01\x04text");
            return self.characters.push((id, None));
        }
        let left = self.roll() % new;
        let (origin, right) = self.characters[left];
        let neighbour = right.map(|right| self.characters[right].0);
        out.put_u8(if right.is_some() { 0xc4 } else { 0x84 });
        for (client, clock) in [Some(origin), neighbour].into_iter().flatten() {
            number(out, client);
            number(out, clock.into());
        }
        self.characters[left].1 = Some(new);
        self.characters.push((id, right));
    }

    /// The next number of a xorshift generator.
    fn roll(&mut self) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 32) as usize
    }
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

const HEADINGS: &str = " authors keystrokes | preflight integrate     batch      have      diff |     write      read      MB  weight   taken";
/// Keystrokes that are measured.
const FEW: u32 = 200;
const NOW: Now = Now {
    monotonic_ms: 1_000,
    wall_ms: 1_700_000_000_000,
};
