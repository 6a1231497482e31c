//! Configuration: which layer wins, where each value is said to come from, and what a mistake is answered with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::auth::keys::{Algorithm, KeyFile};
use server::config::{
    Config, ConfigError, Environment, Flags, Loaded, Origin, SETTINGS, StoreChoice,
};
use server::telemetry::counted::COUNTED;
use tempfile::TempDir;

/// A working folder with a configuration file, variables and flags.
struct Given {
    folder: TempDir,
    environment: Environment,
    flags: Flags,
}

fn given(file: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("quire.toml"), file).unwrap();
    let environment = Environment {
        variables: BTreeMap::new(),
        directory: folder.path().to_owned(),
    };
    Given {
        folder,
        environment,
        flags: Flags::default(),
    }
}

impl Given {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment
            .variables
            .insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.flags.values.insert(key, value.to_owned());
        self
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("quire.toml")
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load_in(&self.environment, &self.flags)
    }

    /// What is said about a configuration that is refused, without the folder's random name.
    fn complaint(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        self.load()
            .expect_err("the configuration is refused")
            .to_string()
            .replace(&folder, "")
    }
}

#[test]
fn without_any_layer_every_setting_has_its_default() {
    let nothing = given("");
    fs::remove_file(nothing.file()).unwrap();
    let loaded = nothing.load().unwrap();
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:1234");
    assert_eq!(loaded.config.store, StoreChoice::Sqlite);
    assert_eq!(loaded.config.limits.message_bytes, 64 * 1024 * 1024);
    assert_eq!(loaded.config.limits.unsaved_node_bytes, 256 * 1024 * 1024);
    assert_eq!(loaded.config.document.snapshot_bytes, 256 * 1024);
    assert_eq!(loaded.config.presence.timeout, Duration::from_secs(90));
    assert!(
        loaded
            .origins
            .values()
            .all(|(_, origin)| *origin == Origin::Default)
    );
    assert_eq!(loaded.origins.len(), SETTINGS.len());
    assert!(loaded.config.check().is_ok());
}

#[test]
fn flags_win_over_variables_over_the_file_over_defaults() {
    let file = "listen = '127.0.0.1:1'\n[document]\nidle = '1m'\nsnapshot_changes = 7\n[limits]\nmailbox = 1\n";
    let given = given(file)
        .variable("QUIRE_LISTEN", "127.0.0.1:2")
        .variable("QUIRE_DOCUMENT__IDLE", "2m")
        .flag("listen", "127.0.0.1:3");
    let Loaded {
        config, origins, ..
    } = given.load().unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.document.idle, Duration::from_secs(120));
    assert_eq!(
        (config.document.snapshot_changes, config.limits.mailbox),
        (7, 1)
    );
    assert_eq!(config.shutdown.grace, Duration::from_secs(10));
    let origin = |key| origins[key].1.to_string();
    assert_eq!(origin("listen"), "flag --listen");
    assert_eq!(origin("document.idle"), "environment QUIRE_DOCUMENT__IDLE");
    assert_eq!(
        origin("limits.mailbox"),
        format!("{}:6", given.file().display())
    );
    assert_eq!(origin("shutdown.grace"), "default");
}

#[test]
fn variables_that_everybody_knows_count_less_than_our_own() {
    let given = given("listen = '127.0.0.7:1'")
        .variable("PORT", "8080")
        .variable("RUST_LOG", "debug");
    let config = given.load().unwrap().config;
    assert_eq!(
        (
            config.listen.to_string().as_str(),
            config.log.filter.as_str()
        ),
        ("127.0.0.7:8080", "debug")
    );
    let given = given
        .variable("QUIRE_LISTEN", "127.0.0.1:2")
        .variable("QUIRE_LOG__FILTER", "warn");
    let config = given.load().unwrap().config;
    assert_eq!(
        (config.listen.port(), config.log.filter.as_str()),
        (2, "warn")
    );
}

