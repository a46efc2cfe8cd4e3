//! Measured rows: as a table, as JSON, against the committed baseline and against budgets.

use std::fmt::Write as _;
use std::path::Path;
use std::{fmt, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// How a model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Compiled into the program.
    Static,
    /// A file, through a session.
    Dynamic,
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        })
    }
}

/// What one model takes on one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The model.
    pub model: String,
    /// The board's name.
    pub target: String,
    /// How it runs.
    pub mode: Mode,
    /// Per run, the mean over all golden inputs.
    pub instructions: u64,
    /// Memory of the model.
    pub arena_bytes: u64,
    /// Arena, statics and stack.
    pub ram_bytes: u64,
    /// The deepest stack, without the arena that lies on it.
    pub stack_bytes: u64,
    /// `.text`, `.rodata` and `.data` without the artifact.
    pub flash_bytes: u64,
    /// The whole image.
    pub flash_total_bytes: u64,
    /// Of the artifact in the image: all of it in a session, its constants in a compiled model.
    pub artifact_bytes: u64,
}

/// The columns of numbers.
const COLUMNS: [&str; 7] =
    ["instructions", "arena_bytes", "ram_bytes", "stack_bytes", "flash_bytes", "flash_total_bytes", "artifact_bytes"];

/// What rows are compared with.
pub const BASELINE: &str = "embedded/firmware/baseline.json";

/// How much more than the baseline is let through, as a fraction.
const GATE: f64 = 0.03;

/// What a compiled model on a Cortex-M4F may take.
const BUDGETS: [(&str, &str, u64); 6] = [
    ("kws", "arena_bytes", 9_500),
    ("kws", "ram_bytes", 11_000),
    ("kws", "flash_bytes", 16_000),
    ("kws", "flash_total_bytes", 44_000),
    ("ic", "arena_bytes", 36_000),
    ("ic", "ram_bytes", 38_000),
];

impl Row {
    fn numbers(&self) -> [u64; 7] {
        let Self { instructions, arena_bytes, ram_bytes, stack_bytes, .. } = *self;
        [
            instructions,
            arena_bytes,
            ram_bytes,
            stack_bytes,
            self.flash_bytes,
            self.flash_total_bytes,
            self.artifact_bytes,
        ]
    }

    fn number(&self, column: &str) -> u64 {
        COLUMNS.iter().zip(self.numbers()).find(|(name, _)| **name == column).map_or(0, |(_, number)| number)
    }

    fn is_for(&self, other: &Self) -> bool {
        (&self.model, &self.target, self.mode) == (&other.model, &other.target, other.mode)
    }

    fn json(&self) -> Value {
        let mut value = json!({ "model": self.model, "target": self.target, "mode": self.mode.to_string() });
        for (name, number) in COLUMNS.iter().zip(self.numbers()) {
            value[*name] = number.into();
        }
        value
    }

    fn from_json(value: &Value) -> Result<Self> {
        let text = |key: &str| {
            value[key].as_str().map(str::to_owned).with_context(|| format!("a row of {BASELINE} has no {key}"))
        };
        let number =
            |key: &str| value[key].as_u64().with_context(|| format!("a row of {BASELINE} has no number {key}"));
        Ok(Self {
            model: text("model")?,
            target: text("target")?,
            mode: if text("mode")? == "static" { Mode::Static } else { Mode::Dynamic },
            instructions: number("instructions")?,
            arena_bytes: number("arena_bytes")?,
            ram_bytes: number("ram_bytes")?,
            stack_bytes: number("stack_bytes")?,
            flash_bytes: number("flash_bytes")?,
            flash_total_bytes: number("flash_total_bytes")?,
            artifact_bytes: number("artifact_bytes")?,
        })
    }
}

/// The rows as an array, one on a line.
pub fn to_json(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| format!("  {}", row.json())).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// The committed rows.
pub fn baseline(root: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(root.join(BASELINE)).with_context(|| format!("reading {BASELINE}"))?;
    let rows: Value = serde_json::from_str(&text)?;
    rows.as_array().with_context(|| format!("{BASELINE} is no array"))?.iter().map(Row::from_json).collect()
}

/// The rows as a table in Markdown.
pub fn to_markdown(rows: &[Row]) -> String {
    let mut table = String::from(
        "| model | target | mode | instructions | arena | RAM | stack | flash, artifact aside | flash | artifact |\n\
         |---|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let _ = write!(table, "| {} | {} | {} |", row.model, row.target, row.mode);
        for number in row.numbers() {
            let _ = write!(table, " {} |", thousands(number));
        }
        table.push('\n');
    }
    table
}

