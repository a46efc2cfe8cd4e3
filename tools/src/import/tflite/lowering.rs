//! What the lowering of one operator works with.

use super::constants;
use super::flatbuffer::{FlatbufferError, Table};
use super::schema::{Operator, TensorInfo, kind};
use crate::graph::ops::Dequantize;
use crate::graph::{Activation, Op, ValueId};
pub(super) use crate::import::error::refuse;
use crate::import::{Emitter, Reason};
use crate::tensor::{Data, DataType, Tensor};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

/// The lowering of one operator.
pub(super) type Function = fn(&mut Lowering<'_, '_>) -> Result<(), Reason>;

/// What a tensor of the file is in the graph.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Slot {
    /// Nothing has made it yet.
    #[default]
    Empty,
    /// A value.
    Made(Stored),
    /// A result of an operator that could not be lowered.
    Failed,
}

/// How wide sums over 16-bit values are in the reference kernel of an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sums {
    /// As the bias; without one, 64 bits.
    AsBias,
    /// 64 bits.
    Long,
}

/// A tensor's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    /// As it is stored: integers where it is quantised.
    pub(super) value: ValueId,
    /// The real numbers that these integers stand for.
    pub(super) real: Option<ValueId>,
}

/// The tensors of a subgraph, in the file and in the graph.
pub(super) struct Tensors<'a> {
    pub(super) infos: &'a [TensorInfo<'a>],
    pub(super) buffers: &'a [&'a [u8]],
    /// What the tensors are called.
    pub(super) names: Vec<&'a str>,
    pub(super) slots: Vec<Slot>,
    /// What is kept between runs, by name.
    pub(super) variables: BTreeMap<String, Variable>,
    /// The variable that a handle stands for.
    pub(super) handles: BTreeMap<usize, String>,
    /// Variables' first values, by name.
    pub(super) initial: BTreeMap<String, Tensor>,
}

/// A variable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    /// What a run finds there, if it reads it before it writes it.
    pub(super) read: Option<ValueId>,
    /// Its real numbers or elements as of now.
    pub(super) now: ValueId,
}

impl<'a> Tensors<'a> {
    /// The elements of a tensor that the file holds.
    pub(super) fn constant(&self, index: usize) -> Option<&'a [u8]> {
        let info = self.infos.get(index)?;
        let bytes = self.buffers.get(info.buffer).copied().unwrap_or_default();
        let empty = info.shape.contains(&0);
        (!info.is_variable && (empty || !bytes.is_empty())).then_some(bytes)
    }
}

/// One operator on its way into the graph.
pub(super) struct Lowering<'l, 'a> {
    emitter: Emitter<'l>,
    operator: &'l Operator<'a, 'a>,
    operator_name: &'static str,
    tensors: &'l mut Tensors<'a>,
}

impl<'l> Deref for Lowering<'l, '_> {
    type Target = Emitter<'l>;

    fn deref(&self) -> &Emitter<'l> {
        &self.emitter
    }
}

impl DerefMut for Lowering<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.emitter
    }
}

impl From<FlatbufferError> for Reason {
    fn from(error: FlatbufferError) -> Self {
        Self::Operand(error.to_string())
    }
}

impl<'l, 'a> Lowering<'l, 'a> {
    pub(super) fn new(
        emitter: Emitter<'l>,
        operator: &'l Operator<'a, 'a>,
        operator_name: &'static str,
        tensors: &'l mut Tensors<'a>,
    ) -> Self {
        Self { emitter, operator, operator_name, tensors }
    }

