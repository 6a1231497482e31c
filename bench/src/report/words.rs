//! How figures are written.

use super::figures::{Cell, Line};
use crate::plan::{Better, Measure, Unit};
use crate::stats::Spread;

/// A figure with as many digits as can be trusted, without its unit.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match () {
        () if size >= 1e6 => format!("{:.2} M", value / 1e6),
        () if size >= 1_000.0 => grouped(value.round() as u64),
        () if size >= 100.0 => format!("{value:.0}"),
        () if size >= 10.0 => format!("{value:.1}"),
        () => format!("{value:.2}"),
    }
}

fn grouped(whole: u64) -> String {
    let (high, low) = (whole / 1_000, whole % 1_000);
    match high {
        0 => low.to_string(),
        _ => format!("{},{low:03}", grouped(high)),
    }
}

pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::PerSecond => "/s",
        Unit::Microseconds => "us",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Megabytes => "MB",
        Unit::Kibibytes => "KiB",
        Unit::Times => "x",
        Unit::People => "people",
    }
}

/// A figure's name with its unit.
pub(super) fn name(measure: &Measure) -> String {
    format!("{}, {}", measure.name, unit(measure.unit))
}

pub(super) fn target(measure: &Measure) -> String {
    let sign = match measure.better {
        Better::Less => "<=",
        Better::More => ">=",
    };
    let target = measure.target.map(trimmed);
    target.map_or_else(String::new, |target| format!("{sign} {target}"))
}

/// A round number as it was meant.
fn trimmed(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1_000.0 => number(value),
        value => format!("{}", (value * 100.0).round() / 100.0),
    }
}

pub(super) fn cell(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Figure(spread)) => number(spread.median),
        Some(Cell::Failed { failed, runs, .. }) => format!("failed {failed}/{runs}"),
        Some(Cell::Nothing) | None => String::new(),
    }
}

/// The least and the most.
pub(super) fn range(spread: &Spread) -> String {
    format!("{} to {}", number(spread.least), number(spread.most))
}

pub(super) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{}x", number(ratio)))
}

pub(super) fn met(line: &Line) -> &'static str {
    match line.is_met() {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_or_so() {
        let written = [
            0.0,
            0.456,
            4.56,
            45.6,
            456.4,
            4_564.0,
            45_641.0,
            4_560_000.0,
        ]
        .map(number);
        let expected = [
            "0.00", "0.46", "4.56", "45.6", "456", "4,564", "45,641", "4.56 M",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn targets_are_written_as_they_were_meant() {
        let measure = Measure {
            name: "p99",
            unit: Unit::Milliseconds,
            better: Better::Less,
            target: Some(1.2),
            is_of_quire: false,
            of: |_| None,
        };
        assert_eq!(
            (target(&measure).as_str(), name(&measure).as_str()),
            ("<= 1.2", "p99, ms")
        );
        let more = Measure {
            better: Better::More,
            target: Some(2.8e6),
            ..measure
        };
        assert_eq!(target(&more), ">= 2.8 M");
    }
}
