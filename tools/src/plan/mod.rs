//! Memory planning: where every activation lies in the arena.
//!
//! [`blocks`] finds what must coexist and which outputs may reach into their inputs, [`place`] searches offsets,
//! [`verify`] proves, independently of both, that no value is overwritten while it is still needed, and
//! [`timeline`] tells how full the arena is at each op.

mod blocks;
mod place;
pub mod timeline;
pub mod verify;

use crate::lower::Program;
use bantam_format::overlap::Overlap;
use bantam_format::{Shape, Tensor, TensorKind};

/// Alignment of every tensor in the arena, in bytes.
pub const TENSOR_ALIGNMENT: usize = 4;

/// Sets the arena offset of every tensor and the direction in which banded ops walk. Deterministic.
pub fn plan(program: &mut Program) {
    let memory = blocks::Memory::of(program);
    let offsets = place::place(&memory);
    for (tensor, description) in program.description.tensors.iter_mut().enumerate() {
        if let Some(block) = memory.block_of(tensor) {
            description.location = u32::try_from(offsets[block]).unwrap_or(u32::MAX);
        }
    }
    place_states(program);
    for index in 0..program.description.ops.len() {
        let op = &program.description.ops[index];
        let (input, output) = (tensor(program, op.inputs[0]), tensor(program, op.outputs[0]));
        let down = match bantam_format::ops::overlap(op.opcode, &op.attributes, &input, &output) {
            Overlap::Banded(window) => {
                let disjoint = input.range().end <= output.location || output.range().end <= input.location;
                !disjoint && !window.permits(input.location, output.location, false)
            }
            _ => false,
        };
        program.description.ops[index].walk_down = down;
    }
}

/// State stands behind everything else, in the order of its tensors.
fn place_states(program: &mut Program) {
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
