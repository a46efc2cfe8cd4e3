//! Placement: each block at the lowest offset that fits, in the best of many orders.

use super::TENSOR_ALIGNMENT;
use super::blocks::{Memory, Relation};

/// Random orders tried after the fixed ones.
const RANDOM_ORDERS: usize = 2000;

/// Offsets of all blocks, deterministic.
pub(super) fn place(memory: &Memory) -> Vec<usize> {
    let blocks = &memory.blocks;
    let everything: Vec<usize> = (0..blocks.len()).collect();
    let sorted = |key: &dyn Fn(usize) -> (usize, usize)| {
        let mut order = everything.clone();
        order.sort_by_key(|&block| std::cmp::Reverse(key(block)));
        order
    };
    let span = |block: usize| blocks[block].last.saturating_sub(blocks[block].first) + 1;
    let mut best: Option<(usize, Vec<usize>, Vec<usize>)> = None;
    let mut consider = |order: Vec<usize>| {
        let offsets = place_in_order(memory, &order);
        let extent = extent(memory, &offsets);
        let better = best.as_ref().is_none_or(|(least, _, _)| extent < *least);
        if better {
            best = Some((extent, order, offsets));
        }
        best.as_ref().map_or_else(Vec::new, |(_, order, _)| order.clone())
    };
    consider(everything.clone());
    consider(everything.iter().rev().copied().collect());
    consider(sorted(&|block| (blocks[block].bytes, span(block))));
    consider(sorted(&|block| (span(block), blocks[block].bytes)));
    let mut order = consider(sorted(&|block| (blocks[block].bytes * span(block), 0)));
    // Variations of the best order: swap a few positions, keep what is no worse.
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound.max(1) as u64) as usize
    };
    if blocks.len() > 2 {
        for _ in 0..RANDOM_ORDERS {
            for _ in 0..1 + next(3) {
                let (a, b) = (next(order.len()), next(order.len()));
                order.swap(a, b);
            }
            order = consider(order);
        }
    }
    best.map_or_else(Vec::new, |(_, _, offsets)| offsets)
}

/// The end of the last block.
fn extent(memory: &Memory, offsets: &[usize]) -> usize {
    memory.blocks.iter().zip(offsets).map(|(block, offset)| block.bytes + offset).max().unwrap_or(0)
}

/// Places the blocks one after the other, each at the lowest offset that suits all that are placed already.
fn place_in_order(memory: &Memory, order: &[usize]) -> Vec<usize> {
    let mut offsets: Vec<Option<usize>> = vec![None; memory.blocks.len()];
    for &block in order {
        let placed: Vec<(usize, usize)> =
            memory.neighbours[block].iter().filter_map(|&other| Some((other, offsets[other]?))).collect();
        let mut candidates = vec![0];
        for &(other, at) in &placed {
            candidates.push(at + memory.blocks[other].bytes);
            match relation(memory, block, other) {
                Some((Relation::Same, _)) => candidates.push(at),
                Some((Relation::Distance { up, down }, writes)) => {
                    // The output lies `up` below its input or `down` above it.
                    let (below, above) = if writes { (up, down) } else { (down, up) };
                    candidates.push(at + above);
                    candidates.extend(at.checked_sub(below).map(|offset| offset / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT));
                }
                None => {}
            }
        }
        let aligned = candidates.into_iter().map(|offset| offset.next_multiple_of(TENSOR_ALIGNMENT));
        let fits = |&offset: &usize| placed.iter().all(|&(other, at)| compatible(memory, block, offset, other, at));
        let lowest = aligned.filter(fits).min();
        // Behind everything always fits.
        offsets[block] = Some(lowest.unwrap_or_else(|| end_of_placed(memory, &offsets)));
    }
    offsets.into_iter().map(Option::unwrap_or_default).collect()
}

fn end_of_placed(memory: &Memory, offsets: &[Option<usize>]) -> usize {
    let ends = memory.blocks.iter().zip(offsets).filter_map(|(block, offset)| Some(block.bytes + (*offset)?));
    ends.max().unwrap_or(0).next_multiple_of(TENSOR_ALIGNMENT)
}

/// How two coexisting blocks may overlap, and whether the first is the output.
fn relation(memory: &Memory, block: usize, other: usize) -> Option<(Relation, bool)> {
    match (memory.reuses[block], memory.reuses[other]) {
        (Some((input, relation)), _) if input == other => Some((relation, true)),
        (_, Some((input, relation))) if input == block => Some((relation, false)),
        _ => None,
    }
}

fn compatible(memory: &Memory, block: usize, offset: usize, other: usize, at: usize) -> bool {
    let end = offset + memory.blocks[block].bytes;
    let other_end = at + memory.blocks[other].bytes;
    if end <= at || other_end <= offset {
        return true;
    }
    match relation(memory, block, other) {
        None => false,
        Some((Relation::Same, _)) => offset == at,
        Some((Relation::Distance { up, down }, writes)) => {
            let (output, input) = if writes { (offset, at) } else { (at, offset) };
            output + up <= input || input + down <= output
        }
    }
}
