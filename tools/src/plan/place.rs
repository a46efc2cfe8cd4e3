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
    let mut offsets = vec![None; bodies.len()];
    let mut best = (usize::MAX, everything.clone());
    let mut improve = |best: &mut (usize, Vec<usize>), order: &[usize]| {
        if let Some(extent) = place_in_order(memory, order, best.0, &mut offsets) {
            best.0 = extent;
            best.1.copy_from_slice(order);
        }
    };
    starts.iter().for_each(|order| improve(&mut best, order));
    // Variations of the best order: swap a few positions, keep what is better.
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound.max(1) as u64) as usize
    };
    let mut order = everything;
    for _ in 0..RANDOM_ORDERS {
        if bodies.len() < 3 || best.0 <= memory.lower_bound {
            break;
        }
        order.copy_from_slice(&best.1);
        for _ in 0..1 + next(3) {
            let (a, b) = (next(order.len()), next(order.len()));
            order.swap(a, b);
        }
        improve(&mut best, &order);
    }
    place_in_order(memory, &best.1, usize::MAX, &mut offsets);
    let offsets: Vec<usize> = offsets.into_iter().map(Option::unwrap_or_default).collect();
    Placement { extent: memory.extent(&offsets), offsets, is_least: false }
}

/// Places the bodies one after the other, each at the lowest offset that suits all that are placed already; gives the
/// end of the last one, or nothing as soon as one does not end before `limit`.
fn place_in_order(memory: &Memory, order: &[usize], limit: usize, offsets: &mut [Option<usize>]) -> Option<usize> {
    offsets.fill(None);
    let mut extent = 0;
    for &body in order {
        let offset = lowest(memory, body, offsets, 0);
        extent = extent.max(offset + memory.bodies[body]);
        if extent >= limit {
            return None;
        }
        offsets[body] = Some(offset);
    }
    Some(extent)
}

/// The lowest offset from `floor` on that suits the bodies placed already.
fn lowest(memory: &Memory, body: usize, offsets: &[Option<usize>], floor: usize) -> usize {
    // What is forbidden at one offset is so up to the next one that is tried: nothing that fits is passed over.
    let mut offset = floor;
    loop {
        let before = offset;
        for forbidden in &memory.forbidden[body] {
            let Some(other) = offsets[forbidden.other] else { continue };
            while let Some(distance) = forbidden.next_allowed(offset as i64 - other as i64) {
                let next = usize::try_from(other as i64 + distance).unwrap_or(0);
                offset = next.next_multiple_of(TENSOR_ALIGNMENT);
            }
        }
        if offset == before {
            return offset;
        }
    }
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
