//! Integers and truth values, which devices hold as 32-bit integers: their conversions, and how the narrower types wrap.

use super::builder::{Builder, Form, Refusal};
use crate::graph::{Activation, Node, ValueId};
use crate::tensor::DataType as HostType;
use bantam_format::Opcode;
use bantam_format::ops::{BinaryKind, FloatBinary, WordBinary};

/// The attributes of a binary op on words.
fn attributes(kind: BinaryKind) -> Vec<u8> {
    let mut attributes = Vec::new();
    WordBinary { kind: kind.code(), reserved: [0; 3] }.write(&mut attributes);
    attributes
}

/// Computations on words on behalf of one node, of one shape.
pub(super) struct Words<'b, 'g, 'n> {
    pub builder: &'b mut Builder<'g>,
    pub name: &'n str,
    pub shape: Vec<usize>,
}

impl Words<'_, '_, '_> {
    /// `first kind second`, both of which broadcast to the shape.
    pub fn apply(&mut self, kind: BinaryKind, first: u16, second: u16) -> u16 {
        self.emit(kind, attributes(kind), [first, second])
    }

    /// Where two tensors of floats are equal.
    fn equal_floats(&mut self, first: u16, second: u16) -> u16 {
        let (kind, Activation { min, max }) = (BinaryKind::Equal, Activation::NONE);
        let mut attributes = Vec::new();
        FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
        self.emit(kind, attributes, [first, second])
    }

    fn emit(&mut self, kind: BinaryKind, attributes: Vec<u8>, inputs: [u16; 2]) -> u16 {
        let result = self.builder.temporary(&format!("{}/{}", self.name, kind.name()), Form::Word, &self.shape);
        self.builder.emit(self.name, Opcode::Binary, inputs.to_vec(), result, attributes);
        result
    }

    /// `first kind number`.
    pub fn with(&mut self, kind: BinaryKind, first: u16, number: i32) -> u16 {
        let number = self.builder.word(self.name, number);
        self.apply(kind, first, number)
    }
}

fn words<'b, 'g, 'n>(builder: &'b mut Builder<'g>, node: &'n Node) -> Words<'b, 'g, 'n> {
    let shape = builder.graph.value(node.output()).shape.clone();
    Words { builder, name: &node.name, shape }
}

/// Gives the last op's result to the node instead of a temporary tensor.
fn finish(builder: &mut Builder<'_>, node: &Node) {
    let output = builder.activation(node.output());
    if let Some(last) = builder.ops.last_mut() {
        last.outputs = vec![output];
    }
}

/// Whether a value has an integer type of 8 or 16 bits, whose arithmetic wraps earlier than that of words.
pub(super) fn is_narrow(builder: &Builder<'_>, value: ValueId) -> bool {
    matches!(builder.graph.value(value).dtype, HostType::I8 | HostType::U8 | HostType::I16)
}

/// Integers that stand for real numbers are only moved and read.
fn expect_words(builder: &Builder<'_>, node: &Node) -> Result<(), Refusal> {
    match builder.form(node.output()) {
        Form::Word => Ok(()),
        _ => Err("arithmetic on the integers of quantised values is not supported on devices".into()),
    }
}

/// Wraps words to the narrow type of the node's result.
fn wrap(builder: &mut Builder<'_>, node: &Node, value: u16) {
    let (half, signed) = match builder.graph.value(node.output()).dtype {
        HostType::I16 => (1 << 15, true),
        other => (1 << 7, other == HostType::I8),
    };
    let mut words = words(builder, node);
    if signed {
        let shifted = words.with(BinaryKind::Add, value, half);
        let low = words.with(BinaryKind::And, shifted, 2 * half - 1);
        words.with(BinaryKind::Sub, low, half);
    } else {
        words.with(BinaryKind::And, value, 2 * half - 1);
    }
    finish(builder, node);
}

