//! The proof that a memory plan keeps every value until it is no longer needed.
//!
//! Works on a finished artifact and shares nothing with the search: it remembers for every byte of the arena which byte
//! of which value stands there, and replays the schedule. Ops that only move elements move what is remembered; every
//! other op makes a new value.

use crate::lower::Program;
use bantam::Model;
use bantam_format::overlap::Overlap;
use bantam_format::{IoRole, Op, Opcode, Tensor, TensorKind, ops};
use std::collections::BTreeMap;
use std::ops::Range;
use thiserror::Error;

/// What a plan destroys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// An op reads bytes that no longer hold the value it wants.
    #[error("op {op} reads tensor {tensor}, whose byte {byte} of the arena has been overwritten")]
    Overwritten {
        /// Position in the schedule; the number of ops stands for the caller reading outputs.
        op: usize,
        /// Tensor index.
        tensor: usize,
        /// Arena offset.
        byte: usize,
    },
}

/// Neighbouring bytes of a value, which is named by the tensor it was made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    value: usize,
    start: usize,
    bytes: usize,
}

impl Run {
    /// The part of these bytes, counted from its first one.
    fn part(&self, range: Range<usize>) -> Self {
        Self { value: self.value, start: self.start + range.start, bytes: range.len() }
    }
}

/// What a tensor must hold, once that is known.
type Contents = Vec<Option<Vec<Run>>>;

/// Replays the schedule of a model. A tensor that no op writes shows the bytes it covers; at its first use they must be
/// all that is left of whole values, and from then on they must stay.
///
/// # Errors
/// The first read of an overwritten value.
pub fn verify(model: &Model<'_>) -> Result<(), PlanError> {
    let artifact = model.artifact();
    replay(model, &mut vec![None; artifact.tensor_count()])
}

/// Replays the schedule of a model made from a program, whose ops say what each tensor must hold: also those that the
/// plan has made superfluous.
///
/// # Errors
/// The first read of something else than the program asks for.
pub fn prove(program: &Program, model: &Model<'_>) -> Result<(), PlanError> {
    let artifact = model.artifact();
    let count = artifact.tensor_count();
    let mut contents: Contents = vec![None; count];
    let given = |index: usize| artifact.tensor(index);
    let settle = |contents: &mut Contents, index: usize| {
        let source = program.aliases.get(index).copied().flatten().map(usize::from);
        // An alias may show only the beginning.
        let known = source.and_then(|source| contents[source].as_deref());
        let known = known.map(|runs| cut(runs, 0..given(index).bytes()));
        contents[index].get_or_insert_with(|| known.unwrap_or_else(|| fresh(index, &given(index))));
    };
    for index in (0..count).filter(|&index| program.aliases[index].is_none()) {
        if given(index).kind == TensorKind::State {
            settle(&mut contents, index);
        }
    }
    for op in &program.description.ops {
        let (inputs, output) = (op.inputs.iter().map(|&i| usize::from(i)), usize::from(op.outputs[0]));
        inputs.clone().for_each(|input| settle_chain(program, &mut contents, input, &settle));
        let known: Vec<Option<&[Run]>> =
            inputs.map(|input| contents[input].as_deref().filter(|_| given(input).in_arena())).collect();
        // State is read as it was before.
        if given(output).kind != TensorKind::State {
            contents[output] = Some(result(op.opcode, &op.attributes, &known, (output, &given(output))));
        }
    }
    (0..count).for_each(|index| settle_chain(program, &mut contents, index, &settle));
    replay(model, &mut contents)
}

/// Settles a tensor after those whose memory it shares.
fn settle_chain(program: &Program, contents: &mut Contents, index: usize, settle: &impl Fn(&mut Contents, usize)) {
    if contents[index].is_none() {
        if let Some(source) = program.aliases.get(index).copied().flatten() {
            settle_chain(program, contents, usize::from(source), settle);
        }
        settle(contents, index);
    }
}

/// A new value.
fn fresh(index: usize, tensor: &Tensor) -> Vec<Run> {
    vec![Run { value: index, start: 0, bytes: tensor.bytes() }]
}

