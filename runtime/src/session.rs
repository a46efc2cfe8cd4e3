//! Running a model.

use crate::error::{RunError, SessionError};
use crate::kernels::dispatch::Backend;
use crate::kernels::generic::{PART, Sizes, part, take, take_mut};
use crate::kernels::requantize;
use crate::model::{IoTensor, Model};
use crate::ops::{self, Operators, Task};
use crate::views::{self, Element};
use bantam_format::{Arithmetic, DataType, FILE_ALIGNMENT, Op, Tensor};

/// A model with the memory to run it.
#[derive(Debug)]
pub struct Session<'m, 'a> {
    model: &'m Model<'m>,
    arena: &'a mut [u8],
    operators: &'static Operators,
    backend: Backend,
    pack: &'a mut [u8],
}

/// What [`Session::run_each`] shows after every op.
#[derive(Clone, Copy, Debug)]
pub struct Step<'s> {
    /// The op that has just been run.
    pub op: Op<'s>,
    arena: &'s [u8],
}

impl<'s> Step<'s> {
    /// Output `position` of the op, as bytes.
    pub fn output(&self, position: usize) -> (Tensor, &'s [u8]) {
        let tensor = self.op.output(position);
        (tensor, self.arena.get(tensor.range()).unwrap_or(&[]))
    }
}

impl<'m, 'a> Session<'m, 'a> {
    /// Bytes of arena that a session needs: the model's tensors and the largest scratch of the linked kernels.
    pub fn arena_bytes(model: &Model<'_>, _operators: &Operators) -> usize {
        // The scalar kernels work without scratch.
        model.arena_bytes()
    }

    /// Binds a model to an arena, which must start at a multiple of 16 and have [`Self::arena_bytes`] bytes, and sets
    /// state tensors to their initial values.
    ///
    /// # Errors
    /// The arena does not fit, the table lacks an operator or the arithmetic of the model, or it is for packed sessions
    /// and the model has something to pack.
    pub fn new(model: &'m Model<'m>, arena: &'a mut [u8], operators: &'static Operators) -> Result<Self, SessionError> {
        if operators.needs_packing() {
            return Self::packed(model, arena, operators, &mut []);
        }
        Self::unpacked(model, arena, operators)
    }

    fn unpacked(
        model: &'m Model<'m>,
        arena: &'a mut [u8],
        operators: &'static Operators,
    ) -> Result<Self, SessionError> {
        let (needed, given) = (Self::arena_bytes(model, operators), arena.len());
        if given < needed {
            return Err(SessionError::ArenaTooSmall { needed, given });
        }
        let remainder = arena.as_ptr().addr() % FILE_ALIGNMENT;
        if remainder != 0 {
            return Err(SessionError::ArenaMisaligned { remainder });
        }
        let arithmetic = model.artifact().arithmetic();
        if operators.requantizer(arithmetic).is_none() {
            return Err(SessionError::ArithmeticNotLinked { arithmetic });
        }
        for op in model.artifact().ops() {
            if operators.find(op.opcode).is_none() {
                return Err(SessionError::OperatorNotLinked { op: op.index, opcode: op.opcode });
            }
            match operators.lacks(&op) {
                None => {}
                Some(DataType::F32) => return Err(SessionError::ArithmeticNotLinked { arithmetic: Arithmetic::Float }),
                Some(data_type) => return Err(SessionError::TypeNotLinked { data_type }),
            }
        }
        let mut session = Self { model, arena, operators, backend: Backend::best(), pack: &mut [] };
        session.reset_state();
        Ok(session)
    }

    /// Bytes of the buffer that [`Self::packed`] asks for: the weights in the order this machine's instructions take
    /// them, and scratch memory. 0 where nothing is gained by it.
    pub fn pack_bytes(model: &Model<'_>, operators: &Operators) -> usize {
        Self::pack_bytes_on(Backend::best(), model, operators)
    }

    /// [`Self::pack_bytes`] for a backend of choice.
    #[doc(hidden)]
    pub fn pack_bytes_on(backend: Backend, model: &Model<'_>, operators: &Operators) -> usize {
        let mut total = Sizes::default();
        for op in model.artifact().ops() {
            total.add(measure(backend, operators, op).unwrap_or_default());
        }
        buffer_bytes(model, total)
    }

