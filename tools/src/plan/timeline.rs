//! How full the arena is at each op.

use bantam::Model;
use bantam_format::{IoRole, Op, TensorKind};

/// When a tensor's bytes are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Tensor index.
    pub tensor: usize,
    /// Offset in the arena.
    pub offset: usize,
    /// Size in bytes.
    pub bytes: usize,
    /// The op that writes it; none for inputs and state.
    pub written_by: Option<usize>,
    /// The last op that reads it; none for outputs and state, which stay.
    pub last_read_by: Option<usize>,
}

impl Lifetime {
    /// Whether the bytes are in use while op `index` runs.
    #[must_use]
    pub fn covers(&self, index: usize) -> bool {
        self.written_by.is_none_or(|first| first <= index) && self.last_read_by.is_none_or(|last| index <= last)
    }
}

/// The lifetimes of all arena tensors, in order of their index. Tensors that nothing touches are left out. A view, which
/// no op writes, lives and dies with the tensor whose bytes it shows.
#[must_use]
pub fn lifetimes(model: &Model<'_>) -> Vec<Lifetime> {
    let artifact = model.artifact();
    let roots = roots(model);
    let mut written: Vec<Option<usize>> = vec![None; roots.len()];
    let mut last_read: Vec<Option<usize>> = vec![None; roots.len()];
    let mut stays: Vec<bool> = (0..roots.len()).map(|t| artifact.tensor(t).kind == TensorKind::State).collect();
    let mut given = stays.clone();
    for (index, op) in artifact.ops().enumerate() {
        for tensor in operands(&op, false) {
            last_read[roots[tensor]] = Some(index);
        }
        for tensor in operands(&op, true) {
            written[roots[tensor]].get_or_insert(index);
        }
    }
    for io in artifact.io(IoRole::Input) {
        given[roots[usize::from(io.tensor)]] = true;
    }
    for io in artifact.io(IoRole::Output) {
        stays[roots[usize::from(io.tensor)]] = true;
    }
    (0..roots.len())
        .map(|tensor| (tensor, roots[tensor], artifact.tensor(tensor)))
        .filter(|(_, _, record)| record.in_arena())
        .filter(|&(_, root, _)| given[root] || stays[root] || written[root].is_some())
        .map(|(tensor, root, record)| Lifetime {
            tensor,
            offset: record.location,
            bytes: record.bytes(),
            written_by: if given[root] { None } else { written[root] },
            last_read_by: if stays[root] { None } else { last_read[root].or(written[root]) },
        })
        .collect()
}

/// The tensors an op reads or writes.
fn operands(op: &Op<'_>, outputs: bool) -> Vec<usize> {
    let range = if outputs { op.input_count..op.input_count + op.output_count } else { 0..op.input_count };
    range.map(|position| op.operand(position)).collect()
}

/// For each tensor itself, or, of views, the tensor whose bytes it shows when it is first used.
fn roots(model: &Model<'_>) -> Vec<usize> {
    let artifact = model.artifact();
    let mut roots: Vec<usize> = (0..artifact.tensor_count()).collect();
    let mut defined: Vec<bool> = roots.iter().map(|&t| artifact.tensor(t).kind == TensorKind::State).collect();
    let mut owner: Vec<Option<usize>> = vec![None; artifact.arena_bytes()];
    let claim = |owner: &mut [Option<usize>], defined: &mut [bool], tensor: usize| {
        defined[tensor] = true;
        owner[artifact.tensor(tensor).range()].fill(Some(tensor));
    };
    for tensor in 0..defined.len() {
        if defined[tensor] {
            claim(&mut owner, &mut defined, tensor);
        }
    }
    for io in artifact.io(IoRole::Input) {
        claim(&mut owner, &mut defined, usize::from(io.tensor));
    }
    let mut look = |owner: &[Option<usize>], defined: &mut [bool], tensor: usize| {
        let record = artifact.tensor(tensor);
        if record.in_arena() && !defined[tensor] {
            defined[tensor] = true;
            roots[tensor] = owner.get(record.location).copied().flatten().unwrap_or(tensor);
        }
    };
    for op in artifact.ops() {
        operands(&op, false).into_iter().for_each(|tensor| look(&owner, &mut defined, tensor));
        operands(&op, true).into_iter().for_each(|tensor| claim(&mut owner, &mut defined, tensor));
    }
    artifact.io(IoRole::Output).for_each(|io| look(&owner, &mut defined, usize::from(io.tensor)));
    roots
}

/// Bytes of the arena in use while each op runs; bytes shared by several tensors count once.
#[must_use]
pub fn occupancy(model: &Model<'_>) -> Vec<usize> {
    let lifetimes = lifetimes(model);
    (0..model.artifact().op_count())
        .map(|op| {
            let mut live: Vec<_> =
                lifetimes.iter().filter(|l| l.covers(op)).map(|l| (l.offset, l.offset + l.bytes)).collect();
            live.sort_unstable();
            let mut end = 0;
            live.iter().fold(0, |total, &(from, to)| {
                let fresh = to.saturating_sub(from.max(end));
                end = end.max(to);
                total + fresh
            })
        })
        .collect()
}

/// The arena while op `index` runs, in `columns` characters of equal size: `i` read by the op, `o` written by it, `x`
/// both, `#` kept for later, `.` free. A character stands for what is most telling in its bytes, in the order `x`, `o`,
/// `i`, `#`.
#[must_use]
pub fn picture(model: &Model<'_>, lifetimes: &[Lifetime], index: usize, columns: usize) -> String {
    let Some(op) = model.artifact().op(index) else { return String::new() };
    let arena = model.arena_bytes().max(1);
    let (reads, writes) = (operands(&op, false), operands(&op, true));
    let ranges = |tensors: &[usize]| -> Vec<_> {
        let records = tensors.iter().map(|&tensor| model.artifact().tensor(tensor));
        records.filter(bantam::Tensor::in_arena).map(|record| record.range()).collect()
    };
    let (reads, writes) = (ranges(&reads), ranges(&writes));
    let live: Vec<_> = lifetimes.iter().filter(|l| l.covers(index)).map(|l| l.offset..l.offset + l.bytes).collect();
    let column = |column: usize| {
        let bytes = column * arena / columns..((column + 1) * arena / columns).max(column * arena / columns + 1);
        let touches =
            |ranges: &[std::ops::Range<usize>]| ranges.iter().any(|r| r.start < bytes.end && bytes.start < r.end);
        match (touches(&reads), touches(&writes), touches(&live)) {
            (true, true, _) => 'x',
            (false, true, _) => 'o',
            (true, false, _) => 'i',
            (false, false, true) => '#',
            (false, false, false) => '.',
        }
    };
    (0..columns).map(column).collect()
}
