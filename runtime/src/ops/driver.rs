//! How evaluations reach their operands: the arena is split safely, banded ops are walked band by band.

use super::source::{MOVES, Source, links_form, links_only, links_type, only_arithmetic};
use crate::arena::Split;
use crate::kernels::dispatch::Backend;
use crate::kernels::generic::{Place, Sizes};
use crate::kernels::requantize::{Requantization, Requantizer, WideRequantization};
use crate::views::{self, Element};
use bantam_format::ops::{Accumulation, IntegerEpilogue, WideEpilogue};
use bantam_format::overlap::{Band, RowWindow};
use bantam_format::{Arithmetic, DataType, Opcode, Tensor};
use core::cell::Cell;

/// What one evaluation works on.
#[derive(Debug)]
pub(crate) struct Context<'c, S> {
    pub(crate) op: S,
    pub(crate) arena: &'c mut [u8],
    pub(crate) constants: &'c [u8],
    pub(crate) requantizer: Requantizer,
    pub(crate) backend: Backend,
    pub(crate) task: Task<'c>,
}

/// What an evaluation is asked to do. Only opcodes that [`packs`] are asked for anything but to run.
#[derive(Debug)]
pub(crate) enum Task<'c> {
    /// Run, with the op's packed weights (or none) and the scratch memory that they go with.
    Run { packed: &'c [u8], scratch: &'c mut [u8] },
    /// Tell what packing takes.
    Measure(&'c mut Sizes),
    /// Pack the weights.
    Pack(&'c mut [u8]),
}

/// Whether an opcode has a packed form.
pub(crate) fn packs(opcode: Opcode) -> bool {
    matches!(opcode, Opcode::Conv2d | Opcode::DepthwiseConv2d | Opcode::FullyConnected | Opcode::TransposeConv2d)
}

/// The inputs of an op while its output is written.
pub(crate) struct Sources<'a, S> {
    op: S,
    constants: &'a [u8],
    split: Split<'a>,
}

impl<'a, S: Source> Sources<'a, S> {
    /// The elements of input `position`.
    pub fn input<T: Element>(&self, position: usize) -> Option<&'a [T]> {
        let input = self.op.input(position);
        let bytes = if input.in_arena() { self.split.input(input.range()) } else { self.constants.get(input.range()) };
        views::slice(bytes?)
    }
}

