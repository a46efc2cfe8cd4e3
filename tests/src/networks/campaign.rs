//! Many networks, one after the other, and what came of them.

use super::check::{Outcome, check};
use super::{Network, network, shortened};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Threads of a campaign.
const THREADS: u64 = 2;

/// The networks of consecutive seeds.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub first_seed: u64,
    /// How many.
    pub count: u64,
}

/// A network that is not right.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What makes the network.
    pub seed: u64,
    /// The steps of the shortest beginning that fails.
    pub steps: Vec<&'static str>,
    /// What is wrong with it.
    pub reason: String,
}

/// What came of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Networks that are right.
    pub networks: usize,
    /// Of these, compared with the independent reference.
    pub with_reference: usize,
    /// Why the reference could not tell, and how often.
    pub no_reference: BTreeMap<String, usize>,
    /// Why 8 bits were refused, and how often.
    pub refused: BTreeMap<String, usize>,
    /// How often each operator of the graph came up.
    pub operators: BTreeMap<&'static str, usize>,
    /// Signal to noise of each 8-bit run in decibels.
    pub decibels: Vec<f64>,
    /// The largest error of one op, as a share of its bound.
    pub worst_op: f64,
    /// The largest error of a whole output, as a share of its bound.
    pub worst_whole: f64,
    /// Networks that are not right.
    pub failures: Vec<Failure>,
}

impl Campaign {
    /// Checks all networks and tells `progress` how many are done.
    pub fn run(self, progress: impl Fn(u64) + Sync) -> Totals {
        let (next, totals) = (AtomicU64::new(0), Mutex::new(Totals::default()));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= self.count {
                            return;
                        }
                        let network = network(self.first_seed.wrapping_add(index));
                        let result = attempt(&network).map_err(|reason| shortest(&network, reason));
                        let mut totals = totals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        totals.add(result);
                        progress(index + 1);
                    }
                });
            }
        });
        totals.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Checks all networks, prints what came of them, and panics if one is not right.
    ///
    /// # Panics
    /// With every network that is not right.
    pub fn run_to_the_end(self) -> Totals {
        let totals = self.run(|_| {});
        println!("{totals}");
        assert!(totals.failures.is_empty(), "{} networks are not right", totals.failures.len());
        totals
    }
}

/// Checks one network; a panic is a failure like any other.
fn attempt(network: &Network) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| check(network))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("without a message")))
    })
}

/// The shortest beginning of a network that fails too.
fn shortest(network: &Network, reason: String) -> Failure {
    let whole = network.steps.len();
    let shorter = (1..whole).map(|most| shortened(network.seed, most));
    let failing = shorter.filter_map(|shorter| attempt(&shorter).err().map(|reason| (shorter.steps, reason))).next();
    let (steps, reason) = failing.unwrap_or((network.steps.clone(), reason));
    Failure { seed: network.seed, steps, reason }
}

impl Totals {
    fn add(&mut self, result: Result<Outcome, Failure>) {
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(failure) => return self.failures.push(failure),
        };
        self.networks += 1;
        match outcome.no_reference {
            None => self.with_reference += 1,
            Some(reason) => *self.no_reference.entry(brief(&reason)).or_default() += 1,
        }
        for operator in outcome.operators {
            *self.operators.entry(operator).or_default() += 1;
        }
        for (_, measured) in outcome.int8 {
            match measured {
                Ok(measured) => {
                    self.worst_op = self.worst_op.max(measured.worst_op);
                    self.worst_whole = self.worst_whole.max(measured.worst_whole);
                    if measured.decibels.is_finite() {
                        self.decibels.push(measured.decibels);
                    }
                }
                Err(reason) => *self.refused.entry(brief(&reason)).or_default() += 1,
            }
        }
    }

    /// The signal to noise that this share of all runs does not reach.
    fn decibels_at(&self, share: f64) -> f64 {
        let mut sorted = self.decibels.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
    }
}

/// The part of a reason that is the same for all networks of a kind.
fn brief(reason: &str) -> String {
    let words = reason.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    let text: String = words.collect::<Vec<_>>().join(" ");
    text.chars().take(110).collect()
}

impl std::fmt::Display for Totals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for failure in &self.failures {
            let steps = failure.steps.join(", ");
            writeln!(formatter, "seed {}: {steps}\n  {}\n", failure.seed, failure.reason.replace('\n', "\n  "))?;
        }
        let without: usize = self.no_reference.values().sum();
        writeln!(
            formatter,
            "{} networks are right, {} are not; {} were compared with tract, {without} could not be",
            self.networks,
            self.failures.len(),
            self.with_reference,
        )?;
        for (reason, count) in &self.no_reference {
            writeln!(formatter, "  {count}: {reason}")?;
        }
        for (reason, count) in &self.refused {
            writeln!(formatter, "  {count} times refused in 8 bits: {reason}")?;
        }
        let operators: Vec<String> = self.operators.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(formatter, "operators after the passes: {}", operators.join(", "))?;
        write!(
            formatter,
            "8 bits: signal to noise {:.1} dB at the median, {:.1} dB at the worst hundredth, {:.1} dB at the least; an \
             op takes up to {:.0} % of its bound, a whole up to {:.0} %",
            self.decibels_at(0.5),
            self.decibels_at(0.01),
            self.decibels_at(0.0),
            self.worst_op * 100.0,
            self.worst_whole * 100.0
        )
    }
}
