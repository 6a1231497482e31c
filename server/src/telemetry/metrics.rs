//! Metrics: every one is named and described here, and set through a function of its own.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use engine::CloseReason;
use metrics::{
    Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use storage::BusFigures;

use super::counted::COUNTED;
use crate::quarantine::cause::Cause;

const CONNECTIONS: &str = "quire_connections";
const DOCUMENTS_OPEN: &str = "quire_documents_open";
const FRAMES_IN: &str = "quire_frames_received_total";
const BYTES_IN: &str = "quire_bytes_received_total";
const FRAMES_OUT: &str = "quire_frames_sent_total";
const BYTES_OUT: &str = "quire_bytes_sent_total";
const CLOSED: &str = "quire_connections_closed_total";
const CHANGES: &str = "quire_changes_stored_total";
const APPEND_SECONDS: &str = "quire_append_seconds";
const APPEND_FAILURES: &str = "quire_append_failures_total";
const LOADS: &str = "quire_document_loads_total";
const SNAPSHOTS: &str = "quire_snapshots_stored_total";
const SLOW_READERS: &str = "quire_slow_readers_total";
const QUARANTINED: &str = "quire_quarantined_total";
const PANICS: &str = "quire_panics_total";
const SESSION_PANICS: &str = "quire_session_panics_total";
const STEP_SECONDS: &str = "quire_step_seconds";
const STUCK: &str = "quire_documents_stuck";
const ABANDONED: &str = "quire_threads_abandoned";
const OVER_BUDGET: &str = "quire_messages_over_budget_total";
const FOREIGN_EDITS: &str = "quire_foreign_edits_total";
const WEIGHT: &str = "quire_memory_weight_bytes";
const RECEIVING: &str = "quire_receiving_bytes";
const LIMIT_HITS: &str = "quire_limit_hits_total";
const HOOK_REQUESTS: &str = "quire_hook_requests_total";
const HOOK_SECONDS: &str = "quire_hook_request_seconds";
const HOOK_LAG: &str = "quire_hook_news_late_seconds";
const SIGNALS_DROPPED: &str = "quire_hook_signals_dropped_total";
const WAITING: &str = "quire_admission_waiting";
const WAIT_SECONDS: &str = "quire_admission_wait_seconds";
const BUS_UP: &str = "quire_bus_up";
const BUS_WORDS: &str = "quire_bus_words_total";
const BUS_RECONNECTS: &str = "quire_bus_reconnects_total";
const HELD: &str = "quire_changes_held";
const LAG_SECONDS: &str = "quire_change_lag_seconds";
const WORDS_DROPPED: &str = "quire_bus_words_dropped_total";
const PULLED: &str = "quire_changes_pulled_total";
const HEADS_ROUNDS: &str = "quire_heads_rounds_total";
const COUNTS_SHARED: &str = "quire_shared_counts_total";
const HOT_ASKED: &str = "quire_hot_snapshots_total";
const DAMAGED_ROWS: &str = "quire_damaged_rows_total";

/// Bounds of the histogram of store delays, in seconds.
const APPEND_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// Bounds of the histogram of batches, in seconds.
const STEP_BUCKETS: [f64; 12] = [
    0.00001, 0.0001, 0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0,
];

/// Bounds of the histogram of the application's answers, in seconds.
const HOOK_BUCKETS: [f64; 10] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Starts to collect, and gives the page that Prometheus reads.
///
/// # Errors
/// Another recorder is installed.
pub fn init() -> anyhow::Result<PrometheusHandle> {
    let append = Matcher::Full(APPEND_SECONDS.to_owned());
    let step = Matcher::Full(STEP_SECONDS.to_owned());
    let wait = Matcher::Full(WAIT_SECONDS.to_owned());
    let hook = Matcher::Full(HOOK_SECONDS.to_owned());
    let lag = Matcher::Full(LAG_SECONDS.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(append, &APPEND_BUCKETS)?
        .set_buckets_for_metric(step, &STEP_BUCKETS)?
        .set_buckets_for_metric(wait, &APPEND_BUCKETS)?
        .set_buckets_for_metric(hook, &HOOK_BUCKETS)?
        .set_buckets_for_metric(lag, &APPEND_BUCKETS)?
        .install_recorder()?;
    describe();
    // There is one recorder in a process, so this is the first.
    let _ = OFTEN.set(Often::new());
    Ok(handle)
}

/// What is counted with every message, found once: looking a metric up takes much longer than counting.
struct Often {
    frames_in: Counter,
    bytes_in: Counter,
    frames_out: Counter,
    bytes_out: Counter,
    changes: Counter,
    append_seconds: Histogram,
    step_seconds: Histogram,
    lag_seconds: Histogram,
}

static OFTEN: OnceLock<Often> = OnceLock::new();

impl Often {
    fn new() -> Self {
        Self {
            frames_in: counter!(FRAMES_IN),
            bytes_in: counter!(BYTES_IN),
            frames_out: counter!(FRAMES_OUT),
            bytes_out: counter!(BYTES_OUT),
            changes: counter!(CHANGES),
            append_seconds: histogram!(APPEND_SECONDS),
            step_seconds: histogram!(STEP_SECONDS),
            lag_seconds: histogram!(LAG_SECONDS),
        }
    }
}

fn describe() {
    describe_counter!(
        HOOK_REQUESTS,
        "Questions and news to the application, by event and what came of it"
    );
    describe_histogram!(
        HOOK_SECONDS,
        "Seconds until the application's answer, or until it was given up"
    );
    describe_gauge!(
        HOOK_LAG,
        "Seconds for which the oldest news has been due that the application was not told"
    );
    describe_counter!(
        SIGNALS_DROPPED,
        "Clients' signals that the application was too slow for, or failed at"
    );
    describe_gauge!(BUS_UP, "Whether words of other nodes come and go: 1 or 0");
    describe_counter!(
        BUS_WORDS,
        "Words to and from other nodes, by what became of them"
    );
    describe_counter!(
        BUS_RECONNECTS,
        "Times the connection to the bus was lost and made again"
    );
    describe_gauge!(
        HELD,
        "Changes of other nodes that came before what they build on"
    );
    describe_histogram!(
        LAG_SECONDS,
        "Seconds from an edit on another node to its arrival over the bus, by the clocks of both machines"
    );
    describe_counter!(
        WORDS_DROPPED,
        "Words of other nodes for which a document had no room; what they told of is found in the store"
    );
    describe_counter!(
        PULLED,
        "Changes of other nodes that were read from the store, because the bus did not bring them"
    );
    describe_counter!(
        HEADS_ROUNDS,
        "Comparisons of the open documents with the store, by what came of them"
    );
    describe_counter!(
        COUNTS_SHARED,
        "Questions to the other nodes of how many connections of a user or address, or to a document, they have"
    );
    describe_counter!(
        HOT_ASKED,
        "Snapshots that the bus was asked for when a document was opened, by what came of them"
    );
    describe_gauge!(CONNECTIONS, "Open WebSocket connections");
    describe_gauge!(DOCUMENTS_OPEN, "Documents in memory");
    describe_counter!(FRAMES_IN, "Frames received from clients");
    describe_counter!(BYTES_IN, "Bytes of frames received from clients");
    describe_counter!(FRAMES_OUT, "Frames sent to clients");
    describe_counter!(BYTES_OUT, "Bytes of frames sent to clients");
    describe_counter!(CLOSED, "Connections closed by the server, by reason");
    describe_counter!(CHANGES, "Changes committed to the store");
    describe_histogram!(
        APPEND_SECONDS,
        "Seconds from asking the store to keep changes to its answer"
    );
    describe_counter!(APPEND_FAILURES, "Appends that failed and are repeated");
    describe_counter!(
        LOADS,
        "Documents read from the store, by whether all of the content was, or only what it comes to"
    );
    describe_counter!(SNAPSHOTS, "Snapshots stored and read back");
    describe_counter!(
        SLOW_READERS,
        "Times a reader was so slow that its queue was replaced by one difference"
    );
    describe_counter!(
        QUARANTINED,
        "Payloads that are kept out of documents, by cause; any is worth a look"
    );
    describe_histogram!(
        STEP_SECONDS,
        "Seconds that a document takes over one batch of messages"
    );
    describe_gauge!(WEIGHT, "Estimated memory of all documents");
    describe_gauge!(
        RECEIVING,
        "Bytes of messages that were received and are not worked off"
    );
    describe_gauge!(STUCK, "Documents that are stuck in one step");
    describe_gauge!(ABANDONED, "Threads lost to documents that were given up");
    describe_counter!(
        OVER_BUDGET,
        "Edits that took longer than limits.message_cpu and whose senders were closed"
    );
    describe_counter!(PANICS, "Panics, most of them caught in a content library");
    describe_counter!(
        SESSION_PANICS,
        "Documents whose clients were closed because the session panicked; any is an alarm"
    );
    describe_counter!(
        FOREIGN_EDITS,
        "Edits under the number of a writer who is connected as somebody else, by whether they were refused"
    );
    describe_gauge!(
        WAITING,
        "Who waits for their turn, by what for (handshakes, documents_opening)"
    );
    describe_histogram!(
        WAIT_SECONDS,
        "Seconds that those who had to wait for their turn have waited"
    );
    describe_counter!(
        LIMIT_HITS,
        "Times a limit was met, by its setting without the section"
    );
    describe_counter!(
        DAMAGED_ROWS,
        "Stored rows that were damaged and left out; any is an alarm"
    );
    gauge!(CONNECTIONS).set(0.0);
    gauge!(DOCUMENTS_OPEN).set(0.0);
    for total in [
        FRAMES_IN,
        BYTES_IN,
        FRAMES_OUT,
        BYTES_OUT,
        CHANGES,
        APPEND_FAILURES,
        SNAPSHOTS,
    ] {
        counter!(total).absolute(0);
    }
    for limit in COUNTED {
        counter!(LIMIT_HITS, "limit" => *limit).absolute(0);
    }
    for cause in [Cause::Edit, Cause::Stored, Cause::Crash, Cause::Stuck] {
        counter!(QUARANTINED, "cause" => cause.as_str()).absolute(0);
    }
    for what in ["content", "gist"] {
        counter!(LOADS, "what" => what).absolute(0);
    }
    counter!(SLOW_READERS).absolute(0);
    gauge!(STUCK).set(0.0);
    memory(0, 0);
    gauge!(ABANDONED).set(0.0);
    for alarm in [DAMAGED_ROWS, PANICS, SESSION_PANICS, OVER_BUDGET] {
        counter!(alarm).absolute(0);
    }
}

/// Counts a connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(());

/// A connection opened.
pub(crate) fn connection_opened() -> Counted {
    gauge!(CONNECTIONS).increment(1.0);
    Counted(())
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1.0);
    }
}

