//! Whether Quire's log says the same as the server that wrote it: what the REST API answers, which the generator has compared
//! with the text that must come out, against what the command line reads from disk once the server has ended.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::peers::{Running, Tools};

/// What the server said of some documents.
pub(super) struct Said(Vec<(String, Vec<u8>)>);

impl Said {
    /// Asks a running server for some of its documents.
    pub(super) fn by(server: &Running) -> Result<Self> {
        let path = format!("{DOCUMENTS}?limit={SAMPLE}");
        let list: Value = serde_json::from_slice(&get(&server.address(), &path)?)?;
        let names = list["items"].as_array().context("a list of documents")?;
        let names = names.iter().filter_map(|item| item["name"].as_str());
        let content = |name: &str| {
            let path = format!("{DOCUMENTS}/{}/content", escaped(name));
            Ok((name.to_owned(), get(&server.address(), &path)?))
        };
        names.map(content).collect::<Result<_>>().map(Self)
    }

    /// Compares with what is on disk, the server having ended.
    pub(super) fn compare(&self, tools: &Tools, data: &Path) -> Result<()> {
        for (name, said) in &self.0 {
            let output = Command::new(&tools.quire)
                .args(["doc", "export", name, "--format", "text", "--data-dir"])
                .arg(data)
                .output()?;
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "quire doc export {name}: {errors}");
            ensure!(
                output.stdout == *said,
                "the log of {name} says something else than the server did"
            );
        }
        Ok(())
    }
}

/// The body of an answer with status 200.
fn get(address: &str, path: &str) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.context("a head")? + 4);
    let head = String::from_utf8_lossy(&answer);
    ensure!(head.starts_with("HTTP/1.1 200"), "GET {path}: {head}");
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding");
    ensure!(!is_chunked, "GET {path} answers in chunks");
    Ok(body)
}

/// A name as one segment of a path.
fn escaped(name: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    name.bytes().map(byte).collect()
}

const DOCUMENTS: &str = "/api/v1/workspaces/default/documents";
/// Of a thousand documents, some are enough: the generator has compared them all.
const SAMPLE: usize = 3;
const ANSWER_MAX: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_one_segment() {
        assert_eq!(super::escaped("bench-1/a é"), "bench-1%2Fa%20%C3%A9");
    }
}