#[test]
fn the_file_is_looked_for_here_then_at_home() {
    let home = given("listen = '127.0.0.1:1'");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir(home.folder.path().join("quire")).unwrap();
    fs::rename(home.file(), home.folder.path().join("quire/quire.toml")).unwrap();
    let home_path = home.folder.path().display().to_string();
    let mut home = home.variable("XDG_CONFIG_HOME", &home_path);
    home.environment.directory = elsewhere.path().to_owned();
    assert_eq!(home.load().unwrap().config.listen.port(), 1);
    fs::write(
        elsewhere.path().join("quire.toml"),
        "listen = '127.0.0.1:2'",
    )
    .unwrap();
    assert_eq!(home.load().unwrap().config.listen.port(), 2);
    home.flags.file = Some(Path::new(&home_path).join("quire/quire.toml"));
    assert_eq!(home.load().unwrap().config.listen.port(), 1);
}

#[test]
fn a_mistake_in_the_file_is_told_with_its_line_and_what_was_meant() {
    let complaints = [
        (
            "data_dir = 'd'\nlisen = '127.0.0.1:1'",
            "quire.toml:2: there is no setting \"lisen\"; did you mean \"listen\"?",
        ),
        (
            "\n[limits]\nmesage_bytes = 1",
            "quire.toml:3: there is no setting \"limits.mesage_bytes\"; did you mean \"limits.message_bytes\"?",
        ),
        (
            "[limts]\nmailbox = 1",
            "quire.toml:1: there is no setting \"limts\"; did you mean \"limits\"?",
        ),
        ("[zebra]", "quire.toml:1: there is no setting \"zebra\""),
        (
            "limits.mailbox = 'many'",
            "quire.toml:1: limits.mailbox is \"many\", expected a whole number from 1 to 1000000000",
        ),
        (
            "\n\ndocument.idle = 30",
            "quire.toml:3: document.idle is \"30\", expected a duration from 1ms to 365days such as 30s or 5m",
        ),
        (
            "store = 'mysql'",
            "quire.toml:1: store is \"mysql\", expected sqlite, memory or postgres",
        ),
        (
            "listen = ['a']",
            "quire.toml:1: listen is of the type array, expected one value: a text in quotes, a whole number, true or false",
        ),
        ("log = 'info'", "quire.toml:1: there is no setting \"log\""),
        (
            "log.filter = 'a=b=c'",
            "quire.toml:1: log.filter is \"a=b=c\", expected filter directives such as info or info,server=debug",
        ),
    ];
    for (file, complaint) in complaints {
        assert_eq!(given(file).complaint(), complaint);
    }
    let syntax = given("listen = \n").complaint();
    assert!(
        syntax.starts_with("quire.toml:1: not valid TOML: "),
        "{syntax}"
    );
    let twice = given("store = 'memory'\nstore = 'sqlite'").complaint();
    assert!(
        twice.starts_with("quire.toml:2: not valid TOML: "),
        "{twice}"
    );
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let mut given = given("");
    given.flags.file = Some("other.toml".into());
    let complaint = given.complaint();
    assert!(
        complaint.starts_with("configuration file \"other.toml\" cannot be read: "),
        "{complaint}"
    );
}

#[test]
fn a_mistake_in_a_variable_is_told_with_its_name() {
    let mistyped = given("").variable("QUIRE_LIMITS__MALEBOX", "5").complaint();
    assert_eq!(
        mistyped,
        "environment QUIRE_LIMITS__MALEBOX: there is no setting \"limits.malebox\"; \
         did you mean \"QUIRE_LIMITS__MAILBOX\"?"
    );
    let wrong = given("").variable("PORT", "http").complaint();
    assert_eq!(
        wrong,
        "environment PORT: listen is \"http\", expected a port number from 0 to 65535"
    );
}

#[test]
fn what_is_ignored_is_said() {
    let given = given("")
        .variable("QUIRE_LISTN", "127.0.0.1:9")
        .variable("QUIRE_SERVICE_HOST", "10.0.0.1");
    let warnings = given.load().unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("did you mean QUIRE_LISTEN?"),
        "{warnings:?}"
    );
}