/// So many documents are in memory now.
#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge of documents is exact far beyond any machine"
)]
pub(crate) fn documents_open(count: usize) {
    gauge!(DOCUMENTS_OPEN).set(count as f64);
}

/// A frame came from a client.
pub(crate) fn frame_received(bytes: usize) {
    if let Some(often) = OFTEN.get() {
        often.frames_in.increment(1);
        often.bytes_in.increment(bytes as u64);
    }
}

/// So many frames are on their way to a client.
pub(crate) fn frames_sent(frames: usize, bytes: usize) {
    if let Some(often) = OFTEN.get() {
        often.frames_out.increment(frames as u64);
        often.bytes_out.increment(bytes as u64);
    }
}

/// The server closed a connection.
pub(crate) fn closed(reason: CloseReason) {
    counter!(CLOSED, "reason" => reason_label(reason)).increment(1);
}

/// A limit was met; its name is that of its setting, without `limits.`.
pub(crate) fn limit_hit(limit: &'static str) {
    limit_hits(limit, 1);
}

/// The same, so many times.
pub(crate) fn limit_hits(limit: &'static str, times: u64) {
    debug_assert!(COUNTED.contains(&limit), "{limit} is not listed");
    counter!(LIMIT_HITS, "limit" => limit).increment(times);
}

