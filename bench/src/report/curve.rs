//! Curves: what something costs as one thing grows, both on logarithmic scales, a panel for each measure.

use super::svg::{Anchor, Svg};
use super::words;

/// One curve.
pub(super) struct Panel {
    pub(super) title: String,
    /// By what grows; positive, as logarithms need.
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws panels beside each other.
pub(super) fn draw(title: &str, grows: &str, panels: &[Panel]) -> String {
    let mut svg = Svg::new();
    for (at, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, at as f64 * (PANEL + SPACE), grows, panel);
    }
    let width = panels.len() as f64 * (PANEL + SPACE) - SPACE;
    svg.finish(width.max(PANEL), HEIGHT, title)
}

fn draw_panel(svg: &mut Svg, left: f64, grows: &str, panel: &Panel) {
    let (begin, end) = (left + INSET, left + PANEL - INSET);
    let values = |of: fn(&(f64, f64)) -> f64| panel.points.iter().map(of);
    let x = Decades::around(values(|point| point.0), begin + INNER, end - INNER);
    let y = Decades::around(values(|point| point.1), BOTTOM, TOP);
    svg.text(left, 16.0, Anchor::Start, "title", &panel.title);
    for (power, place) in x.ticks() {
        svg.line((place, TOP), (place, BOTTOM), "axis");
        svg.text(place, BOTTOM + 16.0, Anchor::Middle, "small", &short(power));
    }
    for (power, place) in y.ticks() {
        svg.line((begin, place), (end, place), "axis");
        svg.text(
            begin - 4.0,
            place + 4.0,
            Anchor::End,
            "small",
            &short(power),
        );
    }
    let middle = f64::midpoint(begin, end);
    svg.text(middle, BOTTOM + 34.0, Anchor::Middle, "small", grows);
    let place = |point: &(f64, f64)| (x.place(point.0), y.place(point.1));
    let places: Vec<_> = panel.points.iter().map(place).collect();
    svg.path(&places, "curve");
    for ((x, y), (_, figure)) in places.iter().zip(&panel.points) {
        svg.dot(*x, *y, "quire");
        svg.text(
            *x,
            y - 8.0,
            Anchor::Middle,
            "small",
            &words::number(*figure),
        );
    }
}

/// A power of ten in few letters.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e3 => format!("{} k", value / 1e3),
        value => format!("{value}"),
    }
}

/// A logarithmic scale between two powers of ten.
struct Decades {
    low: i32,
    high: i32,
    from: f64,
    to: f64,
}

impl Decades {
    /// The least that holds all values.
    fn around(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        let is_some = least.is_finite() && most > 0.0;
        let low = if is_some {
            least.log10().floor() as i32
        } else {
            0
        };
        let high = if is_some {
            most.log10().ceil() as i32
        } else {
            1
        };
        Self {
            low,
            high: high.max(low + 1),
            from,
            to,
        }
    }

    /// The powers of ten with their places.
    fn ticks(&self) -> impl Iterator<Item = (f64, f64)> {
        let powers = (self.low..=self.high).map(|power| 10_f64.powi(power));
        powers.map(|power| (power, self.place(power)))
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + share * (self.to - self.from)
    }
}

const PANEL: f64 = 300.0;
const SPACE: f64 = 16.0;
const INSET: f64 = 34.0;
/// Between the axis and what is drawn, so that figures do not cover the axis.
const INNER: f64 = 16.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 204.0;
const HEIGHT: f64 = 246.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_powers_of_ten() {
        let scale = Decades::around([2.0, 5_000.0].into_iter(), 0.0, 400.0);
        assert_eq!((scale.low, scale.high), (0, 4));
        assert_eq!((scale.place(1.0), scale.place(100.0)), (0.0, 200.0));
        let single = Decades::around([10.0].into_iter(), 0.0, 1.0);
        assert_eq!((single.low, single.high), (1, 2));
    }

    #[test]
    fn a_panel_has_a_dot_for_each_point() {
        let panel = Panel {
            title: "CPU per delivery, us".to_owned(),
            points: vec![(2.0, 4.0), (100.0, 3.5), (5_000.0, 3.9)],
        };
        let drawn = draw("growth", "clients", &[panel]);
        assert_eq!(drawn.matches("<circle").count(), 3);
        assert!(
            drawn.contains(">3.50<") && drawn.contains(">10 k<") && drawn.contains(">clients<")
        );
    }

    #[test]
    fn nothing_measured_is_an_empty_plot() {
        let drawn = draw("growth", "clients", &[]);
        assert!(drawn.starts_with("<svg") && !drawn.contains("<circle"));
    }
}
