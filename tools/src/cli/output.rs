//! Tables, numbers and progress.

use crate::compare::LayerError;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

/// Characters a long name is cut down to.
const NAME_WIDTH: usize = 40;

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", visible(text)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            note(&format!("error: cannot write to standard output: {error}"));
            std::process::exit(1);
        }
    }
}

/// Writes a line to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(text));
}

/// Text without control characters: names come from files, and a terminal obeys what it is sent.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A name for a table: on one line, and without its middle where it is long.
pub(super) fn short(name: &str) -> String {
    let characters: Vec<char> = visible(name).replace('\n', " ").chars().collect();
    if characters.len() <= NAME_WIDTH {
        return characters.into_iter().collect();
    }
    let tail = (NAME_WIDTH - 1) / 2;
    let (start, end) = (&characters[..NAME_WIDTH - 1 - tail], &characters[characters.len() - tail..]);
    start.iter().chain(&['…']).chain(end).collect()
}

/// A number of things: "1 row", "2 rows".
pub(super) fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number as u64), if number == 1 { "" } else { "s" })
}

/// Prints a JSON document.
pub(super) fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}"));
}

/// A table without lines: a header, rows, and the columns from `numbers` on aligned to the right.
pub(super) fn table(header: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 2 } else { 1 }, 1));
        if numbers.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Text of a table without trailing blanks.
pub(super) fn print_table(table: &Table) {
    for line in table.lines() {
        print(line.trim_end());
    }
}

/// A whole number with thousands separators.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes.
pub(super) fn bytes(number: usize) -> String {
    format!("{} bytes", thousands(number as u64))
}

/// A share of 1 as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A small real number.
pub(super) fn real(number: f64) -> String {
    if number == 0.0 {
        "0".into()
    } else if !number.is_finite() {
        "not finite".into()
    } else if number.abs() < 1e-3 || number.abs() >= 1e5 {
        format!("{number:.1e}")
    } else {
        format!("{number:.4}")
    }
}

/// How far a layer's signal is above its error.
pub(super) fn signal_to_noise(layer: &LayerError) -> String {
    match layer.signal_to_noise_db {
        Some(db) => format!("{db:.1} dB"),
        None if layer.max == 0.0 => "equal".into(),
        None => "none".into(),
    }
}

/// A shape such as 1x8x8x16.
pub(super) fn shape(dimensions: &[u32]) -> String {
    if dimensions.is_empty() {
        return "scalar".into();
    }
    dimensions.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// Says on a terminal what is being done.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub fn new() -> Self {
        Self(std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        }))
    }

    pub fn step(&self, what: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(what.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(percent(0.98664), "98.66 %");
        assert_eq!(shape(&[1, 8, 8]), "1x8x8");
        assert_eq!(real(0.000_012), "1.2e-5");
        assert_eq!(real(f64::INFINITY), "not finite");
        assert_eq!((counted(1, "row"), counted(1000, "row")), ("1 row".into(), "1,000 rows".into()));
    }

    #[test]
    fn names_fit_a_table() {
        assert_eq!(short("stem.conv"), "stem.conv");
        let name = "model/activation/Relu;model/batch_normalization/FusedBatchNormV3;model/conv2d/Conv2D1";
        assert_eq!(short(name), "model/activation/Rel…odel/conv2d/Conv2D1");
        assert_eq!(short(&"ü".repeat(41)).chars().count(), NAME_WIDTH);
        assert_eq!(short("a\x1b[2J\nb"), "a\u{fffd}[2J b");
    }
}
