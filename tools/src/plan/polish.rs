//! Of placements that end equally low, one that runs fast: elementwise ops on the very bytes of their input, so that
//! nothing has to be moved, and few, large bands.

use super::TENSOR_ALIGNMENT;
use super::memory::Memory;
use super::values::Relation;
use bantam_format::overlap::Overlap;

/// Bytes that could be moved in the time a further band takes.
const BAND_COST: usize = 64;
/// Bands counted of one op.
const MOST_BANDS: usize = 4096;
/// Rounds over all bodies.
const ROUNDS: usize = 8;

/// Moves bodies within the extent. What makes no difference goes up in one round and down in the next, out of the way of
/// what does.
pub(super) fn polish(memory: &Memory, offsets: &mut [usize]) {
    let extent = memory.extent(offsets);
    let total = |offsets: &[usize]| memory.relations.iter().map(|relation| cost(relation, offsets)).sum::<usize>();
    let mut best = (total(offsets), offsets.to_vec());
    for round in 0..ROUNDS {
        for body in 0..offsets.len() {
            move_body(memory, offsets, body, extent, round % 2 == 0);
        }
        let cost = total(offsets);
        if cost < best.0 {
            best = (cost, offsets.to_vec());
        }
    }
    offsets.copy_from_slice(&best.1);
}

/// Moves one body to where its relations cost least, of equals to the highest or the lowest such place.
fn move_body(memory: &Memory, offsets: &mut [usize], body: usize, extent: usize, highest: bool) {
    let touching: Vec<&Relation> =
        memory.relations.iter().filter(|r| [r.output.body, r.input.body].contains(&body)).collect();
    let total = |offsets: &[usize]| touching.iter().map(|relation| cost(relation, offsets)).sum::<usize>();
    let top = extent - memory.bodies[body].min(extent);
    let mut candidates = vec![0, top / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT];
    for forbidden in &memory.forbidden[body] {
        let other = offsets[forbidden.other] as i64;
        let alignment = TENSOR_ALIGNMENT as i64;
        let below = (other + forbidden.from).div_euclid(alignment) * alignment;
        let above = -(-(other + forbidden.to)).div_euclid(alignment) * alignment;
        candidates.extend([below, above].into_iter().filter_map(|candidate| usize::try_from(candidate).ok()));
    }
    for relation in &touching {
        // The output on the input.
        let [own, other] = if relation.output.body == body {
            [relation.output, relation.input]
        } else {
            [relation.input, relation.output]
        };
        let same = (offsets[other.body] + other.offset).checked_sub(own.offset);
        candidates.extend(same.filter(|offset| offset.is_multiple_of(TENSOR_ALIGNMENT)));
    }
    candidates.sort_unstable();
    candidates.dedup();
    let (mut best, mut least) = (offsets[body], total(offsets));
    for candidate in candidates.into_iter().filter(|&candidate| candidate <= top) {
        if memory.allows(body, candidate, |other| Some(offsets[other])) {
            offsets[body] = candidate;
            let cost = total(offsets);
            let further = if highest { candidate > best } else { candidate < best };
            if cost < least || (cost == least && further) {
                (least, best) = (cost, candidate);
            }
        }
    }
    offsets[body] = best;
}

/// What an op's placement costs, in bytes that could be moved in the same time.
fn cost(relation: &Relation, offsets: &[usize]) -> usize {
    let input = offsets[relation.input.body] + relation.input.offset;
    let output = offsets[relation.output.body] + relation.output.offset;
    match relation.overlap {
        Overlap::Moved if input == output => 0,
        Overlap::Moved => relation.output.bytes,
        Overlap::Banded { rows, .. } => {
            let down = !rows.permits(input, output, false);
            rows.bands(input, output, down).take(MOST_BANDS).count() * BAND_COST
        }
        Overlap::Disjoint => 0,
    }
}