/// What an op writes. Elements that stay one behind the other are moved; all else makes a new value.
fn result(opcode: Opcode, attributes: &[u8], known: &[Option<&[Run]>], (index, output): (usize, &Tensor)) -> Vec<Run> {
    let moved = match opcode {
        Opcode::Reshape => known[0].map(<[Run]>::to_vec),
        Opcode::Concat => {
            let axis = usize::from(ops::Concat::read(attributes).axis);
            let whole = output.shape.dimensions()[..axis].iter().all(|&dimension| dimension == 1);
            let parts = known.iter().copied().collect::<Option<Vec<_>>>();
            parts.filter(|_| whole).map(|parts| parts.concat())
        }
        Opcode::StridedCopy => {
            let copy = ops::StridedCopy::read(attributes);
            let axes = copy.dimensions.iter().zip(&copy.strides).rev().filter(|(count, _)| **count > 1);
            let mut elements = 1;
            let consecutive = axes.into_iter().all(|(&count, &stride)| {
                let expected = elements;
                elements *= i64::from(count);
                i64::from(stride) == expected
            });
            let start = copy.offset as usize * output.data_type.bytes();
            known[0].filter(|_| consecutive).map(|runs| cut(runs, start..start + output.bytes()))
        }
        _ => None,
    };
    moved.map_or_else(|| fresh(index, output), merged)
}

/// Bytes of consecutive runs.
fn cut(runs: &[Run], range: Range<usize>) -> Vec<Run> {
    let mut at = 0;
    let part = |run: &Run| {
        let (from, to) = (range.start.clamp(at, at + run.bytes), range.end.clamp(at, at + run.bytes));
        let part = run.part(from - at..to - at);
        at += run.bytes;
        (part.bytes > 0).then_some(part)
    };
    runs.iter().filter_map(part).collect()
}

/// The same bytes in as few runs as possible.
fn merged(runs: Vec<Run>) -> Vec<Run> {
    let mut merged: Vec<Run> = Vec::with_capacity(runs.len());
    for run in runs {
        match merged.last_mut() {
            Some(last) if last.value == run.value && last.start + last.bytes == run.start => last.bytes += run.bytes,
            _ => merged.push(run),
        }
    }
    merged
}

/// What stands in the arena: runs by their offset, without overlap.
#[derive(Default)]
struct Arena(BTreeMap<usize, Run>);

impl Arena {
    fn write(&mut self, range: Range<usize>, runs: &[Run]) {
        let overlapped: Vec<(usize, Run)> = self
            .0
            .range(..range.end)
            .rev()
            .take_while(|(offset, run)| **offset + run.bytes > range.start)
            .map(|(&offset, &run)| (offset, run))
            .collect();
        for (offset, run) in overlapped {
            self.0.remove(&offset);
            if offset < range.start {
                self.0.insert(offset, run.part(0..range.start - offset));
            }
            if range.end < offset + run.bytes {
                self.0.insert(range.end, run.part(range.end - offset..run.bytes));
            }
        }
        let mut at = range.start;
        for run in runs {
            self.0.insert(at, *run);
            at += run.bytes;
        }
    }

    /// What stands in a range; or the first byte that nobody wrote.
    fn read(&self, range: Range<usize>) -> Result<Vec<Run>, usize> {
        let first = self.0.range(..=range.start).next_back().map_or(range.start, |(&offset, _)| offset);
        let (mut runs, mut at) = (Vec::new(), range.start);
        for (&offset, run) in self.0.range(first..range.end).filter(|(offset, run)| **offset + run.bytes > range.start)
        {
            if offset > at {
                return Err(at);
            }
            let end = (offset + run.bytes).min(range.end);
            runs.push(run.part(at - offset..end - offset));
            at = end;
        }
        if at == range.end { Ok(merged(runs)) } else { Err(at) }
    }
}

