//! How full the arena is at each op.

use bantam::Model;
use bantam_format::{IoRole, Tensor, TensorKind};

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

/// The lifetimes of all arena tensors, in order of their index. Tensors that nothing touches are left out.
#[must_use]
pub fn lifetimes(model: &Model<'_>) -> Vec<Lifetime> {
    let artifact = model.artifact();
    let is_io = |role: IoRole, tensor: usize| artifact.io(role).any(|io| usize::from(io.tensor) == tensor);
    let lifetime = |tensor: usize, record: Tensor| {
        let reads = |op: &bantam_format::Op<'_>| (0..op.input_count).any(|i| op.operand(i) == tensor);
        let writes =
            |op: &bantam_format::Op<'_>| (0..op.output_count).any(|i| op.operand(op.input_count + i) == tensor);
        let first_read = artifact.ops().position(|op| reads(&op));
        let written_by = artifact.ops().position(|op| writes(&op));
        let last_read_by = artifact.ops().filter(reads).last().map(|op| op.index as usize);
        let state = record.kind == TensorKind::State;
        let (input, output) = (is_io(IoRole::Input, tensor), is_io(IoRole::Output, tensor));
        if !(state || input || output || written_by.is_some() || first_read.is_some()) {
            return None;
        }
        // A view that no op writes begins where it is first read.
        let begins = if input || state { None } else { written_by.or(first_read) };
        Some(Lifetime {
            tensor,
            offset: record.location,
            bytes: record.bytes(),
            written_by: begins,
            last_read_by: if output || state { None } else { last_read_by.or(written_by) },
        })
    };
    (0..artifact.tensor_count())
        .map(|tensor| (tensor, artifact.tensor(tensor)))
        .filter(|(_, record)| record.in_arena())
        .filter_map(|(tensor, record)| lifetime(tensor, record))
        .collect()
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
