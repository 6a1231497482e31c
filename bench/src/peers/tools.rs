//! Where the programs are: Quire beside this program, the peers where `bench/setup` has put them.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The paths of all programs.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) bench: PathBuf,
    pub(crate) quire: PathBuf,
    pub(crate) node: PathBuf,
    pub(crate) y_websocket: PathBuf,
    pub(crate) hocuspocus: PathBuf,
    pub(crate) hocuspocus_server: PathBuf,
    pub(crate) hocuspocus_sqlite: PathBuf,
    pub(crate) sharedb: PathBuf,
    pub(crate) sharedb_server: PathBuf,
    pub(crate) automerge: PathBuf,
    pub(crate) automerge_repo: PathBuf,
    pub(crate) y_sweet: PathBuf,
    /// The folder of the recorded typing sessions.
    pub(crate) traces: PathBuf,
    /// Where servers keep their data while they are measured.
    pub(crate) scratch: PathBuf,
}

impl Tools {
    /// Finds them from where this program is: `target/release`.
    ///
    /// # Errors
    /// This program does not know where it is.
    pub(crate) fn find() -> Result<Self> {
        let bench = env::current_exe()?;
        let release = bench.parent().context("a program is in a folder")?;
        let target = release.parent().context("a build is in a folder")?;
        let peers = workspace().join("bench/peers");
        let hocuspocus = peers.join("hocuspocus");
        let sharedb = peers.join("sharedb");
        let automerge = peers.join("automerge");
        let modules = hocuspocus.join("node_modules");
        Ok(Self {
            quire: release.join("quire"),
            node: node(&peers),
            y_websocket: peers.join("y-websocket/node_modules/@y/websocket-server/src/server.js"),
            hocuspocus_server: modules.join("@hocuspocus/server"),
            hocuspocus_sqlite: modules.join("better-sqlite3/build/Release/better_sqlite3.node"),
            hocuspocus,
            sharedb_server: sharedb.join("node_modules/sharedb"),
            sharedb,
            automerge_repo: automerge.join("node_modules/@automerge/automerge-repo"),
            automerge,
            y_sweet: target.join("tools/bin/y-sweet"),
            traces: traces(),
            scratch: target.join("bench"),
            bench,
        })
    }

    /// Sees that everything on the list is there.
    ///
    /// # Errors
    /// Something is not; the message names it and what installs it.
    pub(crate) fn require(paths: &[&Path]) -> Result<()> {
        if let Some(missing) = paths.iter().find(|path| !path.exists()) {
            bail!("{} is not there; run bench/setup", missing.display());
        }
        Ok(())
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn node(peers: &Path) -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    peers.join(format!("node/node_modules/node-linux-{arch}/bin/node"))
}

/// `QUIRE_TRACES`, as the tests have it.
fn traces() -> PathBuf {
    let beside = || workspace().join("../shared/data/editing-traces");
    env::var_os("QUIRE_TRACES").map_or_else(beside, PathBuf::from)
}
