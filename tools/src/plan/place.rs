//! Placement of bodies: in many orders each at the lowest offset that fits, and for few bodies an exact search.

use super::TENSOR_ALIGNMENT;
use super::memory::Memory;

/// Random orders tried after the fixed ones.
const RANDOM_ORDERS: usize = 2000;
/// Bodies up to which the exact search runs.
const MOST_BODIES: usize = 16;
/// Partial placements the exact search looks at.
const MOST_STEPS: usize = 5_000;

/// Offsets of all bodies.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    pub offsets: Vec<usize>,
    pub extent: usize,
    /// Whether no placement of this order of execution ends lower.
    pub is_least: bool,
}

/// The best placement found; deterministic.
pub(super) fn place(memory: &Memory) -> Placement {
    let mut best = in_many_orders(memory);
    best.is_least = best.extent <= memory.lower_bound;
    if !best.is_least && memory.bodies.len() <= MOST_BODIES {
        exact(memory, &mut best);
    }
    best
}

fn in_many_orders(memory: &Memory) -> Placement {
    let bodies = &memory.bodies;
    let everything: Vec<usize> = (0..bodies.len()).collect();
    let sorted = |key: &dyn Fn(usize) -> (usize, usize)| {
        let mut order = everything.clone();
        order.sort_by_key(|&body| std::cmp::Reverse(key(body)));
        order
    };
    let span = |body: usize| memory.spans[body].1.saturating_sub(memory.spans[body].0) + 1;
    let starts = [
        everything.clone(),
        everything.iter().rev().copied().collect(),
        sorted(&|body| (bodies[body], span(body))),
        sorted(&|body| (span(body), bodies[body])),
        sorted(&|body| (bodies[body] * span(body), 0)),
    ];
    let placed = |order: Vec<usize>| {
        let offsets = place_in_order(memory, &order);
        (memory.extent(&offsets), order, offsets)
    };
    let [first, others @ ..] = starts;
    let mut best = placed(first);
    let improve = |best: &mut (usize, Vec<usize>, Vec<usize>), order: Vec<usize>| {
        let other = placed(order);
        if other.0 < best.0 {
            *best = other;
        }
    };
    others.into_iter().for_each(|order| improve(&mut best, order));
    // Variations of the best order: swap a few positions, keep what is better.
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound.max(1) as u64) as usize
    };
    for _ in 0..RANDOM_ORDERS {
        if bodies.len() < 3 || best.0 <= memory.lower_bound {
            break;
        }
        let mut order = best.1.clone();
        for _ in 0..1 + next(3) {
            let (a, b) = (next(order.len()), next(order.len()));
            order.swap(a, b);
        }
        improve(&mut best, order);
    }
    Placement { offsets: best.2, extent: best.0, is_least: false }
}

/// Places the bodies one after the other, each at the lowest offset that suits all that are placed already.
fn place_in_order(memory: &Memory, order: &[usize]) -> Vec<usize> {
    let mut offsets: Vec<Option<usize>> = vec![None; memory.bodies.len()];
    for &body in order {
        offsets[body] = Some(lowest(memory, body, &offsets, 0));
    }
    offsets.into_iter().map(Option::unwrap_or_default).collect()
}

/// The lowest offset from `floor` on that suits the bodies placed already.
fn lowest(memory: &Memory, body: usize, offsets: &[Option<usize>], floor: usize) -> usize {
    let mut candidates = vec![floor];
    for forbidden in &memory.forbidden[body] {
        let Some(other) = offsets[forbidden.other] else { continue };
        for distance in [Some(forbidden.to), forbidden.hole].into_iter().flatten() {
            let candidate = usize::try_from(other as i64 + distance).unwrap_or(0);
            candidates.push(candidate.next_multiple_of(TENSOR_ALIGNMENT).max(floor));
        }
    }
    candidates.sort_unstable();
    let fits = |candidate: &usize| memory.allows(body, *candidate, |other| offsets[other]);
    // Behind everything always fits, and that is one of them.
    candidates.into_iter().find(fits).unwrap_or(floor)
}

/// Branch and bound. In some best placement, taken from the lowest body up, each stands at the lowest offset that suits
/// those below it: bodies below can move down without harm, as every allowed distance to a body above may grow. So it
/// is enough to try which body comes next. (Distances allowed only at one value, and bodies of several tensors, do not
/// grow so freely: there the search may miss a best placement, and its result is not called the least.)
fn exact(memory: &Memory, best: &mut Placement) {
    let mut steps = MOST_STEPS;
    let mut offsets = vec![None; memory.bodies.len()];
    descend(memory, &mut offsets, 0, best, &mut steps);
    let grows = memory.forbidden.iter().enumerate().all(|(body, list)| {
        list.iter().all(|forbidden| {
            let pairs = list.iter().filter(|other| other.other == forbidden.other).count();
            pairs == 1 && forbidden.hole.is_none() && body != forbidden.other
        })
    });
    best.is_least = best.extent <= memory.lower_bound || (steps > 0 && grows);
}

fn descend(memory: &Memory, offsets: &mut Vec<Option<usize>>, floor: usize, best: &mut Placement, steps: &mut usize) {
    if best.extent <= memory.lower_bound || *steps == 0 {
        return;
    }
    *steps -= 1;
    let unplaced: Vec<usize> = (0..offsets.len()).filter(|&body| offsets[body].is_none()).collect();
    if unplaced.is_empty() {
        let offsets: Vec<usize> = offsets.iter().copied().map(Option::unwrap_or_default).collect();
        best.extent = memory.extent(&offsets);
        best.offsets = offsets;
        return;
    }
    let mut next: Vec<(usize, usize)> =
        unplaced.into_iter().map(|body| (lowest(memory, body, offsets, floor), body)).collect();
    // A body only moves up while others are placed.
    if next.iter().any(|&(offset, body)| offset + memory.bodies[body] >= best.extent) {
        return;
    }
    next.sort_by_key(|&(offset, body)| (offset, std::cmp::Reverse(memory.bodies[body])));
    for (offset, body) in next {
        offsets[body] = Some(offset);
        descend(memory, offsets, offset, best, steps);
        offsets[body] = None;
    }
}
