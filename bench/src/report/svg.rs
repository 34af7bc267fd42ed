//! Two kinds of plots as inline SVG: bars in groups, and lines over quantiles.

use std::fmt::Write;

/// Height of one bar and of the space below a group.
const BAR: f64 = 14.0;
/// Where bars begin: room for their names.
const BARS_LEFT: f64 = 170.0;
/// Longest bar.
const BARS_WIDTH: f64 = 420.0;
/// Size of a line plot's inside.
const PLOT: (f64, f64) = (300.0, 160.0);
/// Room around it for numbers.
const MARGIN: (f64, f64) = (52.0, 24.0);

/// One name with a bar for each value.
#[derive(Debug)]
pub(super) struct Bars {
    /// What is compared.
    pub(super) name: String,
    /// The class that colours it, and the value.
    pub(super) values: Vec<(&'static str, f64)>,
}

/// A distribution: shares of the answers and milliseconds.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// The class that colours it.
    pub(super) class: &'static str,
    pub(super) points: &'a [(f64, f64)],
}

/// Groups of bars, each on a scale of its own, because figures of different jobs differ by powers of ten;
/// values are written with `digits` decimals and `unit`.
pub(super) fn bars(rows: &[Bars], unit: &str, digits: usize) -> String {
    // Each group is followed by the space of a bar.
    let height = rows.iter().map(|row| row.values.len() + 1).sum::<usize>() as f64 * BAR;
    let width = BARS_LEFT + BARS_WIDTH + 120.0;
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">");
    let mut top = 0.0;
    for row in rows {
        let middle = top + row.values.len() as f64 * BAR / 2.0 + 3.0;
        text(&mut svg, (BARS_LEFT - 8.0, middle), "end", &row.name);
        let longest = row.values.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (class, value) in &row.values {
            let length = value.max(0.0) / longest * BARS_WIDTH;
            let bar = BAR - 2.0;
            write!(
                svg,
                "<rect class=\"{class}\" x=\"{BARS_LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{bar}\"/>"
            )
            .expect("writing to a string");
            let label = format!("{value:.digits$} {unit}");
            text(&mut svg, (BARS_LEFT + length + 6.0, top + BAR - 4.0), "start", &label);
            top += BAR;
        }
        top += BAR;
    }
    svg + "</svg>"
}

/// Distributions: milliseconds (logarithmic, upwards) over the share of answers (rightwards). Nothing when
/// none has a point.
pub(super) fn distribution(lines: &[Line<'_>]) -> String {
    let positive = || lines.iter().flat_map(|line| line.points).map(|(_, ms)| *ms).filter(|ms| *ms > 0.0);
    let low = positive().fold(f64::INFINITY, f64::min);
    let high = positive().fold(0.0, f64::max);
    if high <= 0.0 {
        return String::new();
    }
    // Whole powers of ten, at least one decade.
    let from = low.log10().floor();
    let to = high.log10().ceil().max(from + 1.0);
    let (width, height) = (PLOT.0 + 2.0 * MARGIN.0, PLOT.1 + 2.0 * MARGIN.1);
    let x = |share: f64| MARGIN.0 + share * PLOT.0;
    let y = |ms: f64| {
        let decades = (ms.max(1e-9).log10() - from).clamp(0.0, to - from);
        MARGIN.1 + PLOT.1 * (1.0 - decades / (to - from))
    };
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">");
    let mut decade = from;
    while decade <= to {
        let at = y(10f64.powf(decade));
        grid(&mut svg, (x(0.0), at), (x(1.0), at));
        text(&mut svg, (MARGIN.0 - 6.0, at + 4.0), "end", &format!("{} ms", 10f64.powf(decade)));
        decade += 1.0;
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        grid(&mut svg, (x(share), MARGIN.1), (x(share), MARGIN.1 + PLOT.1));
        text(&mut svg, (x(share), height - 6.0), "middle", &format!("{:.0} %", share * 100.0));
    }
    for Line { class, points } in lines {
        let points: Vec<String> =
            points.iter().map(|(share, ms)| format!("{:.1},{:.1}", x(*share), y(*ms))).collect();
        write!(svg, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "))
            .expect("writing to a string");
    }
    svg + "</svg>"
}

/// `text` with the characters that mean something in HTML replaced.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(words))
        .expect("writing to a string");
}

fn grid(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    write!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
        .expect("writing to a string");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_others_are_in_proportion() {
        let rows = [Bars { name: "a<b".into(), values: vec![("peer", 1.0), ("ours", 2.0)] }];
        let svg = bars(&rows, "us", 1);
        assert!(svg.contains("width=\"420.0\"") && svg.contains("width=\"210.0\""), "{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains("2.0 us"));
        assert!(!bars(&[], "us", 1).contains("rect"));
    }

    #[test]
    fn a_distribution_spans_whole_decades() {
        let svg = distribution(&[
            Line { class: "peer", points: &[(0.0, 0.2), (1.0, 20.0)] },
            Line { class: "ours", points: &[(0.0, 1.0), (1.0, 100.0)] },
        ]);
        assert!(svg.contains("0.1 ms") && svg.contains("100 ms") && !svg.contains("1000 ms"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(distribution(&[Line { class: "ours", points: &[(0.0, 0.0)] }]), "");
    }
}