/// Counts somebody who waits for their turn, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    limit: &'static str,
    since: Instant,
}

/// Somebody waits for their turn, because as many have theirs as the limit allows.
pub(crate) fn waiting(limit: &'static str) -> Waiting {
    limit_hit(limit);
    gauge!(WAITING, "for" => limit).increment(1.0);
    Waiting {
        limit,
        since: Instant::now(),
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        gauge!(WAITING, "for" => self.limit).decrement(1.0);
        histogram!(WAIT_SECONDS, "for" => self.limit).record(self.since.elapsed().as_secs_f64());
    }
}

/// What of a document was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadedWhat {
    /// All of the content.
    Content,
    /// What it comes to.
    Gist,
}

/// A document was read from the store, for clients to share.
pub(crate) fn document_loaded(what: LoadedWhat) {
    let what = match what {
        LoadedWhat::Content => "content",
        LoadedWhat::Gist => "gist",
    };
    counter!(LOADS, "what" => what).increment(1);
}

/// A snapshot was stored and read back.
pub(crate) fn snapshot_stored() {
    counter!(SNAPSHOTS).increment(1);
}

/// A reader was too slow.
pub(crate) fn slow_reader() {
    limit_hit("outbox_bytes");
    counter!(SLOW_READERS).increment(1);
}