    /// The operator's name.
    pub(super) fn operator(&self) -> &'static str {
        self.operator_name
    }

    /// The options, if they are of this kind; an operator without has the defaults.
    pub(super) fn options(&self, kind: u8) -> Options<'a> {
        Options(self.operator.options.filter(|_| self.operator.options_kind == kind))
    }

    /// The number of operands, left-out ones included.
    pub(super) fn input_count(&self) -> usize {
        self.operator.inputs.len()
    }

    /// The number of results.
    pub(super) fn output_count(&self) -> usize {
        self.operator.outputs.len()
    }

    /// Whether an operand is given.
    pub(super) fn has_input(&self, index: usize) -> bool {
        self.operator.inputs.get(index).is_some_and(|&tensor| tensor >= 0)
    }

    /// The tensor that an operand names.
    fn tensor(&self, index: usize) -> Result<usize, Reason> {
        let tensor = self.operator.inputs.get(index).and_then(|&tensor| usize::try_from(tensor).ok());
        tensor.filter(|&tensor| tensor < self.tensors.infos.len()).ok_or(Reason::MissingOperand { index })
    }

    /// What the file says about an operand.
    pub(super) fn info(&self, index: usize) -> Result<&'a TensorInfo<'a>, Reason> {
        Ok(&self.tensors.infos[self.tensor(index)?])
    }

    /// The type of the elements that the file gives a result.
    pub(super) fn result_type(&self, index: usize) -> Result<DataType, Reason> {
        constants::data_type(&self.tensors.infos[self.result(index)?])
    }

    /// The tensor that a result names.
    fn result(&self, index: usize) -> Result<usize, Reason> {
        let tensor = self.operator.outputs.get(index).and_then(|&tensor| usize::try_from(tensor).ok());
        tensor
            .filter(|&tensor| tensor < self.tensors.infos.len())
            .ok_or_else(|| Reason::Operand(format!("its result {index} is not a tensor of the file")))
    }

    /// The tensors of the file and their values.
    pub(super) fn tensors(&mut self) -> &mut Tensors<'a> {
        self.tensors
    }

    /// What the file says about a result.
    pub(super) fn result_info(&self, index: usize) -> Result<&'a TensorInfo<'a>, Reason> {
        Ok(&self.tensors.infos[self.result(index)?])
    }

    /// A name for the variable that an operand is, unlike that of any handle.
    pub(super) fn variable(&self, index: usize) -> Result<String, Reason> {
        Ok(format!("{}#{}", self.info(index)?.name, self.tensor(index)?))
    }

    /// Marks a result as a handle of a variable.
    pub(super) fn set_handle(&mut self, index: usize, name: String) -> Result<(), Reason> {
        let tensor = self.result(index)?;
        self.tensors.handles.insert(tensor, name);
        let value = self.emit_constant(Tensor::scalar(0i32))?;
        self.tensors.slots[tensor] = Slot::Made(Stored { value, real: None });
        Ok(())
    }

    /// The name of the variable that an operand is the handle of.
    pub(super) fn handle(&self, index: usize) -> Result<String, Reason> {
        let name = self.tensors.handles.get(&self.tensor(index)?);
        name.cloned().ok_or_else(|| Reason::Operand(format!("operand {index} is no variable")))
    }

    /// How the integers of an operand stand for real numbers; nothing where they stand for themselves.
    pub(super) fn quantization(&self, index: usize) -> Result<Option<Dequantize>, Reason> {
        constants::quantization(self.info(index)?)
    }

    /// An operand's real numbers where it is quantised, its elements otherwise.
    pub(super) fn input(&mut self, index: usize) -> Result<ValueId, Reason> {
        let tensor = self.tensor(index)?;
        real(&mut self.emitter, self.tensors, tensor)
    }

    /// All operands.
    pub(super) fn inputs(&mut self) -> Result<Vec<ValueId>, Reason> {
        (0..self.input_count()).map(|index| self.input(index)).collect()
    }

    /// An operand as it is stored: integers where it is quantised, unsigned ones less 128.
    pub(super) fn stored(&mut self, index: usize) -> Result<ValueId, Reason> {
        let real = self.input(index)?;
        match self.tensors.slots[self.tensor(index)?] {
            Slot::Made(Stored { value, .. }) => Ok(value),
            Slot::Empty | Slot::Failed => Ok(real),
        }
    }

    /// Scale and zero point of an operand that has one of each.
    pub(super) fn scale(&self, index: usize) -> Result<(f32, i32), Reason> {
        match self.quantization(index)? {
            Some(Dequantize { scales, zero_points, axis: None }) => Ok((scales[0], zero_points[0])),
            _ => Err(Reason::Operand(format!("operand {index} must have one scale"))),
        }
    }

    /// The elements of an operand as the file holds them.
    pub(super) fn constant(&self, index: usize) -> Result<Tensor, Reason> {
        let bytes = self.tensors.constant(self.tensor(index)?).ok_or_else(|| self.not_constant(index))?;
        constants::load(self.info(index)?, bytes)
    }

    /// The elements of an operand that must be an integer constant.
    pub(super) fn integers(&mut self, index: usize) -> Result<Vec<i64>, Reason> {
        let value = self.input(index)?;
        let tensor = self.known(value).ok_or_else(|| self.not_constant(index))?;
        match tensor.data_type() {
            DataType::I64 | DataType::I32 => Ok(tensor.to_i64()),
            got => Err(Reason::Operand(format!("operand {index} must hold integers, got {got}"))),
        }
    }

    /// The one integer of an operand.
    pub(super) fn integer(&mut self, index: usize) -> Result<i64, Reason> {
        match self.integers(index)?.as_slice() {
            &[number] => Ok(number),
            other => Err(Reason::Operand(format!("operand {index} must be one number, got {}", other.len()))),
        }
    }

    fn not_constant(&self, index: usize) -> Reason {
        let name = self.info(index).map_or_else(|_| String::new(), |info| info.name.to_owned());
        Reason::NotConstant { index, name }
    }

    /// The bias at an operand, of an operator with the weights at another: integers count at input scale times weight
    /// scale, whatever the file says about them, as the interpreter takes them.
    pub(super) fn bias(
        &mut self,
        index: usize,
        input_index: usize,
        weights: usize,
        sums: Sums,
    ) -> Result<Option<ValueId>, Reason> {
        if !self.has_input(index) {
            return Ok(None);
        }
        let info = self.info(index)?;
        let (Some(input), Some(weights)) = (self.quantization(input_index)?, self.quantization(weights)?) else {
            return self.input(index).map(Some);
        };
        let tensor = self.constant(index)?;
        if !matches!(info.kind, kind::I32 | kind::I64) {
            return Err(Reason::Operand(format!("a bias of type {} is not supported", kind::name(info.kind))));
        }
        // Over 16-bit values its type tells how wide sums are; those of 8-bit values have 32 bits.
        let wide = self.info(input_index)?.kind == kind::I16;
        let short: Option<Vec<i32>> = tensor.to_i64().into_iter().map(|word| i32::try_from(word).ok()).collect();
        let integers = match short {
            Some(words) if !wide || (sums == Sums::AsBias && info.kind == kind::I32) => Tensor::vector(words),
            None if !wide => return Err(Reason::Operand("a bias beyond 32 bits is not supported".to_owned())),
            _ => Tensor::vector(tensor.to_i64()),
        };
        let scales: Vec<f32> = weights.scales.iter().map(|scale| input.scales[0] * scale).collect();
        let axis = (scales.len() > 1).then_some(0);
        let dequantize = Dequantize { zero_points: vec![0; scales.len()], scales, axis };
        let integers = self.emit_constant(integers)?;
        self.emit(Op::Dequantize(dequantize), &[integers]).map(Some)
    }

    /// Makes `value` the operator's result `index`: quantised where the file says so, and in the shape that the file
    /// gives it.
    pub(super) fn set_output(&mut self, index: usize, value: ValueId) -> Result<(), Reason> {
        let tensor = self.result(index)?;
        let info = &self.tensors.infos[tensor];
        let shape = constants::shape(info)?;
        let value = self.reshape(value, &shape)?;
        let (own, expected) = (self.data_type(value), constants::data_type(info)?);
        let quantization = constants::quantization(info)?.filter(|_| own == DataType::F32);
        let stored = match quantization {
            None if own == expected => Stored { value, real: None },
            Some(own) => {
                let quantize = constants::quantize(info, &own)?;
                Stored { value: self.emit(Op::Quantize(quantize), &[value])?, real: None }
            }
            None => {
                return Err(Reason::Operand(format!(
                    "its result `{}` of type {} is not supported",
                    info.name,
                    kind::name(info.kind)
                )));
            }
        };
        self.emitter.rename(stored.value, self.tensors.names[tensor]);
        self.tensors.slots[tensor] = Slot::Made(stored);
        Ok(())
    }

    /// Clamps a result as a fused activation asks for.
    pub(super) fn activate(&mut self, value: ValueId, activation: Activation) -> Result<ValueId, Reason> {
        if activation.is_none() { Ok(value) } else { self.emit(Op::Clip(activation), &[value]) }
    }
}

