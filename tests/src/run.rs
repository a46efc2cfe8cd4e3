//! Running a model once in an arena of exactly the bytes it needs, between guards.

use crate::canary::CanaryArena;
use crate::random::Random;
use bantam::{DataType, Element, Model, RunError, Session, Tensor, ops};

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 8-bit integers.
    I8(Vec<i8>),
    /// 16-bit integers.
    I16(Vec<i16>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Floats.
    F32(Vec<f32>),
}

impl Values {
    /// As they stand in memory.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::I8(values) => values.iter().map(|value| value.cast_unsigned()).collect(),
            Self::I16(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// From what stands in memory.
    pub fn from_bytes(data_type: DataType, bytes: &[u8]) -> Self {
        let words = bytes.as_chunks::<4>().0.iter();
        match data_type {
            DataType::I32 => Self::I32(words.map(|word| i32::from_le_bytes(*word)).collect()),
            DataType::I16 => Self::I16(bytes.as_chunks().0.iter().map(|&half| i16::from_le_bytes(half)).collect()),
            DataType::F32 => Self::F32(words.map(|word| f32::from_le_bytes(*word)).collect()),
            _ => Self::I8(bytes.iter().map(|byte| byte.cast_signed()).collect()),
        }
    }

    /// Arbitrary elements for a tensor: any 8-bit value, floats in [-2, 2).
    pub fn random(tensor: &Tensor, random: &mut Random) -> Self {
        let count = tensor.shape.elements();
        match tensor.data_type {
            DataType::I32 => Self::I32((0..count).map(|_| random.bits() as i32).collect()),
            DataType::I16 => Self::I16((0..count).map(|_| random.bits() as i16).collect()),
            DataType::F32 => Self::F32(random.f32s(count, -2.0, 2.0)),
            _ => Self::I8(random.i8s(count)),
        }
    }

    /// The 8-bit elements.
    pub fn i8s(&self) -> &[i8] {
        match self {
            Self::I8(values) => values,
            other => panic!("not 8-bit: {other:?}"),
        }
    }

    /// The 16-bit elements.
    pub fn i16s(&self) -> &[i16] {
        match self {
            Self::I16(values) => values,
            other => panic!("not 16-bit: {other:?}"),
        }
    }

    /// The 32-bit elements.
    pub fn i32s(&self) -> &[i32] {
        match self {
            Self::I32(values) => values,
            other => panic!("not 32-bit: {other:?}"),
        }
    }

    /// The float elements.
    pub fn f32s(&self) -> &[f32] {
        match self {
            Self::F32(values) => values,
            other => panic!("not float: {other:?}"),
        }
    }
}

/// Fills every input.
pub fn set_inputs(session: &mut Session<'_, '_>, inputs: &[Values]) -> Result<(), RunError> {
    for (index, values) in inputs.iter().enumerate() {
        match values {
            Values::I8(values) => session.input_mut::<i8>(index)?.copy_from_slice(values),
            Values::I16(values) => session.input_mut::<i16>(index)?.copy_from_slice(values),
            Values::I32(values) => session.input_mut::<i32>(index)?.copy_from_slice(values),
            Values::F32(values) => session.input_mut::<f32>(index)?.copy_from_slice(values),
        }
    }
    Ok(())
}

/// Every output.
pub fn outputs(session: &Session<'_, '_>) -> Result<Vec<Values>, RunError> {
    fn read<T: Element>(session: &Session<'_, '_>, index: usize) -> Result<Vec<T>, RunError> {
        session.output::<T>(index).map(<[T]>::to_vec)
    }
    let types = session.model().outputs().map(|output| output.tensor.data_type);
    let values = types.enumerate().map(|(index, data_type)| match data_type {
        DataType::I16 => read(session, index).map(Values::I16),
        DataType::I32 => read(session, index).map(Values::I32),
        DataType::F32 => read(session, index).map(Values::F32),
        _ => read(session, index).map(Values::I8),
    });
    values.collect()
}

/// Arbitrary inputs for a model.
pub fn random_inputs(model: &Model<'_>, random: &mut Random) -> Vec<Values> {
    model.inputs().map(|input| Values::random(&input.tensor, random)).collect()
}

/// One run from initial state in an arena of exactly the bytes needed, which held arbitrary bytes before.
pub fn run(model: &Model<'_>, inputs: &[Values]) -> Vec<Values> {
    run_many(model, &[inputs.to_vec()]).remove(0)
}

/// Runs one after the other in the same session.
pub fn run_many(model: &Model<'_>, runs: &[Vec<Values>]) -> Vec<Vec<Values>> {
    let mut arena = CanaryArena::new(Session::arena_bytes(model, &ops::ALL));
    Random::new(1).fill(arena.bytes_mut());
    let mut session = Session::new(model, arena.bytes_mut(), &ops::ALL).expect("the arena fits");
    let results = runs.iter().map(|inputs| {
        set_inputs(&mut session, inputs).expect("the inputs fit");
        session.run().expect("a parsed model runs");
        outputs(&session).expect("the outputs' types")
    });
    let results = results.collect();
    assert!(arena.intact(), "a run wrote outside its arena");
    results
}

/// Parses `file`, which must be valid and aligned, and runs it once.
pub fn run_file(file: &[u8], inputs: &[Values]) -> Vec<Values> {
    run(&Model::parse(file).expect("a valid artifact"), inputs)
}
