//! What is told of nodes, for people.

use serde_json::Value;

use super::{Part, Status};
use crate::cli::output;

/// A line for each replica, the newest last, and one each for the store and the bus.
pub(super) fn of(status: &Status) -> String {
    let rows: Vec<_> = status.replicas.iter().map(row).collect();
    let head = [
        "NODE",
        "REPLICA",
        "STATE",
        "CONNECTIONS",
        "DOCUMENTS",
        "WEIGHT",
        "ADDRESS",
        "VERSION",
        "LEASE UNTIL",
    ];
    let parts = [("store", &status.store), ("bus", &status.bus)];
    let parts = parts.map(|(name, part)| line(name, part)).concat();
    format!("{}\n{parts}", output::table(head, &rows))
}

fn row(replica: &Value) -> [String; 9] {
    [
        text(&replica["node"]),
        text(&replica["replica"]),
        state(replica).to_owned(),
        text(&replica["connections"]),
        text(&replica["documents"]),
        text(&replica["weight"]),
        text(&replica["address"]),
        text(&replica["version"]),
        text(&replica["lease_until"]),
    ]
}

/// In one word: a node that holds its replica id but is not in the register may have lost the bus, or its life.
fn state(replica: &Value) -> &'static str {
    let is = |field: &str| replica[field] == Value::Bool(true);
    match () {
        () if replica["state"] != "held" => "ended",
        () if is("draining") => "draining",
        () if is("registered") => "up",
        () => "silent",
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => output::name(text),
        other => other.to_string(),
    }
}

fn line(name: &str, part: &Part) -> String {
    let took = part.latency_ms.map(|ms| format!(" ({ms:.1} ms)"));
    let status = output::harmless(&part.status);
    format!("{name:6} {status}{}\n", took.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replica_is_a_line_and_its_state_a_word() {
        let replica = |node: &str, state: &str, registered, draining| {
            json!({"node": node, "replica": 7, "state": state, "registered": registered, "draining": draining,
                   "address": null, "connections": 3, "documents": 2, "weight": 1, "version": "0.1.0",
                   "lease_until": "2026-11-20T09:30:00.000Z"})
        };
        let status = Status {
            store: Part {
                status: "ok".to_owned(),
                latency_ms: Some(1.25),
            },
            bus: Part {
                status: "none".to_owned(),
                latency_ms: None,
            },
            replicas: vec![
                replica("a", "held", true, false),
                replica("b", "held", true, true),
                replica("c", "held", false, false),
                replica("two words", "ended", false, false),
            ],
        };
        let told = of(&status);
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines: Vec<_> = told.lines().map(words).collect();
        assert_eq!(lines[0][..3], ["NODE", "REPLICA", "STATE"]);
        assert_eq!(lines[1][..4], ["a", "7", "up", "3"]);
        assert_eq!(lines[2][2], "draining");
        assert_eq!(lines[3][2], "silent");
        assert_eq!(lines[4][..4], ["\"two", "words\"", "7", "ended"]);
        assert!(
            told.ends_with("store  ok (1.2 ms)\nbus    none\n"),
            "{told}"
        );
    }
}
