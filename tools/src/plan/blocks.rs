//! Liveness: blocks of memory, when each is needed, and how pairs of them may overlap.

use super::tensor;
use crate::lower::Program;
use bantam_format::TensorKind;
use bantam_format::overlap::Overlap;

/// A block of the arena: one tensor, or several that are views of the same memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub bytes: usize,
    /// Index of the op that writes it, plus one; 0 for inputs.
    pub first: usize,
    /// Index of the last op that reads it, plus one; beyond the last op for outputs.
    pub last: usize,
}

impl Block {
    fn coexists(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// How the block an op writes may lie relative to the block of its first input, where that dies with the op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// At the same offset.
    Same,
    /// `input offset - output offset` at least the first, or `output offset - input offset` at least the second.
    Distance { up: usize, down: usize },
}

/// Everything placement needs to know.
#[derive(Debug)]
pub(super) struct Memory {
    pub blocks: Vec<Block>,
    /// For each block, the blocks that coexist with it.
    pub neighbours: Vec<Vec<usize>>,
    /// For each block, the block of the first input of the op that writes it, where the two may overlap.
    pub reuses: Vec<Option<(usize, Relation)>>,
    block_of: Vec<Option<usize>>,
}

impl Memory {
    pub fn of(program: &Program) -> Self {
        let tensors = &program.description.tensors;
        let mut block_of: Vec<Option<usize>> = vec![None; tensors.len()];
        let mut blocks: Vec<Block> = Vec::new();
        for index in 0..tensors.len() {
            if tensors[index].kind != TensorKind::Arena {
                continue;
            }
            let root = program.aliases[index].map(usize::from).and_then(|source| block_of[source]);
            let bytes = tensor(program, index as u16).bytes();
            block_of[index] = Some(match root {
                Some(block) => block,
                None => {
                    blocks.push(Block { bytes, first: usize::MAX, last: 0 });
                    blocks.len() - 1
                }
            });
        }
        let mut touch = |tensor: u16, time: usize| {
            if let Some(block) = block_of[usize::from(tensor)] {
                let block: &mut Block = &mut blocks[block];
                block.first = block.first.min(time);
                block.last = block.last.max(time);
            }
        };
        let ops = &program.description.ops;
        for (index, op) in ops.iter().enumerate() {
            for &tensor in op.inputs.iter().chain(&op.outputs) {
                touch(tensor, index + 1);
            }
        }
        for io in &program.description.io {
            let input = io.role == bantam_format::IoRole::Input.code();
            touch(io.tensor, if input { 0 } else { ops.len() + 1 });
        }
        let neighbours = (0..blocks.len())
            .map(|a| (0..blocks.len()).filter(|&b| a != b && blocks[a].coexists(&blocks[b])).collect())
            .collect();
        let reuses = reuses(program, &blocks, &block_of);
        Self { blocks, neighbours, reuses, block_of }
    }

    /// The block of a tensor; none for constants.
    pub fn block_of(&self, tensor: usize) -> Option<usize> {
        self.block_of[tensor]
    }
}

fn reuses(program: &Program, blocks: &[Block], block_of: &[Option<usize>]) -> Vec<Option<(usize, Relation)>> {
    let mut reuses = vec![None; blocks.len()];
    for (index, op) in program.description.ops.iter().enumerate() {
        let block = |tensor: u16| block_of[usize::from(tensor)];
        let (Some(input), Some(output)) = (block(op.inputs[0]), block(op.outputs[0])) else { continue };
        let dies = blocks[input].last == index + 1 && blocks[output].first == index + 1;
        let read_elsewhere = op.inputs[1..].iter().any(|&other| block(other) == Some(input));
        if !dies || read_elsewhere || input == output {
            continue;
        }
        let (from, to) = (tensor(program, op.inputs[0]), tensor(program, op.outputs[0]));
        let relation = match bantam_format::ops::overlap(op.opcode, &op.attributes, &from, &to) {
            Overlap::InPlace if from.bytes() == to.bytes() => Relation::Same,
            Overlap::Banded(window) => Relation::Distance { up: window.distance_up(), down: window.distance_down() },
            _ => continue,
        };
        reuses[output] = Some((input, relation));
    }
    reuses
}
