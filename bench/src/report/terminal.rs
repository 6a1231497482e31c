//! One table for a terminal: a line for each figure, a column for each server.

use super::figures::{Cell, Line, lines};
use super::words;
use crate::peers::Server;
use crate::plan::Row;
use crate::record::Record;

/// The table, what failed, what was skipped.
pub(super) fn table(record: &Record, rows: &[Row]) -> String {
    let lines: Vec<_> = rows.iter().flat_map(|row| lines(record, row)).collect();
    let servers = servers(&lines);
    let mut grid = vec![head(&servers)];
    let mut last = "";
    for line in &lines {
        if line.row.key != last {
            last = &line.row.key;
            let title = format!("{}: {}", line.row.section.title(), line.row.title);
            grid.push(vec![title]);
        }
        grid.push(cells(line, &servers));
    }
    let mut text = aligned(&grid);
    text.extend(failures(&lines));
    let is_asked = |key: &str| rows.iter().any(|row| row.key == key);
    for (key, why) in &record.skipped {
        if is_asked(key) {
            text.push_str(&format!("skipped {key}: {why}\n"));
        }
    }
    text
}

/// Those that have a cell, in their order.
pub(super) fn servers<'a>(lines: impl IntoIterator<Item = &'a Line<'a>>) -> Vec<Server> {
    let cells = lines.into_iter().flat_map(|line| line.cells.keys());
    let mut servers: Vec<_> = cells.copied().collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// What went wrong, a line for each server of a row.
pub(super) fn failures(lines: &[Line]) -> Vec<String> {
    let mut failures = Vec::new();
    for line in lines {
        for (server, cell) in &line.cells {
            if let Cell::Failed { failed, runs, why } = cell {
                let (row, server) = (&line.row.key, server.title());
                let failure = format!("failed: {row}, {server}, {failed} of {runs}: {why}\n");
                if !failures.contains(&failure) {
                    failures.push(failure);
                }
            }
        }
    }
    failures
}

fn head(servers: &[Server]) -> Vec<String> {
    let mut head = vec![String::new(), "target".to_owned(), "met".to_owned()];
    head.extend(servers.iter().map(|server| server.title().to_owned()));
    head.extend(["to best peer".to_owned(), "to ceiling".to_owned()]);
    head
}

fn cells(line: &Line, servers: &[Server]) -> Vec<String> {
    let mut cells = vec![
        format!("  {}", words::name(&line.measure)),
        words::target(&line.measure),
        words::met(line).to_owned(),
    ];
    cells.extend(
        servers
            .iter()
            .map(|server| words::cell(line.cells.get(server))),
    );
    cells.push(words::ratio(line.to_best_peer()));
    cells.push(words::ratio(line.to_ceiling()));
    cells
}

/// Columns of equal width, numbers to the right; a line of one cell is a heading.
fn aligned(grid: &[Vec<String>]) -> String {
    let full = || grid.iter().filter(|cells| cells.len() > 1);
    let columns = full().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        full()
            .map(|cells| cells[column].len())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in grid {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let width = widths[column];
            line += &match (cells.len(), column) {
                (1, _) => cell.clone(),
                (_, 0) => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{record, row};
    use super::*;

    #[test]
    fn a_failure_is_shown_in_its_cell_and_in_words() {
        let table = table(&record(), &[row()]);
        let edits = table.lines().find(|line| line.contains("edits in"));
        let edits: Vec<_> = edits.expect("a line of edits").split_whitespace().collect();
        let expected =
            "edits in, /s >= 28,000 yes 40,000 10,000 20,000 failed 1/2 80,000 2.00x 0.50x";
        assert_eq!(edits.join(" "), expected);
        let reason = "failed: room-100-saturated, y-sweet, 1 of 2: 12 deliveries are missing";
        assert!(table.contains(reason), "{table}");
        assert_eq!(table.matches(reason).count(), 1);
    }

    #[test]
    fn what_was_skipped_is_told() {
        let mut record = record();
        record.skipped.insert(row().key, "no time".to_owned());
        record
            .skipped
            .insert("other".to_owned(), "no time".to_owned());
        let table = table(&record, &[row()]);
        assert!(table.contains("skipped room-100-saturated: no time"));
        assert!(!table.contains("other"));
    }

    #[test]
    fn columns_are_aligned() {
        let grid = [
            vec!["a", "1"],
            vec!["heading that is long"],
            vec!["bcd", "22"],
        ];
        let grid = grid.map(|cells| cells.into_iter().map(str::to_owned).collect());
        assert_eq!(aligned(&grid), "a     1\nheading that is long\nbcd  22\n");
    }
}
