//! Memory planning: in which order ops run and where every activation lies in the arena.
//!
//! [`rigid`] puts tensors inside one another where that makes a copy unnecessary, [`values`] finds what must be kept and
//! which outputs may reach into which inputs, [`order`] searches orders of execution, [`memory`] states the placement
//! problem of one order, [`place`] solves it and [`polish`] makes the solution fast. [`verify`] proves, independently
//! of all these, that no value is overwritten while it is still needed, and [`timeline`] tells how full the arena is at
//! each op.

mod memory;
mod order;
mod place;
mod polish;
mod rigid;
pub mod timeline;
mod values;
pub mod verify;

use crate::lower::Program;
use bantam_format::overlap::Overlap;
use bantam_format::writer::OpDescription;
use bantam_format::{Opcode, Shape, Tensor, TensorKind};
use memory::Memory;
use order::Orders;
use place::Placement;
use rigid::{Place, Rigid};
use values::Values;

/// Alignment of every tensor in the arena, in bytes, but for those that lie inside another one.
pub const TENSOR_ALIGNMENT: usize = 4;

/// Ops up to which all orders of execution are searched.
const MOST_OPS_IN_ANY_ORDER: usize = 12;

/// How good a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// End of the last tensor.
    pub arena_bytes: usize,
    /// Whether it is proved that no order of execution and no placement needs less.
    pub is_least: bool,
}

/// A planned program.
struct Candidate {
    program: Program,
    places: Vec<Option<Place>>,
    order: Vec<usize>,
    memory: Memory,
    placement: Placement,
    is_least: bool,
}

/// Chooses the order of the ops, removes copies that placement makes unnecessary, sets the arena offset of every tensor
/// and the direction in which banded ops walk. Deterministic.
pub fn plan(program: &mut Program) -> Plan {
    let rigid = Rigid::of(program);
    let mut absorbed = (program.clone(), rigid.clone());
    absorbed.1.absorb_moves(&mut absorbed.0);
    let moves = absorbed.0.description.ops.len() < program.description.ops.len();
    let variants = if moves { vec![absorbed, (program.clone(), rigid)] } else { vec![absorbed] };
    let least = |in_place: bool| {
        let planned = variants.iter().map(|(program, rigid)| candidate(program, rigid, in_place));
        planned.min_by_key(|candidate| candidate.placement.extent)
    };
    let Some(mut best) = least(false) else { return Plan { arena_bytes: 0, is_least: true } };
    let extent = best.placement.extent;
    let depthwise = |op: &OpDescription| op.opcode == Opcode::DepthwiseConv2d;
    let may_overwrite = program.description.ops.iter().any(depthwise);
    if let Some(other) = may_overwrite.then(|| least(true)).flatten().filter(|it| it.placement.extent < extent) {
        best = other;
    }
    polish::polish(&best.memory, &mut best.placement.offsets);
    let is_least = best.is_least;
    *program = finish(best);
    Plan { arena_bytes: place_states(program), is_least }
}

/// The program with every tensor at a place of its own, and every op walking upwards: for comparisons that no memory
/// plan may disturb.
#[must_use]
pub fn apart(mut program: Program) -> Program {
    let mut end = 0u32;
    for index in 0..program.description.tensors.len() {
        if program.description.tensors[index].kind != TensorKind::Arena {
            continue;
        }
        program.description.tensors[index].location = match program.aliases[index] {
            // An alias stands behind what it is an alias of.
            Some(source) => program.description.tensors[usize::from(source)].location,
            None => {
                let here = end;
                let bytes = tensor(&program, index as u16).bytes();
                end = here.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)).next_multiple_of(16);
                here
            }
        };
    }
    place_states(&mut program);
    program
}