/// Replays a schedule; contents that are not known yet are taken from what is written.
fn replay(model: &Model<'_>, contents: &mut Contents) -> Result<(), PlanError> {
    let artifact = model.artifact();
    let mut arena = Arena::default();
    let states = (0..artifact.tensor_count()).filter(|&index| artifact.tensor(index).kind == TensorKind::State);
    for index in artifact.io(IoRole::Input).map(|io| usize::from(io.tensor)).chain(states) {
        let tensor = artifact.tensor(index);
        let runs = contents[index].get_or_insert_with(|| fresh(index, &tensor));
        arena.write(tensor.range(), runs);
    }
    let read = |arena: &Arena, contents: &mut Contents, op: usize, index: usize| {
        let tensor = artifact.tensor(index);
        let error = |byte: usize| PlanError::Overwritten { op, tensor: index, byte };
        let found = arena.read(tensor.range()).map_err(error)?;
        let wrong = match &contents[index] {
            Some(wanted) => difference(&found, wanted),
            None => torn(model, contents, &found, &tensor),
        };
        contents[index].get_or_insert(found);
        wrong.map_or(Ok(()), |byte| Err(error(tensor.location + byte)))
    };
    for (number, op) in artifact.ops().enumerate() {
        for position in (0..op.input_count).filter(|&position| op.input(position).in_arena()) {
            read(&arena, contents, number, op.operand(position))?;
        }
        check_bands(number, &op)?;
        let known = |position| contents[op.operand(position)].as_deref().filter(|_| op.input(position).in_arena());
        let known: Vec<Option<&[Run]>> = (0..op.input_count).map(known).collect();
        let (output, index) = (op.output(0), op.operand(op.input_count));
        // What state becomes is another value than what it was.
        let value = if output.kind == TensorKind::State { artifact.tensor_count() + index } else { index };
        let runs = result(op.opcode, op.attributes(), &known, (value, &output));
        arena.write(output.range(), &runs);
        contents[index].get_or_insert(runs);
    }
    for io in artifact.io(IoRole::Output) {
        read(&arena, contents, artifact.op_count(), usize::from(io.tensor))?;
    }
    Ok(())
}

/// The first byte at which merged runs differ.
fn difference(found: &[Run], wanted: &[Run]) -> Option<usize> {
    let mut at = 0;
    for (found, wanted) in found.iter().zip(wanted) {
        if (found.value, found.start) != (wanted.value, wanted.start) {
            return Some(at);
        }
        at += found.bytes.min(wanted.bytes);
        if found.bytes != wanted.bytes {
            return Some(at);
        }
    }
    None
}

/// The first byte of a tensor that no op writes where another part of a value that it covers has been overwritten.
fn torn(model: &Model<'_>, contents: &Contents, found: &[Run], tensor: &Tensor) -> Option<usize> {
    let mut at = tensor.location;
    let covered = |run: &Run| {
        let made = model.artifact().tensor(run.value % contents.len());
        let home = made.location + run.start == at;
        at += run.bytes;
        // Copies elsewhere, and values that are moved elements of others, say nothing about what was here.
        contents.get(run.value)?.as_deref().filter(|runs| home && runs.len() == 1 && runs[0].value == run.value)?;
        let from = made.location.max(tensor.location);
        let to = made.range().end.min(tensor.range().end);
        let part = Run { value: run.value, start: from - made.location, bytes: to - from };
        Some((from - tensor.location, part))
    };
    found.iter().filter_map(covered).find(|(_, run)| !found.contains(run)).map(|(byte, _)| byte)
}

/// Replays the bands of one op byte by byte: no input row may be read after it was overwritten. In place, the rows that
/// are read late must be set aside.
fn check_bands(number: usize, op: &Op<'_>) -> Result<(), PlanError> {
    let (input, output) = (op.input(0), op.output(0));
    let Overlap::Banded { rows: window, in_place } = ops::overlap(op.opcode, op.attributes(), 0, &input, &output)
    else {
        return Ok(());
    };
    let overwritten = |byte: usize| PlanError::Overwritten { op: number, tensor: op.operand(0), byte };
    if input.in_arena() && input.location == output.location && in_place {
        let kept = (window.pad + 1) * input.shape.dimension(2);
        let fits = kept <= bantam_format::overlap::LINE_BUFFER_ELEMENTS && input.shape == output.shape;
        return if fits { Ok(()) } else { Err(overwritten(input.location)) };
    }
    let mut written = vec![false; input.bytes()];
    for band in window.bands(input.location, output.location, op.walk_down) {
        let rows = band.input.start * window.input_row_bytes..band.input.end * window.input_row_bytes;
        if let Some(byte) = rows.clone().find(|&byte| written[byte]) {
            return Err(overwritten(input.location + byte));
        }
        for byte in band.output.start * window.output_row_bytes..band.output.end * window.output_row_bytes {
            let reached = (output.location + byte).checked_sub(input.location);
            if let Some(flag) = reached.and_then(|byte| written.get_mut(byte)) {
                *flag = true;
            }
        }
    }
    Ok(())
}
