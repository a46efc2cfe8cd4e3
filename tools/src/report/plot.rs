//! Plots as inline SVG, drawn for a page 360 units wide so that their text can be read on a phone.

use maud::{Markup, html};

/// Units across.
pub const WIDTH: f64 = 360.0;
const TEXT: f64 = 10.0;
const ROW: f64 = 18.0;

/// A range of numbers along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Numbers `from..=to` at `start..=end`; a range without extent is widened.
    #[must_use]
    pub fn new(from: f64, to: f64, start: f64, end: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, start, end }
    }

    /// Where a number lies.
    #[must_use]
    pub fn at(&self, number: f64) -> f64 {
        self.start + (number - self.from) / (self.to - self.from) * (self.end - self.start)
    }

    /// Round numbers in the range, about `count`.
    #[must_use]
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        let rough = (self.to - self.from) / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough).unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        (first..=last).map(|tick| tick as f64 * step).collect()
    }
}

/// A figure: a plot with its title, and what a reader who does not see it is told.
#[must_use]
pub fn figure(id: &str, title: &str, plot: &Markup) -> Markup {
    html! { figure id=(id) { figcaption { (title) } (plot) } }
}

/// The drawing of a plot.
#[must_use]
pub fn svg(height: f64, label: &str, content: &Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(label) xmlns="http://www.w3.org/2000/svg" { (content) }
    }
}

/// A number as coordinates are written.
#[must_use]
pub fn n(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Text at a place; `anchor` is start, middle or end.
#[must_use]
pub fn text(x: f64, y: f64, anchor: &str, content: &str) -> Markup {
    html! { text x=(n(x)) y=(n(y)) text-anchor=(anchor) { (content) } }
}

/// A line from one point to another.
#[must_use]
pub fn line(class: &str, [x1, y1, x2, y2]: [f64; 4]) -> Markup {
    html! { line class=(class) x1=(n(x1)) y1=(n(y1)) x2=(n(x2)) y2=(n(y2)) {} }
}

/// A rectangle by its upper left corner; `title` is shown where the pointer rests on it.
#[must_use]
pub fn rect(class: &str, [x, y, width, height]: [f64; 4], title: &str) -> Markup {
    html! {
        rect class=(class) x=(n(x)) y=(n(y)) width=(n(width.max(0.3))) height=(n(height.max(0.3))) { title { (title) } }
    }
}

/// A tick of an axis that counts: nothing between whole numbers.
#[must_use]
pub fn whole(tick: f64) -> String {
    if tick.fract() == 0.0 { tick.to_string() } else { String::new() }
}

/// Axes with ticks, numbers and names.
pub fn axes(x: &Scale, y: &Scale, names: [&str; 2], label: impl Fn(usize, f64) -> String) -> Markup {
    let (left, right, bottom, top) = (x.start, x.end, y.start, y.end);
    html! {
        @for tick in y.ticks(4) {
            (line("grid", [left, y.at(tick), right, y.at(tick)]))
            (text(left - 4.0, y.at(tick) + 3.5, "end", &label(1, tick)))
        }
        @for tick in x.ticks(4) {
            (line("grid", [x.at(tick), bottom, x.at(tick), bottom + 3.0]))
            (text(x.at(tick), bottom + 14.0, "middle", &label(0, tick)))
        }
        (line("axis", [left, bottom, right, bottom]))
        (line("axis", [left, bottom, left, top]))
        (text(f64::midpoint(left, right), bottom + 28.0, "middle", names[0]))
        (text(left - 34.0, top - 6.0, "start", names[1]))
    }
}

/// One bar of a list.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is.
    pub name: String,
    /// How long it is.
    pub value: f64,
    /// The number as text.
    pub shown: String,
    /// A second, thinner mark.
    pub mark: Option<f64>,
    /// A range around the end.
    pub range: Option<[f64; 2]>,
}

