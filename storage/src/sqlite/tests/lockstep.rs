//! Random operations on a store in memory and one on disk, whose answers must be the same every time. Between some of
//! them the one on disk is closed and opened again, and all the while it files what has arrived, now sooner and now later:
//! nobody may notice either.

use engine::{Change, DocumentKey, Dot, Hlc, Kind, Order, ReplicaId};
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::super::filing::Habit;
use super::open_filing;
use crate::contract::{change, document, operation, snapshot};
use crate::memory::MemoryStore;
use crate::news::{News, NewsHabit, Told};
use crate::store::{Description, DocumentQuery, Place, Store, StoreError, TimelinePage};

/// Something that a store can be asked; numbers are small, so that they often mean something.
#[derive(Clone, Debug)]
enum Operation {
    /// The dots, and whether each change is altered against the one of that dot at other times.
    Append(DocumentKey, Kind, Vec<(Dot, bool)>),
    /// Operations: the dot of each, its version, its source and its number.
    Submit(DocumentKey, Vec<Submitted>),
    AppendAll(Vec<(DocumentKey, Vec<Submitted>)>),
    Operations(DocumentKey, u64, Option<u64>),
    Create(DocumentKey, Kind),
    CreateWith(DocumentKey, Kind, Vec<(Dot, bool)>),
    News,
    Told(DocumentKey, Told),
    Delete(DocumentKey),
    NewReplica,
    PutSnapshot(DocumentKey, Kind, Vec<Dot>),
    Load(DocumentKey),
    LoadUntil(DocumentKey, Order),
    Describe(DocumentKey),
    Workspaces,
    Documents(DocumentQuery),
    Timeline(DocumentKey, TimelinePage),
    Find(DocumentKey, Place),
    Lane(DocumentKey, ReplicaId, u64, u64),
    Check,
    Reopen,
}

/// An operation of the ordered documents.
#[derive(Clone, Debug)]
struct Submitted {
    dot: Dot,
    version: u64,
    source: &'static str,
    number: u64,
}

fn documents() -> impl Strategy<Value = DocumentKey> {
    select(vec![
        document("a"),
        document("ab"),
        document("b/'ö"),
        DocumentKey::new("v", "a").unwrap(),
    ])
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![9 => Just(Kind::Yjs), 1 => Just(Kind::Text)]
}

fn dots() -> impl Strategy<Value = Dot> {
    (1..4u32, 0..9u64).prop_map(|(replica, counter)| Dot::new(ReplicaId(replica), counter))
}

/// A run of a lane's changes, sometimes with one that is not as it was the last time.
fn runs() -> impl Strategy<Value = Vec<(Dot, bool)>> {
    let altered = prop::bool::weighted(0.02);
    (1..4u32, 1..9u64, prop::collection::vec(altered, 0..6)).prop_map(|(replica, from, run)| {
        let dot = |counter| Dot::new(ReplicaId(replica), counter);
        let run = run.into_iter().zip(from..);
        run.map(|(altered, counter)| (dot(counter), altered))
            .collect()
    })
}

fn appends() -> impl Strategy<Value = Vec<(Dot, bool)>> {
    prop_oneof![
        4 => (1..4u32).prop_map(|replica| vec![(Dot::new(ReplicaId(replica), 1), false)]),
        8 => runs(),
        1 => (runs(), runs()).prop_map(|(one, two)| [one, two].concat()),
    ]
}

/// Documents that hold operations and nothing else.
fn ordered() -> impl Strategy<Value = DocumentKey> {
    select(vec![document("ordered"), document("ordered too")])
}

/// Operations in a row, most of which fit if the first does; sometimes one is out of place.
fn submissions() -> impl Strategy<Value = Vec<Submitted>> {
    let astray = prop::bool::weighted(0.02);
    let sources = select(vec!["a", "b"]);
    let firsts = (1..3u32, 1..9u64, 0..9u64, sources, 0..9u64);
    (firsts, prop::collection::vec(astray, 1..4)).prop_map(
        |((replica, counter, version, source, number), run)| {
            let submitted = |(at, astray): (u64, bool)| Submitted {
                dot: Dot::new(ReplicaId(replica), counter + at),
                version: version + at + u64::from(astray),
                source,
                number: number + at,
            };
            (0..).zip(run).map(submitted).collect()
        },
    )
}

