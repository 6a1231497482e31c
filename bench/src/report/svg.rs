//! Little drawings as text: what both sorts of plot are made of. Readable on light and on dark ground.

use std::fmt::Write;

/// A drawing that grows by its parts.
pub(super) struct Svg {
    parts: String,
}

/// Which side of a text its place is.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new() -> Self {
        Self {
            parts: String::new(),
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.part(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.part(format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="{class}"/>"#
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.part(format_args!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let places: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let places = places.join(" ");
        self.part(format_args!(
            r#"<polyline points="{places}" class="{class}"/>"#
        ));
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, class: &str) {
        self.part(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" class="{class}"/>"#
        ));
    }

    /// The whole, with a title for who cannot see it.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let (title, parts) = (escaped(title), self.parts);
        let (width, height) = (width + 2.0 * MARGIN, height + MARGIN);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="-{MARGIN} 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<rect x="-{MARGIN}" width="100%" height="100%" class="ground"/>
{parts}</svg>
"#
        )
    }

    fn part(&mut self, part: std::fmt::Arguments) {
        // Text takes whatever is written.
        let _ = writeln!(self.parts, "{part}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const MARGIN: f64 = 8.0;
const STYLE: &str = "
.ground { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #1f2328; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.title { font-weight: 600 }
.soft { fill: #59636e; font-size: 12px }
.small { fill: #59636e; font-size: 11px }
.bad { fill: #c9252d }
.quire { fill: #0969da }
.peer { fill: #afb8c1 }
.ceiling { fill: none; stroke: #8c959f; stroke-dasharray: 4 2 }
.range { stroke: #1f2328 }
.target { stroke: #c9252d; stroke-width: 1.5; stroke-dasharray: 3 3 }
.axis { stroke: #d1d9e0 }
.curve { fill: none; stroke: #0969da; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 }
text { fill: #f0f6fc; stroke: #0d1117 }
.soft, .small { fill: #9198a1 }
.bad { fill: #ff7b72 }
.quire { fill: #4493f8 }
.peer { fill: #59636e }
.ceiling { stroke: #9198a1 }
.range { stroke: #f0f6fc }
.target { stroke: #ff7b72 }
.axis { stroke: #3d444d }
.curve { stroke: #4493f8 }
}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_whatever_stands_in_it() {
        let mut svg = Svg::new();
        svg.text(1.0, 2.0, Anchor::End, "soft", "a<b & c");
        let drawn = svg.finish(10.0, 20.0, "<title>");
        assert!(drawn.contains("a&lt;b &amp; c</text>"));
        assert!(drawn.contains("<title>&lt;title&gt;</title>"));
        assert!(drawn.contains(r#"viewBox="-8 0 26 28""#));
    }

    #[test]
    fn a_path_goes_through_its_points() {
        let mut svg = Svg::new();
        svg.path(&[(1.0, 2.0), (3.0, 4.25)], "curve");
        let drawn = svg.finish(1.0, 1.0, "");
        assert!(drawn.contains(r#"points="1.0,2.0 3.0,4.2""#), "{drawn}");
    }
}
