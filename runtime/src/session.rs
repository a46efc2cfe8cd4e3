//! Running a model.

use crate::error::{RunError, SessionError};
use crate::model::{IoTensor, Model};
use crate::ops::{Context, Operators};
use crate::views::{self, Element};
use bantam_format::{FILE_ALIGNMENT, Op, Tensor};

/// A model with the memory to run it.
#[derive(Debug)]
pub struct Session<'m, 'a> {
    model: &'m Model<'m>,
    arena: &'a mut [u8],
    operators: &'static Operators,
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
    /// The arena does not fit, or the table lacks an operator or the arithmetic of the model.
    pub fn new(model: &'m Model<'m>, arena: &'a mut [u8], operators: &'static Operators) -> Result<Self, SessionError> {
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
        }
        let mut session = Self { model, arena, operators };
        session.reset_state();
        Ok(session)
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
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
        for op in artifact.ops() {
            let operator = self.operators.find(op.opcode).ok_or(inconsistent(op.index))?;
            let mut context = Context { op, arena: self.arena, constants: artifact.constants(), requantizer };
            (operator.eval)(&mut context).ok_or(inconsistent(op.index))?;
            after(Step { op, arena: self.arena });
        }
        Ok(())
    }
}

fn check_type<T: Element>(io: &IoTensor) -> Result<(), RunError> {
    let expected = io.tensor.data_type;
    if expected == T::DATA_TYPE { Ok(()) } else { Err(RunError::ElementType { expected, given: T::DATA_TYPE }) }
}
