//! The samples as a picture: latencies above, memory and descriptors below.

use std::fmt::Write as _;

use super::sample::{Sample, median};

const WIDTH: f64 = 860.0;
/// Where panels begin and end.
const LEFT: f64 = 60.0;
const RIGHT: f64 = 800.0;
const PANEL: f64 = 170.0;
/// Where a legend begins in a panel, and how wide a name is.
const LEGEND: f64 = 310.0;
const NAME: f64 = 130.0;
/// More points than that are not seen.
const POINTS: usize = 370;

/// Colours that can be told from each other, and read on white and on black.
const STYLE: &str = "svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#1f2328}.minor{fill:#59636e}\
.grid{stroke:#d1d9e0;stroke-width:1}.line{fill:none;stroke-width:1.5;stroke-linejoin:round}\
.a{stroke:#0969da}.b{stroke:#bc4c00}.c{stroke:#8250df}rect.a,rect.b,rect.c{stroke:none}\
rect.a{fill:#0969da}rect.b{fill:#bc4c00}rect.c{fill:#8250df}\
@media (prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#f0f6fc}.minor{fill:#9198a1}\
.grid{stroke:#3d444d}.a{stroke:#4493f8}.b{stroke:#f0883e}.c{stroke:#ab7df8}\
rect.a{fill:#4493f8}rect.b{fill:#f0883e}rect.c{fill:#ab7df8}}";

/// A line of a panel.
struct Line {
    name: &'static str,
    class: char,
    values: Vec<f64>,
}

/// How values become heights.
#[derive(Clone, Copy)]
enum Scale {
    /// From 0 to this.
    Linear(f64),
    /// From one power of ten to another one.
    Log(i32, i32),
}

/// The picture.
pub(super) fn svg(samples: &[Sample]) -> String {
    let pieces: Vec<_> = samples
        .chunks(samples.len().div_ceil(POINTS).max(1))
        .collect();
    let of = |value: fn(&Sample) -> f64| -> Vec<f64> {
        let piece = |piece: &&[Sample]| median(piece.iter().map(value));
        pieces.iter().map(piece).collect()
    };
    let highest = |piece: &&[Sample]| {
        let highest = piece.iter().map(|sample| sample.latencies[2]);
        highest.fold(0.0, f64::max)
    };
    let latencies = [
        line("max", 'c', pieces.iter().map(highest).collect()),
        line("p99", 'b', of(|sample| sample.latencies[1])),
        line("p50", 'a', of(|sample| sample.latencies[0])),
    ];
    let memory = [
        line("resident MiB", 'a', of(|sample| sample.memory.resident)),
        line("anonymous MiB", 'b', of(|sample| sample.memory.anonymous)),
    ];
    // Exact up to 2⁵².
    #[allow(clippy::cast_precision_loss)]
    let descriptors = [line(
        "descriptors",
        'c',
        of(|sample| sample.descriptors as f64),
    )];
    let seconds = samples.last().map_or(0, |sample| sample.second + 1);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 485\" role=\"img\" aria-label=\"Latencies, memory and descriptors over time\"><style>{STYLE}</style>\n"
    );
    title(&mut svg, 24.0, "Latency in ms (logarithmic)", &latencies);
    let scale = log_scale(&latencies);
    panel(&mut svg, 44.0, scale, seconds);
    axis(&mut svg, 44.0, scale, LEFT - 8.0, "end");
    lines(&mut svg, 44.0, scale, &latencies);
    title(
        &mut svg,
        264.0,
        "Memory (left) and descriptors (right)",
        &memory,
    );
    legend(&mut svg, 264.0, LEFT + LEGEND + 2.0 * NAME, &descriptors);
    let (left, right) = (linear_scale(&memory), linear_scale(&descriptors));
    panel(&mut svg, 284.0, left, seconds);
    axis(&mut svg, 284.0, left, LEFT - 8.0, "end");
    axis(&mut svg, 284.0, right, RIGHT + 8.0, "start");
    lines(&mut svg, 284.0, left, &memory);
    lines(&mut svg, 284.0, right, &descriptors);
    svg.push_str("</svg>\n");
    svg
}

fn line(name: &'static str, class: char, values: Vec<f64>) -> Line {
    Line {
        name,
        class,
        values,
    }
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.values.iter().copied())
}

fn linear_scale(lines: &[Line]) -> Scale {
    let highest = values(lines).fold(0.0, f64::max).max(1.0);
    // Four steps of a round number.
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter();
    let power = 10_f64.powf((highest / 4.0).log10().floor());
    let mut steps = step.map(|step| step * power * 4.0);
    Scale::Linear(steps.find(|top| *top >= highest).unwrap_or(highest))
}

