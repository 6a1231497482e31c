//! The page: a template with prose, filled with tables, plots and verdicts.

use std::collections::BTreeMap;

use super::figures::{Cell, Line, lines};
use super::{bars, curve, terminal, words};
use crate::peers::Server;
use crate::plan::{Row, SATURATED_WINDOW, Section};
use crate::record::{Calls, Record};

/// The page as Markdown.
pub(super) fn write(record: &Record, rows: &[Row]) -> String {
    let lines: Vec<_> = rows.iter().flat_map(|row| lines(record, row)).collect();
    include_str!("page.md")
        .replace("{{machine}}", &machine(record))
        .replace("{{window}}", &SATURATED_WINDOW.to_string())
        .replace("{{verdict}}", &verdict(&lines))
        .replace("{{tables}}", &tables(&lines))
        .replace("{{curves}}", &curves(&lines))
        .replace("{{calls}}", &calls(record, rows))
        .replace("{{failures}}", &failures(record, rows, &lines))
}

/// The plots by the names of their files.
pub(super) fn plots(record: &Record, rows: &[Row]) -> Vec<(String, String)> {
    let lines = |section: Section| -> Vec<_> {
        let rows = rows.iter().filter(|row| row.section == section);
        rows.flat_map(|row| lines(record, row)).collect()
    };
    let tables = Section::TABLES.into_iter().filter_map(|section| {
        // The first figure of a row is the one that matters most.
        let mut lines = lines(section);
        lines.dedup_by_key(|line| &line.row.key);
        (!lines.is_empty()).then(|| (file(section), bars::draw(section.title(), &lines)))
    });
    let curves = Section::CURVES.into_iter().filter_map(|section| {
        let panels = panels(&lines(section));
        let draw = || curve::draw(section.title(), section.grows(), &panels);
        (!panels.is_empty()).then(|| (file(section), draw()))
    });
    tables.chain(curves).collect()
}

fn machine(record: &Record) -> String {
    let m = &record.machine;
    let gib = m.memory_mib as f64 / 1_024.0;
    let mut text = format!(
        "On {}: {}, {} cores, {gib:.0} GiB, Linux {}, Node {}, {}.",
        m.date, m.processor, m.cores, m.kernel, m.node, m.rust
    );
    let servers: Vec<_> = record
        .rows
        .values()
        .flat_map(|row| row.runs.keys())
        .collect();
    let mut versions: Vec<_> = servers.iter().map(|server| server.version()).collect();
    versions.sort_unstable();
    versions.dedup();
    text += &format!(" Measured: {}.", versions.join(", "));
    let fsyncs = record
        .rows
        .values()
        .flat_map(|row| row.runs.values().flatten());
    let fsyncs = fsyncs.map(|run| run.fsync_us).filter(|us| *us > 0.0);
    if let Some(spread) = crate::stats::Spread::of(fsyncs) {
        let (median, range) = (words::number(spread.median), words::range(&spread));
        text += &format!(" One fsync took {median} us ({range}).");
    }
    if record.rows.values().any(|row| row.is_quick) {
        text += " **Some rows were measured in the quick mode: one short run each, a first look only.**";
    }
    text
}

/// Which targets are met, in a sentence, and which are not, in a list.
fn verdict(lines: &[Line]) -> String {
    let judged: Vec<_> = lines
        .iter()
        .filter(|line| line.is_met().is_some())
        .collect();
    let missed: Vec<_> = judged
        .iter()
        .filter(|line| line.is_met() == Some(false))
        .collect();
    let mut text = format!(
        "{} of {} targets are met.",
        judged.len() - missed.len(),
        judged.len()
    );
    if !missed.is_empty() {
        text += " Not met:\n";
    }
    for line in missed {
        let figure = words::cell(line.cells.get(&Server::Quire));
        let (name, target) = (words::name(&line.measure), words::target(&line.measure));
        let (section, row) = (line.row.section.title(), &line.row.title);
        text += &format!("\n- {section}, {row}: {name} is {figure}, wanted {target}");
    }
    text
}

fn tables(lines: &[Line]) -> String {
    let table = |section: Section| {
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line.row.section == section)
            .collect();
        if lines.is_empty() {
            return String::new();
        }
        let title = section.title();
        let plot = format!("![{title}]({})", link(section));
        format!("## {title}\n\n{plot}\n\n{}\n", table(&lines))
    };
    Section::TABLES.into_iter().map(table).collect()
}