/// The best order and placement found for a program.
fn candidate(program: &Program, rigid: &Rigid, in_place: bool) -> Candidate {
    let (places, bodies) = rigid.normalized(program);
    let values = Values::of(program, &places, bodies, in_place);
    let source: Vec<usize> = (0..program.description.ops.len()).collect();
    let orders = Orders::of(&values);
    let fullest = orders.best();
    let mut best = solve(&values, source.clone());
    if let Some((_, order)) = fullest.as_ref().filter(|(_, order)| *order != source) {
        best = better(best, solve(&values, order.clone()));
    }
    let bound = fullest.map(|(bytes, _)| bytes);
    let mut is_least = bound.is_some_and(|bytes| best.placement.extent <= bytes);
    if !is_least && source.len() <= MOST_OPS_IN_ANY_ORDER {
        let (listed, mut complete) = orders.below(best.placement.extent);
        for order in listed {
            let other = solve(&values, order);
            complete &= other.placement.is_least;
            best = better(best, other);
        }
        is_least = complete;
    }
    let Solved { order, memory, placement } = best;
    Candidate { program: program.clone(), places, order, memory, placement, is_least }
}

/// A placement for one order.
struct Solved {
    order: Vec<usize>,
    memory: Memory,
    placement: Placement,
}

fn better(one: Solved, other: Solved) -> Solved {
    if other.placement.extent < one.placement.extent { other } else { one }
}

/// The best placement of an order, whichever of two dying inputs an op takes over.
fn solve(values: &Values, order: Vec<usize>) -> Solved {
    let with = |late: bool| {
        let memory = Memory::of(values, &order, late);
        let placement = place::place(&memory);
        Solved { order: order.clone(), memory, placement }
    };
    let early = with(false);
    let choice = values.relations.iter().any(|relations| relations.len() > 1);
    if !choice || early.placement.extent <= early.memory.lower_bound {
        return early;
    }
    let late = with(true);
    // Mixed choices are not tried.
    let both = early.memory.relations == late.memory.relations;
    let mut best = better(early, late);
    best.placement.is_least &= both || best.placement.extent <= best.memory.lower_bound;
    best
}

/// Writes a solution into its program.
fn finish(best: Candidate) -> Program {
    let Candidate { mut program, places, order, placement, .. } = best;
    let description = &mut program.description;
    for (tensor, place) in description.tensors.iter_mut().zip(&places) {
        if let Some(place) = place {
            let location = placement.offsets[place.body] + place.offset;
            tensor.location = u32::try_from(location).unwrap_or(u32::MAX);
        }
    }
    let mut ops: Vec<_> = std::mem::take(&mut description.ops).into_iter().map(Some).collect();
    description.ops = order.into_iter().filter_map(|index| ops[index].take()).collect();
    for index in 0..program.description.ops.len() {
        let op = &program.description.ops[index];
        let (input, output) = (tensor(&program, op.inputs[0]), tensor(&program, op.outputs[0]));
        let down = match bantam_format::ops::overlap(op.opcode, &op.attributes, 0, &input, &output) {
            Overlap::Banded { rows, in_place } => {
                let apart = input.range().end <= output.location || output.range().end <= input.location;
                let same = in_place && input.location == output.location;
                input.in_arena() && !apart && !same && !rows.permits(input.location, output.location, false)
            }
            _ => false,
        };
        program.description.ops[index].walk_down = down;
    }
    program
}

/// State stands behind everything else, in the order of its tensors. Gives the end of the last tensor.
fn place_states(program: &mut Program) -> usize {
    let count = program.description.tensors.len();
    let is = |program: &Program, index: usize, kind| program.description.tensors[index].kind == kind;
    let ends = (0..count).filter(|&index| is(program, index, TensorKind::Arena));
    let mut end = ends.map(|index| tensor(program, index as u16).range().end).max().unwrap_or(0);
    for index in 0..count {
        if is(program, index, TensorKind::State) {
            let start = end.next_multiple_of(TENSOR_ALIGNMENT);
            program.description.tensors[index].location = u32::try_from(start).unwrap_or(u32::MAX);
            end = tensor(program, index as u16).range().end;
        }
    }
    end
}

/// A described tensor as the runtime will see it.
fn tensor(program: &Program, index: u16) -> Tensor {
    let description = &program.description.tensors[usize::from(index)];
    Tensor {
        data_type: description.data_type,
        kind: description.kind,
        location: description.location as usize,
        // Lowering refuses more dimensions than a shape can hold.
        shape: Shape::new(&description.dimensions).unwrap_or_else(|| Shape::new(&[0]).expect("rank 1 always fits")),
    }
}

#[cfg(test)]
mod tests;