/// Sums, differences and products of narrow integers.
pub(super) fn lower_narrow(
    builder: &mut Builder<'_>,
    node: &Node,
    kind: BinaryKind,
    operands: [ValueId; 2],
) -> Result<(), Refusal> {
    expect_words(builder, node)?;
    let [first, second] = operands.map(|operand| builder.read(operand, Form::Word));
    let value = words(builder, node).apply(kind, first, second);
    wrap(builder, node, value);
    Ok(())
}

/// What is left of a division, with the divisor's sign: the remainder, plus the divisor where their signs differ.
pub(super) fn lower_modulo(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    if builder.graph.value(node.output()).dtype == HostType::F32 {
        return Err("the modulus of floating-point numbers is not supported on devices".into());
    }
    let [first, second] = [0, 1].map(|operand| builder.read(node.inputs[operand], Form::Word));
    let mut words = words(builder, node);
    let remainder = words.apply(BinaryKind::Remainder, first, second);
    let signs = words.apply(BinaryKind::Xor, remainder, second);
    let differ = words.with(BinaryKind::Less, signs, 0);
    let is_zero = words.with(BinaryKind::Equal, remainder, 0);
    let adjusts = words.apply(BinaryKind::Greater, differ, is_zero);
    let adjustment = words.apply(BinaryKind::Mul, adjusts, second);
    words.apply(BinaryKind::Add, remainder, adjustment);
    finish(builder, node);
    Ok(())
}

/// Any conversion. Words stand for every integer type and for truth values; floats are cut towards zero and saturate.
pub(super) fn lower_cast(builder: &mut Builder<'_>, node: &Node, to: HostType) -> Result<(), Refusal> {
    let input = node.inputs[0];
    if to != HostType::F32 {
        expect_words(builder, node)?;
    }
    match (builder.graph.value(input).dtype, to) {
        (HostType::F32, HostType::F32) => super::movement::lower_reshape(builder, node),
        (HostType::F32, HostType::Bool) => {
            // Neither 0 nor -0.
            let source = builder.read(input, Form::Float);
            let zero = builder.float_constant(&node.name, &[], &[0.0]);
            let mut words = words(builder, node);
            let is_zero = words.equal_floats(source, zero);
            words.with(BinaryKind::Equal, is_zero, 0);
            finish(builder, node);
            Ok(())
        }
        (HostType::F32, _) => {
            let source = builder.read(input, Form::Float);
            let range = match to {
                HostType::I16 => Some([i16::MIN.into(), i16::MAX.into()]),
                HostType::I8 => Some([i8::MIN.into(), i8::MAX.into()]),
                HostType::U8 => Some([0, u8::MAX.into()]),
                _ => None,
            };
            let Some([low, high]) = range else {
                return builder.op(node, Opcode::Cast, vec![source], vec![]);
            };
            let shape = builder.graph.value(input).shape.clone();
            let whole = builder.temporary(&format!("{}/whole", node.name), Form::Word, &shape);
            builder.emit(&node.name, Opcode::Cast, vec![source], whole, vec![]);
            let mut words = words(builder, node);
            let above = words.with(BinaryKind::Max, whole, low);
            words.with(BinaryKind::Min, above, high);
            finish(builder, node);
            Ok(())
        }
        (_, HostType::F32) => {
            builder.make_float(node.output());
            let source = builder.read(input, Form::Word);
            builder.op(node, Opcode::Cast, vec![source], vec![])
        }
        (HostType::I32 | HostType::I64, HostType::I8 | HostType::U8 | HostType::I16)
        | (HostType::I8 | HostType::I16, HostType::U8)
        | (HostType::U8 | HostType::I16, HostType::I8) => {
            let source = builder.read(input, Form::Word);
            wrap(builder, node, source);
            Ok(())
        }
        (HostType::I32 | HostType::I64 | HostType::I16 | HostType::I8 | HostType::U8, HostType::Bool) => {
            let source = builder.read(input, Form::Word);
            let mut words = words(builder, node);
            let is_zero = words.with(BinaryKind::Equal, source, 0);
            words.with(BinaryKind::Equal, is_zero, 0);
            finish(builder, node);
            Ok(())
        }
        _ => {
            let source = builder.read(input, Form::Word);
            builder.alias(node.output(), source);
            Ok(())
        }
    }
}