fn table(lines: &[&Line]) -> String {
    let servers = terminal::servers(lines.iter().copied());
    let mut head = vec!["", "", "target"];
    head.extend(servers.iter().map(|server| server.title()));
    head.extend(["to best peer", "to ceiling", "met"]);
    let mut text = markdown_row(&head);
    text += &markdown_row(&vec!["---"; head.len()]);
    let mut last = "";
    for line in lines {
        let title = if line.row.key == last {
            ""
        } else {
            &line.row.title
        };
        last = &line.row.key;
        let mut cells = vec![
            title.to_owned(),
            words::name(&line.measure),
            words::target(&line.measure),
        ];
        cells.extend(
            servers
                .iter()
                .map(|server| with_range(line.cells.get(server))),
        );
        cells.push(words::ratio(line.to_best_peer()));
        cells.push(words::ratio(line.to_ceiling()));
        cells.push(words::met(line).to_owned());
        text += &markdown_row(&cells);
    }
    text
}

fn with_range(cell: Option<&Cell>) -> String {
    let figure = words::cell(cell);
    match cell {
        Some(Cell::Figure(spread)) if spread.least < spread.most => {
            format!("{figure}<br><sub>{}</sub>", words::range(spread))
        }
        _ => figure,
    }
}

fn markdown_row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn curves(lines: &[Line]) -> String {
    let has = |section: &Section| lines.iter().any(|line| line.row.section == *section);
    let shown = Section::CURVES.into_iter().filter(has);
    let plot = |section: Section| {
        let title = section.title();
        format!("### {title}\n\n![{title}]({})\n\n", link(section))
    };
    shown.map(plot).collect()
}

/// One for each measure, through the points that are known.
fn panels(lines: &[Line]) -> Vec<curve::Panel> {
    let mut panels: Vec<curve::Panel> = Vec::new();
    for line in lines {
        let Some(figure) = line.median(Server::Quire).filter(|figure| *figure > 0.0) else {
            continue;
        };
        let title = words::name(&line.measure);
        let point = (line.row.x, figure);
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.points.push(point),
            None => panels.push(curve::Panel {
                title,
                points: vec![point],
            }),
        }
    }
    panels
}

fn calls(record: &Record, rows: &[Row]) -> String {
    let mut text = markdown_row(&[
        "",
        "server",
        "calls per edit",
        "calls per delivery",
        "most of them",
    ]);
    text += &markdown_row(&["---"; 5]);
    for row in rows {
        let none = BTreeMap::new();
        let calls = record.rows.get(&row.key).map_or(&none, |row| &row.calls);
        for (server, calls) in calls {
            text += &counted(&row.title, *server, calls);
        }
    }
    text
}

fn counted(title: &str, server: Server, calls: &Calls) -> String {
    let sum: u64 = calls.counts.values().sum();
    let per = |count: u64| words::number(sum as f64 / count.max(1) as f64);
    let mut most: Vec<_> = calls.counts.iter().collect();
    most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let share = |count: u64| (100 * count).checked_div(sum).unwrap_or_default();
    let most = most.iter().take(4);
    let most: Vec<_> = most
        .map(|(name, count)| format!("`{name}` {}%", share(**count)))
        .collect();
    let (edits, deliveries) = (per(calls.edits), per(calls.deliveries));
    markdown_row(&[title, server.title(), &edits, &deliveries, &most.join(", ")])
}

fn failures(record: &Record, rows: &[Row], lines: &[Line]) -> String {
    let mut text: String = terminal::failures(lines)
        .iter()
        .map(|failure| format!("- {failure}"))
        .collect();
    for row in rows {
        if let Some(why) = record.skipped.get(&row.key) {
            text += &format!("- skipped: {}, {why}\n", row.key);
        }
    }
    if text.is_empty() {
        "Nothing.\n".clone_into(&mut text);
    }
    text
}

fn file(section: Section) -> String {
    format!("{}.svg", section.key())
}

fn link(section: Section) -> String {
    format!("benchmarks/{}", file(section))
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::{record, row};
    use super::*;
    use crate::plan;

    #[test]
    fn the_page_is_filled_and_shows_failures() {
        let page = write(&record(), &plan::rows());
        assert!(!page.contains("{{"), "{page}");
        assert!(page.contains("| 40,000<br><sub>30,000 to 50,000</sub> | 10,000 |"));
        assert!(
            page.contains(
                "- failed: room-100-saturated, y-sweet, 1 of 2: 12 deliveries are missing"
            )
        );
        assert!(page.contains("deliveries out, /s is 0.00, wanted >= 2.8 M"));
    }

    #[test]
    fn there_is_a_plot_for_what_was_measured_and_for_nothing_else() {
        let plots = plots(&record(), &[row()]);
        let names: Vec<_> = plots.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["saturated.svg"]);
    }

    #[test]
    fn calls_are_told_for_each_delivery() {
        let calls = Calls {
            deliveries: 200,
            edits: 10,
            counts: BTreeMap::from([("writev".to_owned(), 75), ("read".to_owned(), 25)]),
        };
        let told = counted("row", Server::Quire, &calls);
        assert_eq!(
            told,
            "| row | Quire | 10.0 | 0.50 | `writev` 75%, `read` 25% |\n"
        );
    }
}
