//! What lies inside what: reshapes, concatenations and slices that need no copy because the elements already stand
//! one behind the other, once their tensors do.

use super::tensor;
use crate::lower::Program;
use bantam_format::writer::OpDescription;
use bantam_format::{IoRole, Opcode, TensorKind, ops};

/// Where each tensor lies inside its body: a set of tensors whose distances are fixed.
#[derive(Clone, Debug)]
pub(super) struct Rigid {
    /// For each tensor the tensor that names its body.
    parent: Vec<usize>,
    /// Bytes from the start of the parent, which may be negative until [`Self::normalized`].
    offset: Vec<i64>,
}

/// A tensor's place in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub body: usize,
    pub offset: usize,
    pub bytes: usize,
}

impl Place {
    pub fn overlaps(&self, other: &Self) -> bool {
        self.body == other.body && self.offset < other.offset + other.bytes && other.offset < self.offset + self.bytes
    }
}

impl Rigid {
    /// The bodies of a program whose only fixed distances are its aliases.
    pub fn of(program: &Program) -> Self {
        let count = program.description.tensors.len();
        let mut rigid = Self { parent: (0..count).collect(), offset: vec![0; count] };
        for (view, source) in program.aliases.iter().enumerate() {
            if let Some(source) = source
                && in_arena(program, usize::from(*source))
            {
                rigid.fix(view, usize::from(*source), 0);
            }
        }
        rigid
    }

    /// The tensor that names the body, and the distance from its start.
    fn find(&self, tensor: usize) -> (usize, i64) {
        let (mut at, mut offset) = (tensor, 0);
        while self.parent[at] != at {
            offset += self.offset[at];
            at = self.parent[at];
        }
        (at, offset)
    }

    /// Puts `inner` this far behind the start of `outer`; `false` where they already have another distance.
    fn fix(&mut self, inner: usize, outer: usize, distance: i64) -> bool {
        let ((a, from_a), (b, from_b)) = (self.find(inner), self.find(outer));
        let wanted = from_b + distance - from_a;
        if a == b {
            return wanted == 0;
        }
        self.parent[a] = b;
        self.offset[a] = wanted;
        true
    }

    /// The place of every arena tensor but state, in bodies that start at 0 and are numbered in order, and the sizes of these.
    pub fn normalized(&self, program: &Program) -> (Vec<Option<Place>>, Vec<usize>) {
        let count = self.parent.len();
        let mut least = vec![i64::MAX; count];
        let arena: Vec<usize> = (0..count).filter(|&index| in_arena(program, index)).collect();
        for &index in &arena {
            let (body, offset) = self.find(index);
            least[body] = least[body].min(offset);
        }
        let (mut number, mut sizes) = (vec![None; count], Vec::new());
        let mut places = vec![None; count];
        for &index in &arena {
            let (root, offset) = self.find(index);
            let body = *number[root].get_or_insert_with(|| {
                sizes.push(0);
                sizes.len() - 1
            });
            let bytes = tensor(program, index as u16).bytes();
            // Bodies start at multiples of the alignment, and so shall their first tensors: the least offset is one.
            let offset = usize::try_from(offset - least[root]).unwrap_or(0);
            sizes[body] = sizes[body].max(offset + bytes);
            places[index] = Some(Place { body, offset, bytes });
        }
        (places, sizes)
    }

    /// Removes the ops whose work is done by putting tensors inside one another, where these distances agree with all
    /// others and no two values get the same bytes.
    pub fn absorb_moves(&mut self, program: &mut Program) {
        let mut kept = Vec::new();
        let ops = std::mem::take(&mut program.description.ops);
        let mut written = vec![false; program.description.tensors.len()];
        for output in ops.iter().flat_map(|op| &op.outputs) {
            written[usize::from(*output)] = true;
        }
        for port in program.description.io.iter().filter(|port| port.role == IoRole::Input.code()) {
            written[usize::from(port.tensor)] = true;
        }
        let last = ops.len().saturating_sub(1);
        for (index, op) in ops.into_iter().enumerate() {
            let inside = distances(program, &op);
            let output = usize::from(op.outputs[0]);
            let mut tried = self.clone();
            // An artifact needs an op.
            let needed = index == last && kept.is_empty();
            written[output] = false;
            let fits = !needed
                && inside.is_some_and(|inside| inside.iter().all(|&(a, b, distance)| tried.fix(a, b, distance)))
                && tried.values_are_apart(program, &written, output);
            if fits {
                *self = tried;
            } else {
                written[output] = true;
                kept.push(op);
            }
        }
        program.description.ops = kept;
    }

    /// Whether no two written tensors of a body have bytes in common.
    fn values_are_apart(&self, program: &Program, written: &[bool], member: usize) -> bool {
        let body = self.find(member).0;
        let mut ranges: Vec<_> = (0..written.len())
            .filter(|&index| written[index] && in_arena(program, index) && self.find(index).0 == body)
            .map(|index| (self.find(index).1, tensor(program, index as u16).bytes() as i64))
            .collect();
        ranges.sort_unstable();
        ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
    }
}

/// Whether the plan places a tensor by its lifetime; state has a place of its own.
fn in_arena(program: &Program, index: usize) -> bool {
    program.description.tensors[index].kind == TensorKind::Arena
}

/// What an op that only moves elements asks for, if fixed distances can do its work: inner tensor, outer tensor, bytes
/// between their starts.
fn distances(program: &Program, op: &OpDescription) -> Option<Vec<(usize, usize, i64)>> {
    let output = tensor(program, *op.outputs.first()?);
    let (to, from) = (usize::from(op.outputs[0]), op.inputs.iter().map(|&input| usize::from(input)));
    let movable = |index: usize| program.description.tensors[index].kind == TensorKind::Arena;
    if !movable(to) || !from.clone().all(movable) {
        return None;
    }
    match op.opcode {
        Opcode::Concat => {
            let axis = usize::from(ops::Concat::read(&op.attributes).axis);
            let mut outer = output.shape.dimensions().get(..axis)?.iter();
            if outer.any(|&dimension| dimension != 1) {
                return None;
            }
            let mut at = 0;
            let place = |input: usize| {
                let distance = at;
                at += tensor(program, input as u16).bytes() as i64;
                (input, to, distance)
            };
            Some(from.map(place).collect())
        }
        Opcode::StridedCopy => {
            let copy = ops::StridedCopy::read(&op.attributes);
            let mut step = 1i64;
            for (&size, &stride) in copy.dimensions.iter().zip(&copy.strides).rev().filter(|(size, _)| **size != 1) {
                if i64::from(stride) != step {
                    return None;
                }
                step *= i64::from(size);
            }
            let distance = i64::from(copy.offset) * output.data_type.bytes() as i64;
            Some(vec![(to, usize::from(op.inputs[0]), distance)])
        }
        _ => None,
    }
}
