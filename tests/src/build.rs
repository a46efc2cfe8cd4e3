//! Building small models: tensors are placed one behind the other unless a test says where, and the writer computes
//! what it can.

use crate::parts::Record;
use crate::quantization::Quantization;
use crate::run::Values;
use bantam_format::ops::{Epilogue, FloatEpilogue, Window};
use bantam_format::writer::{Constants, ModelDescription, OpDescription, TensorDescription, write};
use bantam_format::{AlignedBytes, Arithmetic, DataType, IoRecord, LoadError, Opcode, StateRecord, TensorKind};

/// Collects a model.
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    description: ModelDescription,
    constants: Constants,
    end: u32,
}

impl ModelBuilder {
    /// No tensors, no ops.
    pub fn new(arithmetic: Arithmetic) -> Self {
        let description = ModelDescription {
            arithmetic,
            tensors: Vec::new(),
            ops: Vec::new(),
            constants: Vec::new(),
            io: Vec::new(),
            states: Vec::new(),
            macs: 0,
            preprocessing: vec![],
            labels: Vec::new(),
            card: String::new(),
            debug: false,
        };
        Self { description, constants: Constants::default(), end: 0 }
    }

    /// An arena tensor behind all others.
    pub fn tensor(&mut self, data_type: DataType, dimensions: &[u32]) -> u16 {
        self.tensor_at(data_type, dimensions, self.end.next_multiple_of(4))
    }

    /// An arena tensor at a byte offset.
    pub fn tensor_at(&mut self, data_type: DataType, dimensions: &[u32], location: u32) -> u16 {
        self.end = self.end.max(location + bytes(data_type, dimensions));
        self.add(data_type, TensorKind::Arena, location, dimensions)
    }

    /// An 8-bit arena tensor with its quantisation.
    pub fn quantized(&mut self, dimensions: &[u32], quantization: Quantization) -> u16 {
        let tensor = self.tensor(DataType::I8, dimensions);
        self.set_quantization(tensor, quantization);
        tensor
    }

    /// Notes a tensor's quantisation.
    pub fn set_quantization(&mut self, tensor: u16, quantization: Quantization) {
        let noted = (quantization.scale, i32::from(quantization.zero_point));
        self.description.tensors[usize::from(tensor)].quantization = Some(noted);
    }

    /// A constant tensor.
    pub fn constant_tensor(&mut self, dimensions: &[u32], values: &Values) -> u16 {
        let location = self.constant(values);
        self.add(data_type(values), TensorKind::Constant, location, dimensions)
    }

    /// A state tensor; it is placed behind all arena tensors when the model is finished.
    pub fn state(&mut self, dimensions: &[u32], initial: &Values) -> u16 {
        let tensor = self.add(data_type(initial), TensorKind::State, 0, dimensions);
        let initial_value = self.constant(initial);
        self.description.states.push(StateRecord { tensor, reserved: 0, initial_value });
        tensor
    }

    /// Stores constants and gives their offset.
    pub fn constant(&mut self, values: &Values) -> u32 {
        self.constant_bytes(values.bytes())
    }

    /// Stores constants and gives their offset.
    pub fn constant_bytes(&mut self, bytes: Vec<u8>) -> u32 {
        self.constants.add(bytes)
    }

    /// Byte offset of a tensor in the arena or in the constants.
    pub fn location(&self, tensor: u16) -> u32 {
        self.description.tensors[usize::from(tensor)].location
    }

    /// The next op.
    pub fn op(&mut self, opcode: Opcode, inputs: &[u16], output: u16, attributes: &impl Record) {
        self.description.ops.push(OpDescription {
            name: format!("{}_{}", opcode.name(), self.description.ops.len()),
            opcode,
            walk_down: false,
            inputs: inputs.to_vec(),
            outputs: vec![output],
            attributes: attributes.encode(),
        });
    }

    /// Makes the last op walk its output rows downwards.
    pub fn walk_down(&mut self, down: bool) {
        self.description.ops.last_mut().expect("an op").walk_down = down;
    }

    /// The next input. Inputs come before outputs.
    pub fn input(&mut self, tensor: u16) {
        self.io(0, tensor);
    }

    /// The next output.
    pub fn output(&mut self, tensor: u16) {
        self.io(1, tensor);
    }

    /// What has been collected, with macs computed and state tensors placed.
    pub fn description(mut self) -> ModelDescription {
        for state in &self.description.states {
            let tensor = &mut self.description.tensors[usize::from(state.tensor)];
            tensor.location = self.end.next_multiple_of(4);
            self.end = tensor.location + bytes(tensor.data_type, &tensor.dimensions);
        }
        self.description.constants = self.constants.into_bytes();
        if let Err(LoadError::Macs { computed, .. }) = write(&self.description) {
            self.description.macs = computed;
        }
        self.description
    }

    /// The artifact, or the rule it breaks.
    pub fn try_build(self) -> Result<AlignedBytes, LoadError> {
        write(&self.description()).map(|file| AlignedBytes::copy_of(&file))
    }

    /// The artifact, which must be valid.
    pub fn build(self) -> AlignedBytes {
        self.try_build().expect("a valid model")
    }

    fn add(&mut self, data_type: DataType, kind: TensorKind, location: u32, dimensions: &[u32]) -> u16 {
        let index = self.description.tensors.len() as u16;
        self.description.tensors.push(TensorDescription {
            name: format!("tensor_{index}"),
            data_type,
            kind,
            location,
            dimensions: dimensions.to_vec(),
            quantization: None,
        });
        index
    }

    fn io(&mut self, role: u8, tensor: u16) {
        let (scale, zero_point) = self.description.tensors[usize::from(tensor)].quantization.unwrap_or((1.0, 0));
        self.description.io.push(IoRecord { tensor, role, source_layout: 0, scale, zero_point });
    }
}

/// Size of a tensor in bytes.
pub fn bytes(data_type: DataType, dimensions: &[u32]) -> u32 {
    dimensions.iter().product::<u32>() * data_type.bytes() as u32
}

/// A window from pairs of height and width: kernel, stride, dilation, padding before.
pub fn window(kernel: [u16; 2], stride: [u16; 2], dilation: [u16; 2], pad: [u16; 2]) -> Window {
    Window {
        kernel_height: kernel[0],
        kernel_width: kernel[1],
        stride_height: stride[0],
        stride_width: stride[1],
        dilation_height: dilation[0],
        dilation_width: dilation[1],
        pad_top: pad[0],
        pad_left: pad[1],
    }
}

/// A float epilogue that clamps nothing.
pub fn unbounded() -> Epilogue {
    FloatEpilogue { clamp_min: f32::NEG_INFINITY, clamp_max: f32::INFINITY }.into()
}

/// The type of the elements.
pub fn data_type(values: &Values) -> DataType {
    match values {
        Values::I8(_) => DataType::I8,
        Values::I16(_) => DataType::I16,
        Values::I32(_) => DataType::I32,
        Values::F32(_) => DataType::F32,
    }
}