/// A payload is kept out of its document.
pub(crate) fn quarantined(cause: Cause) {
    counter!(QUARANTINED, "cause" => cause.as_str()).increment(1);
}

/// Something panicked, caught or not.
pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}

/// The session of a document panicked outside of every guard.
pub(crate) fn session_panicked() {
    counter!(SESSION_PANICS).increment(1);
}

/// A document has worked off a batch.
pub(crate) fn step_took(took: Duration) {
    if let Some(often) = OFTEN.get() {
        often.step_seconds.record(took.as_secs_f64());
    }
}

/// So many documents are stuck now.
#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge of documents is exact far beyond any machine"
)]
pub(crate) fn documents_stuck(count: usize) {
    gauge!(STUCK).set(count as f64);
}

/// So many threads are lost now.
#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge of threads is exact far beyond any machine"
)]
pub(crate) fn threads_abandoned(count: usize) {
    gauge!(ABANDONED).set(count as f64);
}

/// Documents weigh so much, and so much is received.
#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge of bytes is exact far beyond any machine"
)]
pub(crate) fn memory(weight: usize, receiving: usize) {
    gauge!(WEIGHT).set(weight as f64);
    gauge!(RECEIVING).set(receiving as f64);
}

/// An edit took too long.
pub(crate) fn message_over_budget() {
    limit_hit("message_cpu");
    counter!(OVER_BUDGET).increment(1);
}

/// An edit goes on where somebody else writes.
pub(crate) fn foreign_edit(refused: bool) {
    if refused {
        limit_hit("client_ids");
    }
    let refused = if refused { "true" } else { "false" };
    counter!(FOREIGN_EDITS, "refused" => refused).increment(1);
}

/// The application was asked or told something, or that was given up.
pub(crate) fn hook_asked(event: &'static str, outcome: &'static str, took: Duration) {
    counter!(HOOK_REQUESTS, "event" => event, "outcome" => outcome).increment(1);
    histogram!(HOOK_SECONDS, "event" => event).record(took.as_secs_f64());
}

/// The oldest news has been due for so long.
pub(crate) fn hook_late(late: Duration) {
    gauge!(HOOK_LAG).set(late.as_secs_f64());
}

/// The application did not take a client's signal.
pub(crate) fn signal_dropped() {
    counter!(SIGNALS_DROPPED).increment(1);
}

/// How the bus is, and what became of words so far.
pub(crate) fn bus(is_up: bool, figures: BusFigures) {
    gauge!(BUS_UP).set(if is_up { 1.0 } else { 0.0 });
    counter!(BUS_RECONNECTS).absolute(figures.reconnects);
    let words = [
        ("said", figures.said),
        ("heard", figures.heard),
        ("dropped", figures.dropped),
        ("malformed", figures.malformed),
        ("unknown", figures.unknown),
        ("refused", figures.refused),
    ];
    for (outcome, count) in words {
        counter!(BUS_WORDS, "outcome" => outcome).absolute(count);
    }
}

