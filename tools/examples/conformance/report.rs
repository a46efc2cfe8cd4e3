//! Counts in total, per group and per operator.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::cases::{Case, Outcome, Verdict};

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    refused: usize,
    failed: usize,
}

impl Counts {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Refused(_) => self.refused += 1,
            Verdict::Failed(_) => self.failed += 1,
        }
    }

    fn json(self) -> Value {
        json!({ "passed": self.passed, "refused": self.refused, "failed": self.failed })
    }

    fn text(self) -> String {
        format!("{} passed, {} refused, {} failed", self.passed, self.refused, self.failed)
    }
}

/// A case that did not pass.
struct Reason {
    case: String,
    reason: String,
}

/// What came of all cases.
pub struct Report {
    engine: &'static str,
    total: Counts,
    check: Counts,
    groups: BTreeMap<String, Counts>,
    operators: BTreeMap<String, Counts>,
    refusals: BTreeMap<String, Vec<Reason>>,
    failures: Vec<Reason>,
}

impl Report {
    /// Nothing yet.
    pub fn new(engine: &'static str) -> Self {
        Self {
            engine,
            total: Counts::default(),
            check: Counts::default(),
            groups: BTreeMap::new(),
            operators: BTreeMap::new(),
            refusals: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Counts a case. One that the executor gets wrong has failed whatever the engine says.
    pub fn add(&mut self, case: &Case, outcome: Outcome) {
        let mut verdict = outcome.verdict;
        if let Some(check) = outcome.check {
            self.check.add(&check);
            if let (Verdict::Failed(reason), false) = (check, matches!(verdict, Verdict::Failed(_))) {
                verdict = Verdict::Failed(format!("executor: {reason}"));
            }
        }
        self.total.add(&verdict);
        self.groups.entry(case.kind.clone()).or_default().add(&verdict);
        self.operators.entry(case.operator.clone()).or_default().add(&verdict);
        let reason = |reason| Reason { case: case.name.clone(), reason };
        match verdict {
            Verdict::Passed => {}
            Verdict::Refused(why) => self.refusals.entry(case.operator.clone()).or_default().push(reason(why)),
            Verdict::Failed(why) => self.failures.push(reason(why)),
        }
    }

    /// The number of failed cases.
    pub fn failed(&self) -> usize {
        self.total.failed
    }

    /// Totals and counts per group and operator; per operator also each reason of refusals and how often it stood.
    pub fn json(&self) -> Value {
        let map = |counts: &BTreeMap<String, Counts>| {
            counts.iter().map(|(name, counts)| (name.clone(), counts.json())).collect::<Map<_, _>>()
        };
        let mut operators = map(&self.operators);
        for (operator, reasons) in &self.refusals {
            operators[operator]["reasons"] = json!(counted(reasons));
        }
        let failures: Vec<Value> =
            self.failures.iter().map(|failure| json!({ "case": failure.case, "reason": failure.reason })).collect();
        json!({
            "engine": self.engine,
            "passed": self.total.passed,
            "refused": self.total.refused,
            "failed": self.total.failed,
            "failures": failures,
            "groups": map(&self.groups),
            "executor": self.check.json(),
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
                for Reason { case, reason } in refusals {
                    let _ = write!(text, "\n    {case}: {}", first_line(reason));
                }
            } else if let Some((reason, _)) = counted(refusals).into_iter().max_by_key(|&(_, count)| count) {
                let _ = write!(text, "  {}", first_line(reason));
            }
            text.push('\n');
        }
        for Reason { case, reason } in &self.failures {
            let _ = writeln!(text, "FAILED {case}: {}", first_line(reason));
        }
        for (name, counts) in &self.groups {
            let _ = writeln!(text, "{name}: {}", counts.text());
        }
        let _ = writeln!(text, "{}: {}", self.engine, self.total.text());
        if self.check.passed + self.check.refused + self.check.failed > 0 {
            let _ = writeln!(text, "checked with the executor: {}", self.check.text());
        }
        text
    }
}

fn counted(reasons: &[Reason]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for Reason { reason, .. } in reasons {
        *counts.entry(reason.as_str()).or_insert(0) += 1;
    }
    counts
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
