//! How a run is told: a heading per step, a table at the end, and one last line of counts.

use std::fmt;
use std::io::{Write, stdout};
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything the step checks holds.
    Passed,
    /// Something does not hold, or could not be checked although setting up was asked for.
    Failed,
    /// Something the step needs is not on this machine.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

struct Line {
    step: String,
    verdict: Verdict,
    time: Duration,
    note: String,
}

/// Collects the verdicts of a run.
pub struct Report {
    start: Instant,
    lines: Vec<Line>,
}

impl Report {
    /// Starts the clock.
    pub fn new() -> Self {
        Self { start: Instant::now(), lines: Vec::new() }
    }

    /// Prints the heading of a step: seconds since the start, its name, what it does.
    pub fn heading(&self, step: &str, about: &str) {
        println!("\n== [{:6.1} s] {step}: {about}", self.start.elapsed().as_secs_f64());
        // The programs a step starts write to the same file without passing through our buffer.
        let _ = stdout().flush();
    }

    /// Records how a step ended; `note` is for the table, which shows its start, or empty.
    pub fn record(&mut self, step: &str, verdict: Verdict, time: Duration, note: String) {
        self.lines.push(Line { step: step.to_owned(), verdict, time, note });
    }

    /// Prints the table and the line of counts; true when nothing failed.
    pub fn finish(&self) -> bool {
        println!("\n{self}");
        self.count(Verdict::Failed) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.step.len()).max().unwrap_or(0).max("step".len());
        writeln!(out, "{:width$}  {:7}  {:>7}", "step", "result", "seconds")?;
        for Line { step, verdict, time, note } in &self.lines {
            let row = format!("{step:width$}  {verdict:7}  {:7.1}  {note:.100}", time.as_secs_f64());
            writeln!(out, "{}", row.trim_end())?;
        }
        writeln!(out, "{:width$}  {:7}  {:7.1}\n", "total", "", self.start.elapsed().as_secs_f64())?;
        write!(
            out,
            "{} passed, {} failed, {} skipped",
            self.count(Verdict::Passed),
            self.count(Verdict::Failed),
            self.count(Verdict::Skipped)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_counts_alone() {
        let mut report = Report::new();
        report.record("fmt", Verdict::Passed, Duration::from_millis(1250), String::new());
        report.record("mcu/cortex-m4f", Verdict::Skipped, Duration::ZERO, "no qemu-system-arm".to_owned());
        report.record("test", Verdict::Failed, Duration::from_secs(100), "exit 1".to_owned());
        let text = report.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "step            result   seconds");
        assert_eq!(lines[1], "fmt             passed       1.2");
        assert_eq!(lines[2], "mcu/cortex-m4f  skipped      0.0  no qemu-system-arm");
        assert_eq!(lines[3], "test            FAILED     100.0  exit 1");
        assert_eq!(lines.last(), Some(&"1 passed, 1 failed, 1 skipped"));
        assert_eq!(report.count(Verdict::Failed), 1);
    }
}
