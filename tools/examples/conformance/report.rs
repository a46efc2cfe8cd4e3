//! Counts per operator and in total.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cases::{Case, Verdict};

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    refused: usize,
    failed: usize,
}

impl Counts {
    fn json(self) -> Value {
        json!({ "passed": self.passed, "refused": self.refused, "failed": self.failed })
    }
}

/// What came of all cases.
pub struct Report {
    engine: &'static str,
    total: Counts,
    operators: BTreeMap<String, Counts>,
    refusals: BTreeMap<String, Vec<(String, String)>>,
    failures: Vec<(String, String)>,
}

impl Report {
    /// Nothing yet.
    pub fn new(engine: &'static str) -> Self {
        Self {
            engine,
            total: Counts::default(),
            operators: BTreeMap::new(),
            refusals: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Counts a case.
    pub fn add(&mut self, case: &Case, verdict: Verdict) {
        let counts = [self.operators.entry(case.operator.clone()).or_default(), &mut self.total];
        for counts in counts {
            match verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Refused(_) => counts.refused += 1,
                Verdict::Failed(_) => counts.failed += 1,
            }
        }
        match verdict {
            Verdict::Passed => {}
            Verdict::Refused(reason) => {
                self.refusals.entry(case.operator.clone()).or_default().push((case.name.clone(), reason));
            }
            Verdict::Failed(reason) => self.failures.push((case.name.clone(), reason)),
        }
    }

    /// The number of failed cases.
    pub fn failed(&self) -> usize {
        self.total.failed
    }

    /// Totals and counts per operator.
    pub fn json(&self) -> Value {
        let operators: serde_json::Map<String, Value> =
            self.operators.iter().map(|(name, counts)| (name.clone(), counts.json())).collect();
        let failures: Vec<Value> =
            self.failures.iter().map(|(name, reason)| json!({ "case": name, "reason": reason })).collect();
        json!({
            "engine": self.engine,
            "passed": self.total.passed,
            "refused": self.total.refused,
            "failed": self.total.failed,
            "failures": failures,
            "operators": operators,
        })
    }

    /// The same as a table, with the most common reason of refusals, or with all of them.
    pub fn text(&self, all_refusals: bool) -> String {
        let mut text = String::new();
        for (name, counts) in &self.operators {
            let Counts { passed, refused, failed } = counts;
            let _ = write!(text, "{name:28} {passed:4} passed {refused:4} refused {failed:4} FAILED");
            let refusals = self.refusals.get(name).map_or(&[][..], Vec::as_slice);
            if all_refusals {
                for (case, reason) in refusals {
                    let _ = write!(text, "\n    {case}: {}", first_line(reason));
                }
            } else if let Some(reason) = most_common(refusals) {
                let _ = write!(text, "  {}", first_line(reason));
            }
            text.push('\n');
        }
        for (name, reason) in &self.failures {
            let _ = writeln!(text, "FAILED {name}: {}", first_line(reason));
        }
        let Counts { passed, refused, failed } = self.total;
        let _ = writeln!(text, "engine {}: {passed} passed, {refused} refused, {failed} failed", self.engine);
        text
    }
}

fn most_common(refusals: &[(String, String)]) -> Option<&str> {
    let mut counts = BTreeMap::new();
    for (_, reason) in refusals {
        *counts.entry(reason.as_str()).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(reason, _)| reason)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
