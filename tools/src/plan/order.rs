//! Orders of execution: which one keeps the least in use at once.

use super::values::{Relation, Values};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

/// Sets of executed ops looked at before the source's order is kept.
const MOST_STATES: usize = 10_000;
/// Orders listed for the exact search.
const MOST_ORDERS: usize = 16;

/// A set of executed ops, one bit each.
type Executed = Vec<u64>;

/// What executing an op costs and asks for.
pub(super) struct Orders<'v> {
    values: &'v Values,
    /// For each op those that must come before.
    before: Vec<BTreeSet<usize>>,
}

impl<'v> Orders<'v> {
    pub fn of(values: &'v Values) -> Self {
        let producers = |op: &Vec<usize>| op.iter().filter_map(|&segment| values.segments[segment].producer).collect();
        let mut before: Vec<BTreeSet<usize>> = values.reads.iter().map(producers).collect();
        for &[first, second] in &values.ordered {
            before[second].insert(first);
        }
        Self { values, before }
    }

    fn is_ready(&self, executed: &Executed, op: usize) -> bool {
        !has(executed, op) && self.before[op].iter().all(|&other| has(executed, other))
    }

    /// Bytes in use while `op` runs after `executed`, sharing what can be shared.
    fn cost(&self, executed: &Executed, op: usize) -> usize {
        let needed_after = |segment: usize| {
            let segment = &self.values.segments[segment];
            segment.stays || segment.readers.iter().any(|&reader| reader != op && !has(executed, reader))
        };
        let live = |segment: usize| {
            let exists = self.values.segments[segment].producer.is_none_or(|producer| has(executed, producer));
            let untouched = self.values.segments[segment].readers.is_empty();
            exists && !untouched && (needed_after(segment) || self.values.segments[segment].readers.contains(&op))
        };
        let before: usize =
            (0..self.values.segments.len()).filter(|&s| live(s)).map(|segment| self.values.bytes(segment)).sum();
        let written: usize = self.values.writes[op].iter().map(|&segment| self.values.bytes(segment)).sum();
        let dies = |relation: &&Relation| {
            let mut inside = self.values.reads[op]
                .iter()
                .copied()
                .filter(|&segment| self.values.segments[segment].place.overlaps(&relation.input));
            !inside.any(needed_after)
        };
        let saving = self.values.relations[op].iter().filter(dies).map(Relation::saving).max().unwrap_or(0);
        (before + written).saturating_sub(saving)
    }

    /// The order whose fullest moment is least full, and how full that is; none if there are too many to look at. Of
    /// equals the one closest to the source's.
    pub fn best(&self) -> Option<(usize, Vec<usize>)> {
        let count = self.before.len();
        let start: Executed = vec![0; count.div_ceil(64)];
        // Least fullest moment first, then most executed, then the earliest ops.
        let mut open = BinaryHeap::from([(Reverse((0usize, count)), Reverse(Vec::<usize>::new()), start.clone())]);
        let mut least: HashMap<Executed, usize> = HashMap::from([(start, 0)]);
        while let Some((Reverse((fullest, left)), Reverse(order), executed)) = open.pop() {
            if left == 0 {
                return Some((fullest, order));
            }
            if least.get(&executed).is_some_and(|&known| known < fullest) {
                continue;
            }
            for op in (0..count).filter(|&op| self.is_ready(&executed, op)) {
                let after = fullest.max(self.cost(&executed, op));
                let mut next = executed.clone();
                next[op / 64] |= 1 << (op % 64);
                if least.get(&next).is_none_or(|&known| after < known) {
                    if least.len() >= MOST_STATES {
                        return None;
                    }
                    least.insert(next.clone(), after);
                    let mut longer = order.clone();
                    longer.push(op);
                    open.push((Reverse((after, left - 1)), Reverse(longer), next));
                }
            }
        }
        None
    }

    /// All orders whose fullest moment is less full than `limit`, and whether these are all.
    pub fn below(&self, limit: usize) -> (Vec<Vec<usize>>, bool) {
        let mut found = Vec::new();
        let mut steps = MOST_STATES;
        let mut executed: Executed = vec![0; self.before.len().div_ceil(64)];
        let complete = self.extend(&mut executed, &mut Vec::new(), limit, &mut steps, &mut found);
        (found, complete)
    }

    fn extend(
        &self,
        executed: &mut Executed,
        order: &mut Vec<usize>,
        limit: usize,
        steps: &mut usize,
        found: &mut Vec<Vec<usize>>,
    ) -> bool {
        if order.len() == self.before.len() {
            found.push(order.clone());
            return found.len() < MOST_ORDERS;
        }
        for op in (0..self.before.len()).filter(|&op| self.is_ready(executed, op)).collect::<Vec<_>>() {
            *steps = steps.saturating_sub(1);
            if *steps == 0 {
                return false;
            }
            if self.cost(executed, op) < limit {
                executed[op / 64] |= 1 << (op % 64);
                order.push(op);
                let complete = self.extend(executed, order, limit, steps, found);
                order.pop();
                executed[op / 64] &= !(1 << (op % 64));
                if !complete {
                    return false;
                }
            }
        }
        true
    }
}

fn has(executed: &Executed, op: usize) -> bool {
    executed[op / 64] >> (op % 64) & 1 == 1
}