/// A tensor's real numbers where it is quantised, its elements otherwise.
pub(super) fn real(emitter: &mut Emitter<'_>, tensors: &mut Tensors<'_>, tensor: usize) -> Result<ValueId, Reason> {
    let info = &tensors.infos[tensor];
    let stored = match tensors.slots[tensor] {
        Slot::Made(Stored { real: Some(real), .. }) => return Ok(real),
        Slot::Made(stored) => stored,
        Slot::Empty | Slot::Failed => {
            if info.is_variable {
                let text = format!("it keeps `{}` between runs, which is not supported", info.name);
                return Err(Reason::Operand(text));
            }
            let bytes = tensors
                .constant(tensor)
                .ok_or_else(|| Reason::Operand(format!("it reads `{}`, which nothing before it makes", info.name)))?;
            let loaded = constants::load(info, bytes)?;
            let loaded = if info.kind == kind::U8 && constants::quantization(info)?.is_some() {
                signed(&loaded)?
            } else {
                loaded
            };
            let value = emitter.emit_constant(loaded)?;
            emitter.rename(value, tensors.names[tensor]);
            Stored { value, real: None }
        }
    };
    let quantized = !matches!(info.kind, kind::I32 | kind::I64)
        && matches!(emitter.data_type(stored.value), DataType::I8 | DataType::I16);
    let quantization = constants::quantization(info)?.filter(|_| quantized);
    let real = match quantization {
        None => stored.value,
        Some(mut dequantize) => {
            if info.kind == kind::U8 {
                dequantize.zero_points.iter_mut().for_each(|zero_point| *zero_point -= 128);
            }
            let real = emitter.emit(Op::Dequantize(dequantize), &[stored.value])?;
            emitter.rename(real, tensors.names[tensor]);
            real
        }
    };
    tensors.slots[tensor] = Slot::Made(Stored { real: Some(real), ..stored });
    Ok(real)
}