/// Horizontal bars, one below the other, from `from` on.
#[must_use]
pub fn bars(label: &str, from: f64, bars: &[Bar]) -> Markup {
    let most = bars
        .iter()
        .flat_map(|bar| [Some(bar.value), bar.mark, bar.range.map(|range| range[1])])
        .flatten()
        .fold(from, f64::max);
    let x = Scale::new(from, most, 128.0, WIDTH - 64.0);
    let height = ROW * bars.len().max(1) as f64 + 4.0;
    let content = html! {
        @for (index, bar) in bars.iter().enumerate() {
            @let top = ROW * index as f64 + 2.0;
            (text(122.0, top + 12.5, "end", &shortened(&bar.name, 18)))
            (rect("bar", [x.start, top + 2.0, x.at(bar.value.max(from)) - x.start, ROW - 6.0], &format!("{}: {}", bar.name, bar.shown)))
            @if let Some([low, high]) = bar.range {
                (line("range", [x.at(low.max(from)), top + ROW / 2.0 - 1.0, x.at(high.max(from)), top + ROW / 2.0 - 1.0]))
            }
            @if let Some(mark) = bar.mark {
                (line("mark", [x.at(mark.max(from)), top, x.at(mark.max(from)), top + ROW - 2.0]))
            }
            (text(WIDTH - 2.0, top + 12.5, "end", &bar.shown))
        }
    };
    svg(height, label, &content)
}

/// A name cut in its middle.
#[must_use]
pub fn shortened(name: &str, most: usize) -> String {
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= most {
        return name.to_owned();
    }
    let head: String = characters[..most / 2].iter().collect();
    let tail: String = characters[characters.len() - (most - most / 2 - 1)..].iter().collect();
    format!("{head}…{tail}")
}

/// Counts as upright bars over their range; `kept` marks what integers hold.
#[must_use]
pub fn histogram(label: &str, counts: &[u64], range: [f64; 2], kept: Option<[f64; 2]>) -> Markup {
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let x = Scale::new(range[0], range[1], 6.0, WIDTH - 6.0);
    // Roots, so that rare values can be seen.
    let y = Scale::new(0.0, most.sqrt(), 84.0, 6.0);
    let step = (WIDTH - 12.0) / counts.len().max(1) as f64;
    let content = html! {
        @if let Some([low, high]) = kept {
            @let (low, high) = (x.at(low.max(range[0])), x.at(high.min(range[1])));
            (rect("kept", [low, 4.0, high - low, 80.0], "what integers hold"))
        }
        @for (index, &count) in counts.iter().enumerate() {
            @if count > 0 {
                @let top = y.at((count as f64).sqrt());
                (rect("bar", [6.0 + step * index as f64, top, step * 0.9, 84.0 - top], &count.to_string()))
            }
        }
        (line("axis", [6.0, 84.0, WIDTH - 6.0, 84.0]))
        (text(6.0, 96.0, "start", &number(range[0])))
        (text(WIDTH - 6.0, 96.0, "end", &number(range[1])))
    };
    svg(98.0 + TEXT / 2.0, label, &content)
}

/// A number with three digits that matter.
#[must_use]
pub fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    if x.abs() >= 1e5 || x.abs() < 1e-3 {
        return format!("{x:.1e}");
    }
    let digits = (2 - x.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{x:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Scale::new(0.0, 0.97, 0.0, 100.0);
        assert_eq!(scale.ticks(4), [0.0, 0.5]);
        assert_eq!(Scale::new(4300.0, 15_590.0, 0.0, 1.0).ticks(4), [5000.0, 10_000.0, 15_000.0]);
        assert_eq!(Scale::new(2.0, 2.0, 0.0, 1.0).at(2.0), 0.0);
    }

    #[test]
    fn numbers_and_names_are_short() {
        assert_eq!((number(0.0), number(1234.5), number(-0.01234)), ("0".into(), "1234".into(), "-0.0123".into()));
        assert_eq!(shortened("block.depthwise.relu.out", 11), "block…u.out");
        assert_eq!((n(3.0), n(3.26)), ("3".into(), "3.3".into()));
    }
}
