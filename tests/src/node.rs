//! Scripts for Node in `tests/js`, with the npm packages that are installed there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// The path of a script.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js").join(name)
}

/// Whether there is Node, and a package of npm. If there is not, that is said.
///
/// # Errors
/// They are required (`node` in `QUIRE_TEST_REQUIRE`, or `CI`).
pub fn is_ready(package: &str) -> Result<bool> {
    let answers = Command::new("node")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    let package = script("node_modules").join(package);
    let is_ready = answers && package.join("package.json").exists();
    if !is_ready {
        ensure!(
            !is_required(),
            "node or tests/js/node_modules is missing; run `npm ci` in tests/js"
        );
        println!("skipped: node or tests/js/node_modules is missing");
    }
    Ok(is_ready)
}

fn is_required() -> bool {
    let required = env::var("QUIRE_TEST_REQUIRE")
        .is_ok_and(|list| list.split(',').any(|name| name.trim() == "node"));
    required || env::var_os("CI").is_some()
}