    /// Like [`Self::new`], with a buffer of [`Self::pack_bytes`] bytes into which the weights are packed once: runs are
    /// several times faster where this machine has vector instructions, with the same results.
    ///
    /// # Errors
    /// As [`Self::new`]; or the buffer does not fit.
    pub fn packed(
        model: &'m Model<'m>,
        arena: &'a mut [u8],
        operators: &'static Operators,
        pack: &'a mut [u8],
    ) -> Result<Self, SessionError> {
        Self::packed_on(Backend::best(), model, arena, operators, pack)
    }

    /// [`Self::packed`] on a backend of choice.
    #[doc(hidden)]
    pub fn packed_on(
        backend: Backend,
        model: &'m Model<'m>,
        arena: &'a mut [u8],
        operators: &'static Operators,
        pack: &'a mut [u8],
    ) -> Result<Self, SessionError> {
        let mut session = Self { backend, ..Self::unpacked(model, arena, operators)? };
        let given = pack.len();
        session.pack = pack;
        let packed = session.pack_weights().filter(|&needed| needed <= given);
        if packed.unwrap_or(0) == 0 {
            // No op has a packed form, or there is no room.
            let needed = Self::pack_bytes_on(backend, model, operators);
            if needed > 0 {
                return Err(SessionError::PackTooSmall { needed, given });
            }
            session.pack = &mut [];
        }
        Ok(session)
    }