/// Puts the table where the README has one of the same columns.
pub fn into_readme(path: &Path, rows: &[Row]) -> Result<()> {
    let (text, table) = (fs::read_to_string(path)?, to_markdown(rows));
    let head = table.lines().next().unwrap_or_default();
    let (before, rest) = text.split_once(head).context("README.md has no table of measured rows")?;
    let old: usize = rest.split_inclusive('\n').skip(1).take_while(|line| line.starts_with('|')).map(str::len).sum();
    let first = rest.split_inclusive('\n').next().map_or(0, str::len);
    let after = rest.get(first + old..).unwrap_or_default();
    fs::write(path, format!("{before}{table}{after}"))?;
    Ok(())
}

/// A number with commas between groups of three digits.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Fails where a row takes more than the baseline lets through, or has none; tells where one takes much less.
pub fn compare(rows: &[Row], baseline: &[Row]) -> Result<()> {
    let mut worse = Vec::new();
    for row in rows {
        let name = format!("{} {} {}", row.model, row.target, row.mode);
        let Some(old) = baseline.iter().find(|old| old.is_for(row)) else {
            worse.push(format!("{name} is not in the baseline"));
            continue;
        };
        for ((column, new), old) in COLUMNS.iter().zip(row.numbers()).zip(old.numbers()) {
            if new as f64 > old as f64 * (1.0 + GATE) {
                worse.push(format!("{name}: {column} {new}, where the baseline has {old}"));
            } else if (new as f64) < old as f64 * (1.0 - GATE) {
                eprintln!("better: {name}: {column} {new}, where the baseline has {old}");
            }
        }
    }
    ensure!(
        worse.is_empty(),
        "more than {BASELINE} lets through; `cargo xtask mcu --bless` renews it where that is meant:\n  {}",
        worse.join("\n  ")
    );
    Ok(())
}

/// Fails where a row is over a budget.
pub fn check_budgets(rows: &[Row]) -> Result<()> {
    for row in rows.iter().filter(|row| row.target == "cortex-m4f" && row.mode == Mode::Static) {
        for (_, column, limit) in BUDGETS.iter().filter(|(model, _, _)| *model == row.model) {
            let number = row.number(column);
            ensure!(number <= *limit, "{} on {}: {column} {number}, over the budget of {limit}", row.model, row.target);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(instructions: u64, ram_bytes: u64) -> Row {
        Row {
            model: "kws".into(),
            target: "cortex-m4f".into(),
            mode: Mode::Static,
            instructions,
            arena_bytes: 8_640,
            ram_bytes,
            stack_bytes: 1_000,
            flash_bytes: 15_000,
            flash_total_bytes: 42_264,
            artifact_bytes: 27_264,
        }
    }

    #[test]
    fn rows_are_held_to_the_baseline_and_the_budgets() {
        let old = [row(1_000_000, 10_000)];
        assert!(compare(&[row(1_029_999, 10_000)], &old).is_ok());
        assert!(compare(&[row(500_000, 10_000)], &old).is_ok());
        let error = compare(&[row(1_031_000, 10_000)], &old).unwrap_err().to_string();
        assert!(error.contains("instructions 1031000, where the baseline has 1000000"), "{error}");
        assert!(compare(&[Row { mode: Mode::Dynamic, ..row(1, 1) }], &old).is_err());
        assert!(check_budgets(&[row(1, 11_000)]).is_ok());
        assert!(check_budgets(&[row(1, 11_001)]).is_err());
        assert!(check_budgets(&[Row { mode: Mode::Dynamic, ..row(1, 99_999) }]).is_ok());
    }

    #[test]
    fn rows_come_back_from_json() {
        let rows = [row(13_000_000, 10_796), Row { mode: Mode::Dynamic, ..row(1, 2) }];
        let json: Value = serde_json::from_str(&to_json(&rows)).unwrap();
        let read: Vec<Row> = json.as_array().unwrap().iter().map(|row| Row::from_json(row).unwrap()).collect();
        assert_eq!(read, rows);
        assert!(to_markdown(&rows).contains("| kws | cortex-m4f | static | 13,000,000 | 8,640 | 10,796 |"));
    }

    /// The table in the README is what the command prints of the committed rows.
    #[test]
    fn the_readme_shows_the_baseline() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let rows = baseline(&root).unwrap();
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        assert!(readme.contains(&to_markdown(&rows)), "run `cargo xtask mcu --bless`");
    }
}
