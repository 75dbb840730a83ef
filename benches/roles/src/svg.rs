//! The runs as drawings: roles served, calls and refusals over time.

use std::fmt::Write;

use crate::runs::{Outcome, Second};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 60.0;
const GAP: f64 = 70.0;

/// A line of one count over the seconds, scaled to `most`.
fn line(seconds: &[Second], top: f64, most: f64, color: &str, count: impl Fn(&Second) -> f64) -> String {
    let step = WIDTH / seconds.len().max(2).saturating_sub(1) as f64;
    let points: String = seconds.iter().enumerate().fold(String::new(), |mut points, (at, second)| {
        let (x, y) = (LEFT + step * at as f64, top + HEIGHT - HEIGHT * count(second) / most.max(1.0));
        let _ = write!(points, "{x:.1},{y:.1} ");
        points
    });
    format!(r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="1.5"/>"#, points.trim_end())
}

pub(crate) fn draw(outcomes: &[Outcome]) -> String {
    let height = (HEIGHT + GAP) * outcomes.len() as f64 + 30.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        WIDTH + 2.0 * LEFT
    );
    for (at, outcome) in outcomes.iter().enumerate() {
        let top = 40.0 + (HEIGHT + GAP) * at as f64;
        let (seconds, roles) = (&outcome.seconds, outcome.run.roles as f64);
        let peak = seconds.iter().map(|second| second.calls).max().unwrap_or_default().max(120) as f64;
        let bottom = top + HEIGHT;
        let right = LEFT + WIDTH;
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.0}\" font-weight=\"bold\">{}</text>\n\
             <path d=\"M{LEFT} {top}V{bottom}H{right}V{top}\" fill=\"none\" stroke=\"#999\"/>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#2a7\">{roles}</text>\n\
             <text x=\"{:.0}\" y=\"{:.0}\" fill=\"#26c\">{peak}/s</text>\n\
             <text x=\"{right}\" y=\"{:.0}\" text-anchor=\"end\">{} s</text>\n\
             <text x=\"{LEFT}\" y=\"{:.0}\"><tspan fill=\"#2a7\">roles served</tspan> <tspan fill=\"#26c\">calls a second</tspan> <tspan fill=\"#c22\">refused</tspan></text>\n",
            top - 10.0,
            outcome.run.what,
            LEFT - 5.0,
            top + 10.0,
            right + 5.0,
            top + 10.0,
            bottom + 16.0,
            seconds.len(),
            bottom + 16.0,
        );
        for drawn in [
            line(seconds, top, roles, "#2a7", |second| second.served as f64),
            line(seconds, top, peak, "#26c", |second| second.calls as f64),
            line(seconds, top, peak, "#c22", |second| second.refused as f64),
        ] {
            svg.push_str(&drawn);
            svg.push('\n');
        }
    }
    svg.push_str("</svg>\n");
    svg
}