const DATABASE: &str = "postgres://user:hunter2@db:5432/quire";

#[test]
fn a_database_is_used_by_whoever_says_where_it_is() {
    let told = given("").variable("DATABASE_URL", DATABASE);
    let config = told.load().unwrap().config;
    assert_eq!(config.store, StoreChoice::Postgres);
    assert_eq!(config.database_url.as_ref().unwrap().reveal(), DATABASE);
    assert!(config.check().is_ok());
    let own = told
        .variable("QUIRE_DATABASE_URL", "postgresql://other/quire")
        .variable("REDIS_URL", "rediss://:hunter2@redis");
    let config = own.load().unwrap().config;
    let url = config.database_url.as_ref().unwrap().reveal();
    assert_eq!(url, "postgresql://other/quire");
    assert_eq!(
        config.redis_url.as_ref().unwrap().reveal(),
        "rediss://:hunter2@redis"
    );
    assert!(config.check().is_ok());
    let empty = given("").variable("DATABASE_URL", "");
    assert_eq!(empty.load().unwrap().config.store, StoreChoice::Sqlite);
}

#[test]
fn what_a_database_does_not_go_with_is_refused() {
    let complaint = |given: &Given| {
        let config = given.load().unwrap().config;
        config.check().unwrap_err().to_string()
    };
    for store in ["sqlite", "memory"] {
        let two = given("")
            .variable("DATABASE_URL", DATABASE)
            .flag("store", store);
        let expected = format!(
            "store is {store} and database_url is set too; leave one of them out: database_url means postgres"
        );
        assert_eq!(complaint(&two), expected);
    }
    assert_eq!(
        complaint(&given("store = 'postgres'")),
        "store is postgres and database_url is none; set DATABASE_URL to the address of the database"
    );
    let alone = complaint(&given("").variable("REDIS_URL", "redis://redis"));
    assert!(
        alone.starts_with("redis_url is set and database_url is none; "),
        "{alone}"
    );
    let spread = complaint(&given("shutdown.spread = '10s'"));
    assert_eq!(
        spread,
        "shutdown.spread (10s) has to be shorter than shutdown.grace (10s)"
    );
    let lease = complaint(&given("cluster.lease = '1s'"));
    assert_eq!(lease, "cluster.lease (1s) has to be 3s or longer");
}

#[test]
fn what_is_secret_is_shown_nowhere() {
    let told = given("")
        .variable("DATABASE_URL", DATABASE)
        .variable("REDIS_URL", "redis://user:hunter2@redis");
    let loaded = told.load().unwrap();
    assert_eq!(loaded.origins["database_url"].0, "postgres://… (not shown)");
    assert_eq!(loaded.origins["redis_url"].0, "redis://… (not shown)");
    assert!(!format!("{loaded:?}").contains("hunter2"));
    for wrong in [
        "mysql://user:hunter2@db",
        "user:hunter2@db",
        "postgres://a hunter2",
    ] {
        let complaint = given("").variable("DATABASE_URL", wrong).complaint();
        assert_eq!(
            complaint,
            "environment DATABASE_URL: database_url is something that is not shown, \
             expected none, or a URL such as postgres://user:password@db.example.com:5432/quire"
        );
    }
}

#[test]
fn clients_are_let_go_over_a_while_where_there_are_other_nodes() {
    let spread = |file| {
        let shutdown = given(file).load().unwrap().config.shutdown;
        [true, false].map(|has_others| shutdown.spread(has_others).as_millis())
    };
    assert_eq!(spread(""), [5_000, 0]);
    assert_eq!(spread("shutdown.grace = '4s'"), [2_000, 0]);
    assert_eq!(spread("shutdown.spread = 'none'"), [0, 0]);
    assert_eq!(spread("shutdown.spread = '3s'"), [3_000, 3_000]);
}