fn log_scale(lines: &[Line]) -> Scale {
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for value in values(lines).filter(|value| *value > 0.0) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return Scale::Log(-1, 1);
    }
    // Of milliseconds, so they are small.
    #[allow(clippy::cast_possible_truncation)]
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    Scale::Log(from, to.max(from + 1))
}

impl Scale {
    /// How high a value is, from 0 to 1.
    fn part(self, value: f64) -> f64 {
        let part = match self {
            Self::Linear(top) => value / top,
            Self::Log(from, to) => {
                (value.max(f64::MIN_POSITIVE).log10() - f64::from(from)) / f64::from(to - from)
            }
        };
        part.clamp(0.0, 1.0)
    }

    /// The values that are written beside it.
    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(top) => (0..=4).map(|step| top / 4.0 * f64::from(step)).collect(),
            Self::Log(from, to) => (from..=to).map(|power| 10_f64.powi(power)).collect(),
        }
    }
}

fn height(top: f64, part: f64) -> f64 {
    top + PANEL * (1.0 - part)
}

fn title(svg: &mut String, y: f64, text: &str, lines: &[Line]) {
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\" font-weight=\"600\">{text}</text>"
    );
    legend(svg, y, LEFT + LEGEND, lines);
}

fn legend(svg: &mut String, y: f64, mut x: f64, lines: &[Line]) {
    for Line { name, class, .. } in lines {
        let (square, text) = (y - 9.0, x + 15.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{square}\" width=\"10\" height=\"10\"/><text x=\"{text}\" y=\"{y}\">{name}</text>"
        );
        x += NAME;
    }
}

/// The grid, and the time below it.
fn panel(svg: &mut String, top: f64, scale: Scale, seconds: u64) {
    for tick in scale.ticks() {
        let y = height(top, scale.part(tick));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
        );
    }
    let below = top + PANEL + 18.0;
    for part in 0..=6_u32 {
        let x = LEFT + (RIGHT - LEFT) * f64::from(part) / 6.0;
        let second = seconds * u64::from(part) / 6;
        let (minutes, rest) = (second / 60, second % 60);
        let _ = writeln!(
            svg,
            "<text class=\"minor\" x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{minutes}:{rest:02}</text>"
        );
    }
}

fn axis(svg: &mut String, top: f64, scale: Scale, x: f64, anchor: &str) {
    for tick in scale.ticks() {
        let y = height(top, scale.part(tick)) + 4.0;
        let _ = writeln!(
            svg,
            "<text class=\"minor\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{tick}</text>"
        );
    }
}

fn lines(svg: &mut String, top: f64, scale: Scale, lines: &[Line]) {
    for line in lines {
        let steps = u32::try_from(line.values.len().saturating_sub(1).max(1)).unwrap_or(u32::MAX);
        let _ = write!(svg, "<polyline class=\"line {}\" points=\"", line.class);
        for (step, value) in (0_u32..).zip(&line.values) {
            let x = LEFT + (RIGHT - LEFT) * f64::from(step) / f64::from(steps);
            let y = height(top, scale.part(*value));
            let _ = write!(svg, "{x:.1},{y:.1} ");
        }
        svg.push_str("\"/>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample::test, *};

    #[test]
    fn higher_values_are_higher() {
        let scale = Scale::Log(-1, 2);
        assert_eq!([0.1, 100.0].map(|value| scale.part(value)), [0.0, 1.0]);
        assert!(scale.part(10.0) > scale.part(1.0));
        assert_eq!(Scale::Linear(20.0).part(5.0), 0.25);
    }

    #[test]
    fn scales_hold_all_values() {
        let of = |values: &[f64]| [line("", 'a', values.to_vec())];
        let Scale::Linear(top) = linear_scale(&of(&[13.0])) else {
            panic!("a linear scale");
        };
        assert_eq!(top, 20.0);
        let Scale::Log(from, to) = log_scale(&of(&[0.15, 42.0])) else {
            panic!("a logarithmic scale");
        };
        assert_eq!((from, to), (-1, 2));
    }

    #[test]
    fn a_long_run_is_drawn_with_few_points() {
        let samples: Vec<_> = (0..1800).map(|second| test(second, 12.0, 150)).collect();
        let svg = svg(&samples);
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
        assert!(svg.contains("30:00") && svg.len() < 50_000, "{}", svg.len());
    }
}