fn pages() -> impl Strategy<Value = TimelinePage> {
    prop_oneof![
        (0..60u64, 0..9usize).prop_map(|(order, limit)| TimelinePage::After(Order(order), limit)),
        (prop::option::of(0..60u64), 0..9usize)
            .prop_map(|(order, limit)| TimelinePage::Before(order.map(Order), limit)),
    ]
}

fn places() -> impl Strategy<Value = Place> {
    prop_oneof![
        dots().prop_map(Place::Dot),
        (0..20u64).prop_map(Place::Index),
        (0..15_000u64).prop_map(Place::WallMs),
    ]
}

fn queries() -> impl Strategy<Value = DocumentQuery> {
    let words = || select(vec!["", "a", "ab", "b", "b/"]).prop_map(str::to_owned);
    let workspaces = select(vec!["w", "v", "u"]).prop_map(str::to_owned);
    (workspaces, words(), prop::option::of(words()), 0..4usize).prop_map(
        |(workspace, prefix, after, limit)| DocumentQuery {
            workspace,
            prefix,
            after,
            limit,
        },
    )
}

fn told() -> impl Strategy<Value = Told> {
    prop_oneof![
        Just(Told::Created),
        (1..60u64).prop_map(|order| Told::Changed(Order(order))),
        Just(Told::Deleted),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    use Operation as O;
    prop_oneof![
        20 => (documents(), kinds(), appends()).prop_map(|(d, k, run)| O::Append(d, k, run)),
        30 => (ordered(), submissions()).prop_map(|(d, run)| O::Submit(d, run)),
        3 => prop::collection::btree_map(ordered(), submissions(), 1..3)
            .prop_map(|all| O::AppendAll(all.into_iter().collect())),
        3 => (ordered(), 0..20u64, prop::option::of(0..20u64))
            .prop_map(|(d, from, to)| O::Operations(d, from, to)),
        2 => ordered().prop_map(O::Load),
        1 => (documents(), kinds()).prop_map(|(d, k)| O::Create(d, k)),
        2 => (documents(), kinds(), appends()).prop_map(|(d, k, run)| O::CreateWith(d, k, run)),
        3 => Just(O::News),
        3 => (documents(), told()).prop_map(|(d, told)| O::Told(d, told)),
        1 => documents().prop_map(O::Delete),
        1 => Just(O::NewReplica),
        4 => (documents(), kinds(), prop::collection::vec(dots(), 0..3))
            .prop_map(|(d, k, dots)| O::PutSnapshot(d, k, dots)),
        4 => documents().prop_map(O::Load),
        3 => (documents(), 0..60u64).prop_map(|(d, order)| O::LoadUntil(d, Order(order))),
        1 => documents().prop_map(O::Describe),
        1 => Just(O::Workspaces),
        2 => queries().prop_map(O::Documents),
        3 => (documents(), pages()).prop_map(|(d, page)| O::Timeline(d, page)),
        3 => (documents(), places()).prop_map(|(d, place)| O::Find(d, place)),
        2 => (documents(), 1..4u32, 0..9u64, 0..9u64)
            .prop_map(|(d, replica, from, to)| O::Lane(d, ReplicaId(replica), from, to)),
        1 => Just(O::Check),
        1 => Just(O::Reopen),
    ]
}

/// The answer as text, without what may differ: the time at which something was created or deleted.
async fn answer(store: &dyn Store, operation: Operation) -> String {
    use Operation as O;
    match operation {
        O::Append(document, kind, run) => {
            let changes = run_of(&document, run);
            text(&store.append(document, kind, changes).await)
        }
        O::Submit(document, run) => {
            let changes = submitted(&document, run);
            text(&store.append(document, Kind::Json0, changes).await)
        }
        O::AppendAll(all) => {
            let appends = all.into_iter().map(|(document, run)| {
                let changes = submitted(&document, run);
                (document, Kind::Json0, changes)
            });
            text(&store.append_all(appends.collect()).await)
        }
        O::Operations(document, from, to) => text(&store.operations(document, from, to).await),
        O::Create(document, kind) => text(&store.create(document, kind).await.map(timeless)),
        O::CreateWith(document, kind, run) => {
            let changes = run_of(&document, run);
            text(&store.create_with(document, kind, changes).await)
        }
        O::News => text(&store.news(99).await.map(sorted)),
        O::Told(document, told) => text(&store.told(document, told).await),
        O::Delete(document) => text(&store.delete(document).await),
        O::NewReplica => text(&store.new_replica().await),
        O::PutSnapshot(document, kind, covered) => {
            let mut snapshot = snapshot(&document, &covered, "state");
            snapshot.kind = kind;
            text(&store.put_snapshot(snapshot).await)
        }
        O::Load(document) => text(&store.load(document).await),
        O::LoadUntil(document, until) => text(&store.load_until(document, until).await),
        O::Describe(document) => text(&store.describe(document).await.map(|it| it.map(timeless))),
        O::Workspaces => text(&store.workspaces().await),
        O::Documents(query) => {
            let listed = store.documents(query).await;
            text(&listed.map(|it| it.into_iter().map(timeless).collect::<Vec<_>>()))
        }
        O::Timeline(document, page) => text(&store.timeline(document, page).await),
        O::Find(document, place) => text(&store.find(document, place).await),
        O::Lane(document, replica, from, to) => {
            text(&store.lane(document, replica, from..=to).await)
        }
        O::Check | O::Reopen => text(&store.check().await),
    }
}

fn run_of(document: &DocumentKey, run: Vec<(Dot, bool)>) -> Vec<Change> {
    let changes = run.into_iter().map(|(dot, altered)| {
        let mut change = change(document, dot.replica, dot.counter.max(1));
        change.dot = dot;
        // Replicas' clocks differ by seconds.
        let skew = 2_500 * u64::from(dot.replica.0);
        change.hlc = Hlc::from_wall_ms(change.hlc.wall_ms() + skew);
        if altered {
            change.payload = vec![0].into();
        }
        change
    });
    changes.collect()
}

fn submitted(document: &DocumentKey, run: Vec<Submitted>) -> Vec<Change> {
    let changes = run.into_iter().map(|it| Change {
        document: document.clone(),
        ..operation(it.dot, it.version, it.source, it.number)
    });
    changes.collect()
}

/// In the order of their documents: when each is due may differ.
fn sorted(mut news: Vec<News>) -> Vec<News> {
    for news in &mut news {
        news.created_ms = news.created_ms.map(|_| 0);
        news.deleted_ms = news.deleted_ms.map(|_| 0);
        news.due_in_ms = 0;
        if let Some(changed) = &mut news.changed {
            changed.at_ms = 0;
        }
    }
    news.sort_by(|one, other| one.document.cmp(&other.document));
    news
}

fn text<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> String {
    format!("{answer:#?}")
}

fn timeless(mut description: Description) -> Description {
    description.created_ms = 0;
    description.deleted_ms = description.deleted_ms.map(|_| 0);
    description
}

fn habits() -> impl Strategy<Value = Habit> {
    (1..60usize, 1..9usize).prop_map(|(changes, step)| Habit { changes, step })
}

async fn compare(operations: Vec<Operation>, habit: Habit) {
    let folder = TempDir::new().unwrap();
    let memory = MemoryStore::new();
    memory.keep_news(NEWS);
    let mut sqlite = open_filing(folder.path(), habit).await;
    sqlite.keep_news(NEWS);
    for operation in operations {
        if matches!(operation, Operation::Reopen) {
            sqlite.close().await.unwrap();
            sqlite = open_filing(folder.path(), habit).await;
            sqlite.keep_news(NEWS);
        }
        let expected = answer(&memory, operation.clone()).await;
        let found = answer(&sqlite, operation.clone()).await;
        assert_eq!(found, expected, "{operation:?}");
    }
}

const NEWS: NewsHabit = NewsHabit {
    created: true,
    changed: true,
    deleted: true,
    debounce_ms: 1,
    debounce_max_ms: 5,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_disk_answer_alike(
        operations in prop::collection::vec(operations(), 1..120),
        habit in habits(),
    ) {
        Runtime::new().unwrap().block_on(compare(operations, habit));
    }
}