#[test]
fn nobody_serves_everybody_by_accident() {
    let open = given("listen = '0.0.0.0:1234'");
    let complaint = open.load().unwrap().config.check().unwrap_err().to_string();
    assert!(complaint.contains("127.0.0.1:1234"), "{complaint}");
    assert!(
        complaint.contains("--insecure-allow-anonymous"),
        "{complaint}"
    );
    assert!(complaint.contains("`quire key new`"), "{complaint}");
    let folder = open.folder.path().join("data");
    let add_key = |keys: &mut KeyFile| {
        keys.make(Algorithm::EdDsa, None, 0)?;
        Ok(())
    };
    KeyFile::change(&folder, add_key).unwrap();
    let keyed =
        given("listen = '0.0.0.0:1234'").variable("QUIRE_DATA_DIR", folder.to_str().unwrap());
    assert!(keyed.load().unwrap().config.check().is_ok());
    for (name, value) in [
        ("QUIRE_AUTH__JWKS_URL", "https://login.example/keys"),
        ("QUIRE_AUTH__ANONYMOUS", "read"),
    ] {
        let asking = given("listen = '0.0.0.0:1234'").variable(name, value);
        assert!(asking.load().unwrap().config.check().is_ok(), "{name}");
    }
    let meant = open.variable("QUIRE_INSECURE_ALLOW_ANONYMOUS", "true");
    assert!(meant.load().unwrap().config.check().is_ok());
    assert!(
        given("listen = '[::1]:1'")
            .load()
            .unwrap()
            .config
            .check()
            .is_ok()
    );
}

#[test]
fn silence_is_longer_than_the_wait_for_a_ping() {
    let given = given("connection.silence_timeout = '30s'");
    let complaint = given
        .load()
        .unwrap()
        .config
        .check()
        .unwrap_err()
        .to_string();
    assert_eq!(
        complaint,
        "connection.silence_timeout (30s) has to be longer than connection.ping_interval (30s)"
    );
}

#[test]
fn the_page_of_limits_has_every_limit_with_its_default_and_whether_it_is_counted() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md");
    let page = fs::read_to_string(page).unwrap();
    let is_limit =
        |key: &str| key.starts_with("limits.") || ["allow", "deny", "origins"].contains(&key);
    let limits = SETTINGS.iter().filter(|setting| is_limit(setting.key));
    let mut counted = Vec::new();
    for limit in limits.clone() {
        let row = format!("| `{}` | `{}` |", limit.key, limit.default);
        let row = page.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row for {limit:?}"));
        if row.ends_with("| yes |") {
            counted.push(limit.key.trim_start_matches("limits."));
        }
    }
    assert_eq!(counted, COUNTED, "docs/limits.md says which are counted");
    let rows = page
        .lines()
        .filter(|line| line.ends_with("| yes |") || line.ends_with("| no |"));
    assert_eq!(
        rows.count(),
        limits.count(),
        "docs/limits.md has rows of limits that there are not"
    );
}

#[test]
fn the_page_for_operators_has_every_setting_with_its_default() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = fs::read_to_string(page).unwrap();
    for setting in SETTINGS {
        let row = format!("| `{}` | `{}` |", setting.key, setting.default);
        assert!(
            page.contains(&row),
            "docs/configuration.md has no row {row}"
        );
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        rows,
        SETTINGS.len(),
        "docs/configuration.md has rows of settings that there are not"
    );
}

#[test]
fn what_the_examples_set_are_settings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let mut found = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let words = text.split(|symbol: char| !symbol.is_ascii_uppercase() && symbol != '_');
        // Kubernetes puts the address of a service there.
        let own = words.filter(|it| it.starts_with("QUIRE_") && *it != "QUIRE_SERVICE_HOST");
        for word in own {
            let is_known = SETTINGS.iter().any(|it| it.variable() == word);
            assert!(is_known, "{} sets {word}", path.display());
            found += 1;
        }
    }
    assert!(found > 0);
}
