//! Bars: one figure of several rows, a bar for each server, the target as a line.

use super::figures::{Cell, Line};
use super::svg::{Anchor, Svg};
use super::words;
use crate::peers::Server;

/// Draws lines that have one measure in common, each a group of bars with a scale of its own.
pub(super) fn draw(title: &str, lines: &[Line]) -> String {
    let mut svg = Svg::new();
    let mut y = 0.0;
    for line in lines {
        y = group(&mut svg, y, line);
    }
    svg.finish(WIDTH, y, title)
}

/// Draws a group from a height down; tells where it ends.
fn group(svg: &mut Svg, top: f64, line: &Line) -> f64 {
    let heading = format!("{}: {}", line.row.title, words::name(&line.measure));
    svg.text(0.0, top + 16.0, Anchor::Start, "title", &heading);
    let first = top + HEADING;
    let scale = Scale::of(line);
    let last = first + line.cells.len() as f64 * PITCH;
    let places = (0..).map(|at| first + f64::from(at) * PITCH);
    for (y, (server, cell)) in places.clone().zip(&line.cells) {
        bar(svg, y, *server, cell, &scale);
    }
    if let Some(target) = line.measure.target {
        let x = scale.x(target);
        svg.line((x, first - 4.0), (x, last - 2.0), "target");
        svg.text(x, first - 7.0, Anchor::Middle, "small bad", "target");
    }
    for (y, (server, cell)) in places.zip(&line.cells) {
        label(svg, y, *server, cell, &scale);
    }
    last + GAP
}

fn bar(svg: &mut Svg, y: f64, server: Server, cell: &Cell, scale: &Scale) {
    if let Cell::Figure(spread) = cell {
        let middle = y + BAR / 2.0;
        let width = (scale.x(spread.median) - NAMES).max(1.0);
        svg.rect(NAMES, y, width, BAR, class(server));
        let ends = (scale.x(spread.least), scale.x(spread.most));
        svg.line((ends.0, middle), (ends.1, middle), "range");
    }
}

/// The name on the left, the figure or the failure where the bar ends.
fn label(svg: &mut Svg, y: f64, server: Server, cell: &Cell, scale: &Scale) {
    let base = y + BAR / 2.0 + 4.5;
    svg.text(NAMES - 8.0, base, Anchor::End, "", server.title());
    let (x, class) = match cell {
        Cell::Figure(spread) => (scale.x(spread.most), "soft"),
        Cell::Failed { .. } | Cell::Nothing => (NAMES, "bad"),
    };
    let text = words::cell(Some(cell));
    svg.text(x + 8.0, base, Anchor::Start, class, &text);
}

fn class(server: Server) -> &'static str {
    match server {
        server if server.is_quire() => "quire",
        server if server.is_ceiling() => "ceiling",
        _ => "peer",
    }
}

/// From figures to places: zero is where bars begin, the most is as far as there is room.
struct Scale {
    most: f64,
}

impl Scale {
    fn of(line: &Line) -> Self {
        let most = |cell: &Cell| match cell {
            Cell::Figure(spread) => spread.most,
            Cell::Failed { .. } | Cell::Nothing => 0.0,
        };
        let figures = line.cells.values().map(most);
        let most = figures.chain(line.measure.target).fold(0.0, f64::max);
        Self {
            most: if most > 0.0 { most } else { 1.0 },
        }
    }

    fn x(&self, figure: f64) -> f64 {
        NAMES + figure / self.most * (WIDTH - NAMES - FIGURES)
    }
}

const WIDTH: f64 = 760.0;
/// For names on the left, for figures on the right.
const NAMES: f64 = 140.0;
const FIGURES: f64 = 80.0;
const HEADING: f64 = 42.0;
const BAR: f64 = 16.0;
const PITCH: f64 = 21.0;
const GAP: f64 = 14.0;

#[cfg(test)]
mod tests {
    use super::super::figures::lines;
    use super::super::figures::tests::{record, row};
    use super::*;

    #[test]
    fn every_server_has_a_bar_or_a_failure() {
        let (record, row) = (record(), row());
        let mut lines = lines(&record, &row);
        lines.truncate(1);
        let drawn = draw("edits", &lines);
        assert_eq!(drawn.matches("<rect x").count(), 5, "ground and bars");
        assert!(drawn.contains("failed 1/2"));
        assert!(drawn.contains(r#"class="quire""#) && drawn.contains(r#"class="ceiling""#));
        assert!(drawn.contains(">40,000<") && drawn.contains(">target<"));
    }

    #[test]
    fn the_most_is_at_the_right_edge_of_the_bars() {
        let (record, row) = (record(), row());
        let lines = lines(&record, &row);
        let scale = Scale::of(&lines[0]);
        assert_eq!(scale.x(0.0), NAMES);
        assert_eq!(scale.x(80_000.0), WIDTH - FIGURES);
    }
}