/// So many changes of other nodes wait for what they build on, in all documents.
pub(crate) fn held(changes: usize) {
    gauge!(HELD).set(changes as f64);
}

/// A change of another node has come, so long after its edit.
pub(crate) fn heard(lag: Duration) {
    if let Some(often) = OFTEN.get() {
        often.lag_seconds.record(lag.as_secs_f64());
    }
}

/// There was no room for what another node said.
pub(crate) fn word_dropped() {
    counter!(WORDS_DROPPED).increment(1);
}

/// The store gave changes that the bus had not brought.
pub(crate) fn pulled(changes: usize) {
    counter!(PULLED).increment(changes as u64);
}

/// The open documents were compared with the store, or could not be.
pub(crate) fn heads_round(done: bool) {
    let outcome = if done { "done" } else { "failed" };
    counter!(HEADS_ROUNDS, "outcome" => outcome).increment(1);
}

/// The other nodes were told of a count and asked for theirs.
pub(crate) fn count_shared(answered: bool) {
    let outcome = if answered { "answered" } else { "unanswered" };
    counter!(COUNTS_SHARED, "outcome" => outcome).increment(1);
}

/// What became of asking the bus for a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HotOutcome {
    /// The document was opened with it.
    Used,
    /// It is not the one that the store has.
    PassedOver,
    /// The bus had none.
    None,
    /// The bus did not answer in time.
    Unanswered,
}

/// The bus was asked for a snapshot.
pub(crate) fn hot_asked(outcome: HotOutcome) {
    let outcome = match outcome {
        HotOutcome::Used => "used",
        HotOutcome::PassedOver => "passed_over",
        HotOutcome::None => "none",
        HotOutcome::Unanswered => "unanswered",
    };
    counter!(HOT_ASKED, "outcome" => outcome).increment(1);
}

/// Stored rows were damaged.
pub(crate) fn damaged_rows(rows: u64) {
    counter!(DAMAGED_ROWS).increment(rows);
}

/// Times one append.
#[derive(Debug)]
pub(crate) struct AppendTimer {
    started: Instant,
    changes: u64,
}

/// Changes are on their way to the store.
pub(crate) fn append_started(changes: usize) -> AppendTimer {
    AppendTimer {
        started: Instant::now(),
        changes: changes as u64,
    }
}

impl AppendTimer {
    /// The store has answered.
    pub(crate) fn finished(self, stored: bool) {
        let Some(often) = OFTEN.get() else {
            return;
        };
        often
            .append_seconds
            .record(self.started.elapsed().as_secs_f64());
        if stored {
            often.changes.increment(self.changes);
        } else {
            counter!(APPEND_FAILURES).increment(1);
        }
    }
}

fn reason_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::BadFrame => "bad_frame",
        CloseReason::BadText => "bad_text",
        CloseReason::BadUpdate => "bad_update",
        CloseReason::ReadOnly => "read_only",
        CloseReason::DocumentFull => "document_full",
        CloseReason::TooDeep => "too_deep",
        CloseReason::TooLarge => "too_large",
        CloseReason::BadName => "bad_name",
        CloseReason::WrongKind => "wrong_kind",
        CloseReason::Deleted => "deleted",
        CloseReason::StoreBehind => "store_behind",
        CloseReason::NotReady => "not_ready",
        CloseReason::Stopping => "stopping",
        CloseReason::Overloaded => "overloaded",
        CloseReason::Replaced => "replaced",
        CloseReason::Silent => "silent",
        CloseReason::ForeignWriter => "foreign_writer",
        CloseReason::Unauthorized => "unauthorized",
        CloseReason::Forbidden => "forbidden",
        CloseReason::Expired => "expired",
        CloseReason::Revoked => "revoked",
        CloseReason::TooManyEditors => "too_many_editors",
        CloseReason::TooMany(_) => "too_many",
        CloseReason::Flooding(_) => "flooding",
    }
}
