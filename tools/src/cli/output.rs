//! Tables, numbers and progress.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Writes a line to standard output. A reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Writes a line to standard error.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
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
    } else if number.abs() < 1e-3 || number.abs() >= 1e5 {
        format!("{number:.1e}")
    } else {
        format!("{number:.4}")
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
    }
}