    /// Packs the weights of every op that has a packed form, and tells the bytes of the whole buffer. In front stands, for each op,
    /// where its part begins.
    fn pack_weights(&mut self) -> Option<usize> {
        let artifact = self.model.artifact();
        let start = self.pack.as_ptr().align_offset(PART);
        self.pack = core::mem::take(&mut self.pack).get_mut(start..)?;
        let mut rest = &mut *self.pack;
        let offsets = take_mut(&mut rest, artifact.op_count().checked_add(1)?)?;
        let mut total = Sizes::default();
        for (op, start) in artifact.ops().zip(offsets.iter_mut()) {
            *start = u32::try_from(total.packed).ok()?;
            let sizes = measure(self.backend, self.operators, op)?;
            if sizes.packed > 0 {
                let (to, after) = core::mem::take(&mut rest).split_at_mut_checked(sizes.packed)?;
                rest = after;
                evaluate(self.backend, self.operators, op, Task::Pack(to))?;
            }
            total.add(sizes);
        }
        *offsets.last_mut()? = u32::try_from(total.packed).ok()?;
        Some(buffer_bytes(self.model, total))
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// The instruction set that sums of products run on: the scalar one where nothing is packed.
    pub fn backend(&self) -> Backend {
        if self.pack.is_empty() && !self.operators.needs_packing() { Backend::Scalar } else { self.backend }
    }

    /// Sets state tensors back to their initial values.
    pub fn reset_state(&mut self) {
        for (tensor, initial) in self.model.artifact().states() {
            let state = self.arena.get_mut(tensor.range()).unwrap_or(&mut []);
            for (to, from) in state.iter_mut().zip(initial) {
                *to = *from;
            }
        }
    }

    /// Input `index`, to be filled before every run: a run reuses the memory of inputs that are no longer needed.
    ///
    /// # Errors
    /// There is no such input, or its elements are not `T`.
    pub fn input_mut<T: Element>(&mut self, index: usize) -> Result<&mut [T], RunError> {
        let io = self.model.inputs().nth(index).ok_or(RunError::NoSuchTensor { index })?;
        check_type::<T>(&io)?;
        let bytes = self.arena.get_mut(io.tensor.range());
        bytes.and_then(views::slice_mut).ok_or(RunError::NoSuchTensor { index })
    }

    /// Output `index` of the last run.
    ///
    /// # Errors
    /// There is no such output, or its elements are not `T`.
    pub fn output<T: Element>(&self, index: usize) -> Result<&[T], RunError> {
        let io = self.model.outputs().nth(index).ok_or(RunError::NoSuchTensor { index })?;
        check_type::<T>(&io)?;
        let bytes = self.arena.get(io.tensor.range());
        bytes.and_then(views::slice).ok_or(RunError::NoSuchTensor { index })
    }

    /// The bytes of input `index`, little-endian elements of its type: for callers that know types at run time only.
    ///
    /// # Errors
    /// There is no such input.
    pub fn input_bytes_mut(&mut self, index: usize) -> Result<&mut [u8], RunError> {
        let input = self.model.inputs().nth(index);
        let bytes = input.and_then(|io| self.arena.get_mut(io.tensor.range()));
        bytes.ok_or(RunError::NoSuchTensor { index })
    }

    /// The bytes of output `index` of the last run, little-endian elements of its type.
    ///
    /// # Errors
    /// There is no such output.
    pub fn output_bytes(&self, index: usize) -> Result<&[u8], RunError> {
        let output = self.model.outputs().nth(index);
        let bytes = output.and_then(|io| self.arena.get(io.tensor.range()));
        bytes.ok_or(RunError::NoSuchTensor { index })
    }

    /// Runs the schedule once.
    ///
    /// # Errors
    /// None on a parsed model; see [`RunError::Inconsistent`].
    pub fn run(&mut self) -> Result<(), RunError> {
        self.run_each(|_| {})
    }

    /// Runs the schedule once and shows every op's result as soon as it stands: its memory may be reused later.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_each(&mut self, mut after: impl FnMut(Step<'_>)) -> Result<(), RunError> {
        let artifact = self.model.artifact();
        let inconsistent = |op: u32| RunError::Inconsistent { op };
        let requantizer = self.operators.requantizer(artifact.arithmetic()).ok_or(inconsistent(0))?;
        let count = artifact.op_count().saturating_add(1);
        let (mut front, scratch) = if self.pack.is_empty() {
            (&[][..], &mut [][..])
        } else {
            let offsets = part(count);
            let last = self.pack.get(..offsets).and_then(|mut front| take(&mut front, count)?.last().copied());
            let split = usize::try_from(last.unwrap_or(0)).unwrap_or(0).saturating_add(offsets);
            let (front, scratch) = self.pack.split_at_mut_checked(split).ok_or(inconsistent(0))?;
            (&*front, scratch)
        };
        let offsets = take(&mut front, count).unwrap_or(&[]);
        let mut bounds = offsets.windows(2);
        for op in artifact.ops() {
            let packed = match bounds.next() {
                Some(&[start, end]) => front.get(start as usize..end as usize).unwrap_or(&[]),
                _ => &[],
            };
            let operator = self.operators.find(op.opcode).ok_or(inconsistent(op.index))?;
            let task = Task::Run { packed, scratch: &mut *scratch };
            (operator.eval)(op, self.arena, requantizer, self.backend, task).ok_or(inconsistent(op.index))?;
            after(Step { op, arena: self.arena });
        }
        Ok(())
    }
}

/// Bytes of a buffer for all ops together.
fn buffer_bytes(model: &Model<'_>, total: Sizes) -> usize {
    if total.packed == 0 {
        return 0;
    }
    let offsets = part(model.artifact().op_count().saturating_add(1));
    PART.saturating_add(offsets).saturating_add(total.packed).saturating_add(total.scratch)
}

/// What packing an op takes.
fn measure(backend: Backend, operators: &Operators, op: Op<'_>) -> Option<Sizes> {
    let mut sizes = Sizes::default();
    if Backend::PACKS && ops::packs(op.opcode) {
        evaluate(backend, operators, op, Task::Measure(&mut sizes))?;
    }
    Some(sizes)
}

/// Asks an op's evaluation for something else than to run: it has no arena then.
fn evaluate(backend: Backend, operators: &Operators, op: Op<'_>, task: Task<'_>) -> Option<()> {
    (operators.find(op.opcode)?.eval)(op, &mut [], requantize::none, backend, task)
}

fn check_type<T: Element>(io: &IoTensor) -> Result<(), RunError> {
    let expected = io.tensor.data_type;
    if expected == T::DATA_TYPE { Ok(()) } else { Err(RunError::ElementType { expected, given: T::DATA_TYPE }) }
}
