//! Every setting with its default: the one table that the loader, the command line's help and `docs/configuration.md` go by.

use strsim::damerau_levenshtein;

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key, with a dot after the section if it is in one.
    pub key: &'static str,
    /// Its value where nobody sets it.
    pub default: &'static str,
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting::new("listen", "127.0.0.1:1234"),
    Setting::new("data_dir", "./quire-data"),
    Setting::new("store", "sqlite"),
    Setting::new("database_url", "none"),
    Setting::new("redis_url", "none"),
    Setting::new("insecure_allow_anonymous", "false"),
    Setting::new("trusted_proxies", "none"),
    Setting::new("forwarded_header", "x-forwarded-for"),
    Setting::new("allow", "all"),
    Setting::new("deny", "none"),
    Setting::new("origins", "none"),
    Setting::new("tls.certificate", "none"),
    Setting::new("tls.key", "none"),
    Setting::new("auth.issuer", "none"),
    Setting::new("auth.audience", "none"),
    Setting::new("auth.only_audience", "false"),
    Setting::new("auth.anonymous", "none"),
    Setting::new("auth.default_may", "none"),
    Setting::new("auth.open_metrics", "false"),
    Setting::new("auth.leeway", "30s"),
    Setting::new("auth.jwks_url", "none"),
    Setting::new("auth.jwks_refresh", "10m"),
    Setting::new("auth.jwks_pause", "30s"),
    Setting::new("auth.jwks_stale_max", "24h"),
    Setting::new("log.format", "auto"),
    Setting::new("log.filter", "info"),
    Setting::new("limits.message_bytes", "64MiB"),
    Setting::new("limits.update_items", "1000000"),
    Setting::new("limits.update_clients", "50000"),
    Setting::new("limits.update_memory", "512MiB"),
    Setting::new("limits.client_advance", "67108864"),
    Setting::new("limits.value_depth", "128"),
    Setting::new("limits.type_depth", "512"),
    Setting::new("limits.document_memory", "1GiB"),
    Setting::new("limits.client_ids", "warn"),
    Setting::new("limits.presence_entries", "64"),
    Setting::new("limits.presence_state_bytes", "64KiB"),
    Setting::new("limits.request_head_bytes", "16KiB"),
    Setting::new("limits.request_time", "5s"),
    Setting::new("limits.unsaved_document_bytes", "16MiB"),
    Setting::new("limits.unsaved_node_bytes", "256MiB"),
    Setting::new("limits.mailbox", "1024"),
    Setting::new("limits.outbox_bytes", "512KiB"),
    Setting::new("limits.outbox_frames", "16384"),
    Setting::new("limits.handshakes", "256"),
    Setting::new("limits.documents_opening", "64"),
    Setting::new("limits.connections", "100000"),
    Setting::new("limits.connections_per_address", "1000"),
    Setting::new("limits.connections_per_user", "100"),
    Setting::new("limits.connections_per_document", "10000"),
    Setting::new("limits.messages_per_second", "1000"),
    Setting::new("limits.bytes_per_second", "16MiB"),
    Setting::new("limits.documents_per_connection", "64"),
    Setting::new("limits.sharedb_documents_per_connection", "1024"),
    Setting::new("limits.automerge_documents_per_connection", "1024"),
    Setting::new("limits.pre_auth_bytes", "16KiB"),
    Setting::new("limits.pre_auth_messages", "16"),
    Setting::new("limits.pre_auth_time", "5s"),
    Setting::new("limits.documents_open", "100000"),
    Setting::new("limits.memory_bytes", "auto"),
    Setting::new("limits.receiving_bytes", "512MiB"),
    Setting::new("limits.step_warn", "500ms"),
    Setting::new("limits.step_max", "10s"),
    Setting::new("limits.message_cpu", "2s"),
    Setting::new("document.idle", "30s"),
    Setting::new("document.snapshot_changes", "2000"),
    Setting::new("document.snapshot_bytes", "256KiB"),
    Setting::new("presence.timeout", "90s"),
    Setting::new("presence.wait_max", "250ms"),
    Setting::new("connection.ping_interval", "30s"),
    Setting::new("connection.silence_timeout", "90s"),
    Setting::new("sharedb.commit_noops", "true"),
    Setting::new("sharedb.projections", "none"),
    Setting::new("hook.url", "none"),
    Setting::new("hook.secret_file", "none"),
    Setting::new("hook.timeout", "5s"),
    Setting::new("hook.requests", "64"),
    Setting::new("hook.allow_insecure", "false"),
    Setting::new("hook.authenticate", "false"),
    Setting::new("hook.authenticate_cache", "none"),
    Setting::new("hook.load", "false"),
    Setting::new("hook.signals", "false"),
    Setting::new("hook.events", "none"),
    Setting::new("hook.debounce", "2s"),
    Setting::new("shutdown.grace", "10s"),
    Setting::new("shutdown.spread", "auto"),
    Setting::new("postgres.commits", "4"),
    Setting::new("postgres.loads", "8"),
    Setting::new("postgres.lists", "4"),
    Setting::new("postgres.upkeep", "2"),
    Setting::new("postgres.read_time", "7s"),
    Setting::new("cluster.node", "auto"),
    Setting::new("cluster.address", "none"),
    Setting::new("cluster.weight", "1"),
    Setting::new("cluster.lease", "30s"),
    Setting::new("cluster.heads_interval", "1500ms"),
];

/// Settings whose values are shown nowhere.
pub(super) const SECRETS: [&str; 2] = ["database_url", "redis_url"];

impl Setting {
    const fn new(key: &'static str, default: &'static str) -> Self {
        Self { key, default }
    }

    /// The setting with a key, if there is one.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The environment variable that sets it: two underscores stand for the dot.
    pub fn variable(&self) -> String {
        format!("QUIRE_{}", self.key.replace('.', "__").to_uppercase())
    }

    /// The section that it is in.
    pub(super) fn section(&self) -> Option<&'static str> {
        self.key.split_once('.').map(|(section, _)| section)
    }
}

/// The candidate that a mistyped word most likely meant, if any is near enough.
pub(super) fn nearest(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let distance = |candidate: &String| damerau_levenshtein(word, candidate);
    candidates
        .min_by_key(distance)
        .filter(|candidate| distance(candidate) <= TYPING_ERRORS_MAX.max(candidate.len() / 4))
}

/// So many slips of the finger still suggest a key.
const TYPING_ERRORS_MAX: usize = 2;
