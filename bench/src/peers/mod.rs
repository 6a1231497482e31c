//! The servers that are compared: which there are, and what starts each of them.

mod launch;
mod tools;

use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub(crate) use launch::{Running, pinned};
pub(crate) use tools::Tools;

use crate::spec::Dialect;

/// A server that can be measured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Server {
    /// Quire, which stores in SQLite and acknowledges what is on disk.
    Quire,
    /// The same, spoken to as Hocuspocus.
    QuireHocuspocus,
    /// `@y/websocket-server`, in memory.
    YWebsocket,
    /// `@hocuspocus/server` without a store.
    Hocuspocus,
    /// The same with `@hocuspocus/extension-sqlite`.
    HocuspocusSqlite,
    /// `sharedb` with its store in memory.
    ShareDb,
    /// automerge-repo as its sync server sets it up, with files.
    AutomergeRepo,
    /// `y-sweet`, in memory.
    YSweet,
    /// `y-sweet` with files.
    YSweetFiles,
    /// A ceiling: copies frames, with the library tungstenite.
    Tungstenite,
    /// A ceiling: copies frames, and writes all that waits at once.
    Coalesce,
}

impl Server {
    /// What it is called in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Quire => "Quire",
            Self::QuireHocuspocus => "Quire (Hocuspocus)",
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "Hocuspocus",
            Self::HocuspocusSqlite => "Hocuspocus, SQLite",
            Self::ShareDb => "ShareDB",
            Self::AutomergeRepo => "automerge-repo",
            Self::YSweet => "y-sweet",
            Self::YSweetFiles => "y-sweet, files",
            Self::Tungstenite => "tungstenite",
            Self::Coalesce => "coalesce",
        }
    }

    /// What it is, with its version.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Quire | Self::QuireHocuspocus => concat!("Quire ", env!("CARGO_PKG_VERSION")),
            Self::YWebsocket => "@y/websocket-server 0.1.5",
            Self::Hocuspocus | Self::HocuspocusSqlite => "@hocuspocus/server 4.7.0",
            Self::ShareDb => "sharedb 7.0.0",
            Self::AutomergeRepo => "@automerge/automerge-repo 2.5.6",
            Self::YSweet | Self::YSweetFiles => "y-sweet 0.9.1",
            Self::Tungstenite => "tokio-tungstenite 0.29",
            Self::Coalesce => "hand-written frames",
        }
    }

    /// Whether it only copies frames, and so shows what cannot be beaten.
    pub(crate) fn is_ceiling(self) -> bool {
        matches!(self, Self::Tungstenite | Self::Coalesce)
    }

    pub(crate) fn is_quire(self) -> bool {
        matches!(self, Self::Quire | Self::QuireHocuspocus)
    }

    /// Whether it is somebody else's server.
    pub(crate) fn is_peer(self) -> bool {
        !self.is_quire() && !self.is_ceiling()
    }

    /// Whether what it holds is there again after a restart.
    pub(crate) fn stores(self) -> bool {
        self.is_quire()
            || matches!(
                self,
                Self::HocuspocusSqlite | Self::AutomergeRepo | Self::YSweetFiles
            )
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            // Ordered documents and those of Automerge are each spoken of in one dialect alone.
            Self::Quire | Self::YWebsocket | Self::ShareDb | Self::AutomergeRepo => {
                Dialect::YWebsocket
            }
            Self::QuireHocuspocus | Self::Hocuspocus | Self::HocuspocusSqlite => {
                Dialect::Hocuspocus
            }
            Self::YSweet | Self::YSweetFiles => Dialect::YSweet,
            Self::Tungstenite | Self::Coalesce => Dialect::Raw,
        }
    }

    /// What starts it on a port of the loopback, with its data in a folder.
    fn command(self, tools: &Tools, port: u16, folder: &Path) -> Command {
        let listen = format!("127.0.0.1:{port}");
        match self {
            Self::Quire | Self::QuireHocuspocus => {
                let mut command = Command::new(&tools.quire);
                command
                    .args(["serve", "--listen", &listen, "--log-filter", "warn"])
                    .arg("--data-dir")
                    .arg(folder.join("data"));
                command
            }
            Self::YWebsocket => {
                let mut command = Command::new(&tools.node);
                command
                    .arg(&tools.y_websocket)
                    .env("HOST", "127.0.0.1")
                    .env("PORT", port.to_string());
                command
            }
            Self::Hocuspocus | Self::HocuspocusSqlite => {
                let mut command = Command::new(&tools.node);
                command
                    .arg(tools.hocuspocus.join("server.mjs"))
                    .env("PORT", port.to_string());
                if self == Self::HocuspocusSqlite {
                    command.env("DATABASE", folder.join("hocuspocus.sqlite"));
                }
                command
            }
            Self::ShareDb => {
                let mut command = Command::new(&tools.node);
                command
                    .arg(tools.sharedb.join("server.mjs"))
                    .env("PORT", port.to_string());
                command
            }
            Self::AutomergeRepo => {
                let mut command = Command::new(&tools.node);
                command
                    .arg(tools.automerge.join("server.mjs"))
                    .env("PORT", port.to_string())
                    .env("DATA_DIR", folder.join("automerge"));
                command
            }
            Self::YSweet | Self::YSweetFiles => {
                let mut command = Command::new(&tools.y_sweet);
                command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
                if self == Self::YSweetFiles {
                    command.arg(folder.join("y-sweet"));
                }
                command
            }
            Self::Tungstenite => ceiling(tools, "tungstenite", &listen),
            Self::Coalesce => ceiling(tools, "coalesce", &listen),
        }
    }

    /// What must be installed for it, by path.
    pub(crate) fn needs(self, tools: &Tools) -> Vec<&Path> {
        match self {
            Self::Quire | Self::QuireHocuspocus => vec![&tools.quire],
            Self::YWebsocket => vec![&tools.node, &tools.y_websocket],
            Self::Hocuspocus => vec![&tools.node, &tools.hocuspocus_server],
            Self::HocuspocusSqlite => {
                vec![
                    &tools.node,
                    &tools.hocuspocus_server,
                    &tools.hocuspocus_sqlite,
                ]
            }
            Self::ShareDb => vec![&tools.node, &tools.sharedb_server],
            Self::AutomergeRepo => vec![&tools.node, &tools.automerge_repo],
            Self::YSweet | Self::YSweetFiles => vec![&tools.y_sweet],
            Self::Tungstenite | Self::Coalesce => vec![&tools.bench],
        }
    }
}

fn ceiling(tools: &Tools, socket: &str, listen: &str) -> Command {
    let mut command = Command::new(&tools.bench);
    command.args(["ceiling", "--socket", socket, "--listen", listen]);
    command
}