/// Unsigned integers less 128.
fn signed(tensor: &Tensor) -> Result<Tensor, Reason> {
    let items = tensor.as_slice::<u8>()?.iter().map(|&item| (item ^ 0x80).cast_signed()).collect();
    Ok(Tensor::new(tensor.shape().to_vec(), Data::I8(items))?)
}

/// An operator's options.
#[derive(Clone, Copy)]
pub(super) struct Options<'a>(Option<Table<'a, 'a>>);

impl Options<'_> {
    /// A number, or `default` where it is left out.
    pub(super) fn int(self, field: usize, default: i32) -> Result<i32, Reason> {
        Ok(self.0.map_or(Ok(default), |table| table.int(field, default))?)
    }

    /// A number that counts something: at least 1.
    pub(super) fn count(self, field: usize, what: &str, default: i32) -> Result<usize, Reason> {
        let number = self.int(field, default)?;
        usize::try_from(number)
            .ok()
            .filter(|&number| number > 0)
            .ok_or_else(|| refuse(what, number.to_string(), "which must be at least 1"))
    }

    /// A small number, 0 where it is left out.
    pub(super) fn byte(self, field: usize) -> Result<u8, Reason> {
        Ok(self.0.map_or(Ok(0), |table| table.byte(field, 0))?)
    }

    /// A truth value, false where it is left out.
    pub(super) fn flag(self, field: usize) -> Result<bool, Reason> {
        Ok(self.byte(field)? != 0)
    }

    /// A float, 0 where it is left out.
    pub(super) fn float(self, field: usize) -> Result<f32, Reason> {
        Ok(self.0.map_or(Ok(0.0), |table| table.float(field))?)
    }

    /// A text, empty where it is left out.
    pub(super) fn text(self, field: usize) -> Result<String, Reason> {
        Ok(self.0.map_or(Ok(""), |table| table.text(field))?.to_owned())
    }

    /// A list of numbers, empty where it is left out.
    pub(super) fn ints(self, field: usize) -> Result<Vec<i32>, Reason> {
        Ok(self.0.map_or_else(|| Ok(Vec::new()), |table| table.ints(field))?)
    }

    /// The clamp of a fused activation.
    pub(super) fn activation(self, field: usize) -> Result<Activation, Reason> {
        match self.byte(field)? {
            0 => Ok(Activation::NONE),
            1 => Ok(Activation::RELU),
            2 => Ok(Activation { min: -1.0, max: 1.0 }),
            3 => Ok(Activation::RELU6),
            4 => Err(refuse("fused_activation_function", "TANH", "a rectifier or none is supported")),
            other => Err(refuse("fused_activation_function", other.to_string(), "a rectifier or none is supported")),
        }
    }
}