impl<'c, S: Source> Context<'c, S> {
    /// The artifact's arithmetic; known to the compiler where only one is linked.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        match only_arithmetic(S::NUMBERS) {
            Some(only) => only,
            None => self.op.arithmetic(),
        }
    }

    /// Whether input 0 has this type; known to the compiler where only one type is linked.
    #[inline(always)]
    pub(crate) fn is(&self, data_type: DataType) -> bool {
        links_type(S::NUMBERS, data_type)
            && (links_only(S::NUMBERS, data_type) || self.op.input(0).data_type == data_type)
    }

    /// Whether output 0 has this type; 16-bit integers are known not to where they are not linked.
    #[inline(always)]
    pub(crate) fn makes(&self, data_type: DataType) -> bool {
        (data_type != DataType::I16 || links_type(S::NUMBERS, data_type)) && self.op.output(0).data_type == data_type
    }

    /// Whether evaluations may compute with the real values that integers stand for; known to the compiler.
    pub(crate) fn links_real_values(&self) -> bool {
        links_type(S::NUMBERS, DataType::F32)
    }

    /// `count` constants from byte `offset` on.
    pub(crate) fn constant<T: Element>(&self, offset: u32, count: usize) -> Option<&'c [T]> {
        views::constant(self.constants, offset, count)
    }

    /// `count` bytes of the constants.
    pub(crate) fn constant_bytes(&self, offset: u32, count: usize) -> Option<&'c [u8]> {
        self.constants.get(usize::try_from(offset).ok()?..)?.get(..count)
    }

    /// An optional bias of `channels` values.
    pub(crate) fn bias<T: Element>(&self, offset: u32, channels: usize) -> Option<&'c [T]> {
        if offset == bantam_format::ABSENT { Some(&[]) } else { self.constant(offset, channels) }
    }

    /// The requantisation of an integer epilogue over `channels` output channels.
    pub(crate) fn requantization(
        &self,
        epilogue: &IntegerEpilogue,
        per_channel: bool,
        channels: usize,
    ) -> Option<Requantization<'c>> {
        let entries = if per_channel { channels } else { 1 };
        let multipliers = self.constant(epilogue.table, entries)?;
        let shifts = match self.arithmetic() {
            Arithmetic::Tflite => {
                let after = epilogue.table.checked_add(u32::try_from(entries.checked_mul(4)?).ok()?)?;
                self.constant(after, entries)?
            }
            _ => &[],
        };
        Some(Requantization {
            requantizer: self.requantizer,
            multipliers,
            shifts,
            per_channel,
            zero_point: i32::from(epilogue.output_zero_point),
            clamp: [i32::from(epilogue.clamp_min), i32::from(epilogue.clamp_max)],
        })
    }

    /// The same of a 16-bit epilogue; `flags` are those of an accumulation.
    pub(crate) fn wide_requantization(
        &self,
        epilogue: &WideEpilogue,
        flags: u8,
        channels: usize,
    ) -> Option<WideRequantization<'c>> {
        let per_channel = flags & Accumulation::PER_CHANNEL != 0;
        let entries = if per_channel { channels } else { 1 };
        let after = epilogue.table.checked_add(u32::try_from(entries.checked_mul(4)?).ok()?)?;
        Some(WideRequantization {
            multipliers: self.constant(epilogue.table, entries)?,
            shifts: self.constant(after, entries)?,
            per_channel,
            short_sums: flags & Accumulation::SHORT_SUMS != 0,
            clamp: [epilogue.clamp_min, epilogue.clamp_max].map(i32::from),
        })
    }

    /// The inputs (from the arena or the constants), and output 0 with which they have no byte in common.
    pub(crate) fn sources<O: Element>(&mut self) -> Option<(Sources<'_, S>, &mut [O])> {
        let (split, output) = Split::new(self.arena, self.op.output(0).range())?.parts();
        Some((Sources { op: self.op, constants: self.constants, split }, views::slice_mut(output)?))
    }

    /// Input `position` and output 0, which have no byte in common.
    pub(crate) fn operands<I: Element, O: Element>(&mut self, position: usize) -> Option<(&[I], &mut [O])> {
        let (sources, output) = self.sources()?;
        Some((sources.input(position)?, output))
    }

    /// Output 0 holding the values of input `position`, for ops that work in place.
    pub(crate) fn in_place<T: Element>(&mut self, position: usize) -> Option<&mut [T]> {
        if links_form(S::NUMBERS, MOVES) {
            self.move_input(position)?;
        }
        views::slice_mut(self.arena.get_mut(self.op.output(0).range())?)
    }

    /// Input 0 and output 0 in the part of the arena that holds both, as bytes.
    pub(crate) fn place(arena: &'c mut [u8], op: &S) -> Option<Place<'c, u8>> {
        let (input, output) = (op.input(0).range(), op.output(0).range());
        let start = input.start.min(output.start);
        let memory = arena.get_mut(start..input.end.max(output.end))?;
        let (input, output) = (input.start.checked_sub(start)?, output.start.checked_sub(start)?);
        Some(Place { memory, input, output, down: op.walks_down() })
    }

    /// The same as 8-bit integers.
    pub(crate) fn place_of_integers(arena: &'c mut [u8], op: &S) -> Option<Place<'c, i8>> {
        let Place { memory, input, output, down } = Self::place(arena, op)?;
        Some(Place { memory: views::slice_mut(memory)?, input, output, down })
    }

    /// Moves the bytes of an input to the output of the same size, which may overlap it in any way.
    pub(crate) fn move_input(&mut self, position: usize) -> Option<()> {
        let (input, output) = (self.op.input(position), self.op.output(0));
        let (from, to) = (input.range(), output.range());
        if !input.in_arena() {
            for (to, from) in self.arena.get_mut(to)?.iter_mut().zip(self.constants.get(from)?) {
                *to = *from;
            }
        } else if from != to {
            let (down, bytes) = (from.start < to.start, Cell::from_mut(&mut *self.arena).as_slice_of_cells());
            let mut pairs = bytes.get(to)?.iter().zip(bytes.get(from)?);
            // Where they overlap, no byte is written before it was read.
            if down {
                while let Some((to, from)) = pairs.next_back() {
                    to.set(from.get());
                }
            } else {
                pairs.for_each(|(to, from)| to.set(from.get()));
            }
        }
        Some(())
    }

    /// Walks an op over bands of output rows, image after image where a batch has several. The kernel gets a band, the
    /// input rows it needs and the output rows it writes.
    pub(crate) fn banded<I: Element, O: Element>(
        &mut self,
        rows: &RowWindow,
        mut kernel: impl FnMut(&Band, &[I], &mut [O]),
    ) -> Option<()> {
        let places = [&self.op.input(0), &self.op.output(0)];
        walk(self.arena, places, self.op.walks_down(), rows, &mut |band, input, output| {
            kernel(band, views::slice(input)?, views::slice_mut(output)?);
            Some(())
        })
    }
}

/// Computes a band from the bytes of its input rows into those of its output rows.
type BandKernel<'k> = dyn FnMut(&Band, &[u8], &mut [u8]) -> Option<()> + 'k;

/// Bands and their bytes; written once for all kernels.
#[inline(never)]
fn walk(
    arena: &mut [u8],
    [input, output]: [&Tensor; 2],
    down: bool,
    rows: &RowWindow,
    kernel: &mut BandKernel<'_>,
) -> Option<()> {
    let input_image = rows.input_rows.checked_mul(rows.input_row_bytes)?;
    let output_image = rows.output_rows.checked_mul(rows.output_row_bytes)?;
    for image in 0..output.bytes().checked_div(output_image)? {
        let input_start = input.location.checked_add(image.checked_mul(input_image)?)?;
        let output_start = output.location.checked_add(image.checked_mul(output_image)?)?;
        for band in rows.bands(input_start, output_start, down) {
            let bytes = |start: usize, rows: &core::ops::Range<usize>, row_bytes: usize| {
                let first = start.checked_add(rows.start.checked_mul(row_bytes)?)?;
                Some(first..start.checked_add(rows.end.checked_mul(row_bytes)?)?)
            };
            let split = Split::new(arena, bytes(output_start, &band.output, rows.output_row_bytes)?)?;
            let input = split.input(bytes(input_start, &band.input, rows.input_row_bytes)?)?;
            kernel(&band, input, split.output)?;
        }
    }
    Some(())
}
