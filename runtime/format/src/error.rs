//! Reject rules: one rule, one error. The numbers are those of SPEC.md and are never reused.

/// The number of a reject rule in SPEC.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(pub u16);

macro_rules! rules {
    ($($number:literal $variant:ident { $($field:ident: $ty:ty),* } $text:literal;)*) => {
        /// Why a file was refused. Each variant is one rule of SPEC.md and carries what is needed to explain it;
        /// the prose lives in tools.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum LoadError {
            $(
                #[doc = concat!("Rule ", stringify!($number), ": ", $text, ".")]
                $variant {
                    $(#[doc = concat!("`", stringify!($field), "` of the offender.")] $field: $ty),*
                },
            )*
        }

        impl LoadError {
            /// Every rule with its variant's name and its text, ascending.
            pub const RULES: &'static [(Rule, &'static str, &'static str)] =
                &[$((Rule($number), stringify!($variant), $text)),*];

            /// Every rule with the names of its operands, ascending.
            pub const OPERANDS: &'static [(Rule, &'static [&'static str])] =
                &[$((Rule($number), &[$(stringify!($field)),*])),*];

            /// The rule that was broken.
            pub const fn rule(&self) -> Rule {
                match self { $(Self::$variant { .. } => Rule($number),)* }
            }

            /// The operands in the order of [`Self::OPERANDS`], and zeros; for places that cannot afford text.
            pub fn operands(&self) -> [i64; 3] {
                match *self {
                    $(Self::$variant { $($field),* } => three([$(i64::try_from($field).unwrap_or(i64::MAX)),*]),)*
                }
            }
        }
    };
}

rules! {
    1 TooShort { bytes: u32 } "the file is at least 48 bytes long";
    2 BadMagic { found: u32 } "the first four bytes are BNTM";
    3 UnsupportedVersion { major: u32 } "the major version is 1";
    4 Misaligned { remainder: u32 } "the file stands at an address that is a multiple of 16";
    5 FileLength { declared: u32, actual: u32 } "file_bytes is the length of the file";
    6 Checksum { declared: u32, computed: u32 } "the checksum is the CRC-32C of the file";
    7 RequiredFeature { bits: u32 } "no required feature is unknown";
    8 UnknownArithmetic { code: u32 } "the arithmetic is known";
    9 HeaderReserved { } "reserved header fields are zero";
    10 SectionTable { count: u32 } "the section table lies inside the file";
    11 SectionOrder { kind: u32 } "section kinds ascend";
    12 SectionOffset { kind: u32, offset: u32, expected: u32 } "a section starts at the next multiple of 16";
    13 SectionLength { kind: u32, length: u32 } "a section has at least one byte and ends inside the file";
    14 Padding { at: u32 } "padding bytes are zero";
    15 UnknownSection { kind: u32 } "no required section is unknown";
    16 SectionFlags { kind: u32, flags: u32 } "section flags are those of the kind";
    17 MissingSection { kind: u32 } "tensors, ops, operands and io are present";
    18 SectionRecords { kind: u32, length: u32 } "a section of records holds whole records, at most 65,535 tensors";
    19 FileEnd { end: u32 } "the file ends at the multiple of 16 after its last section";
    20 ArenaLimit { arena_bytes: u32, limit: u32 } "the arena extent is within the caller's limit";
    21 WorkLimit { work: u64, limit: u64 } "the work of one run is within the caller's limit";
    22 ArenaExtent { declared: u32, computed: u32 } "arena_bytes is the end of the last arena tensor";
    23 Macs { declared: u64, computed: u64 } "macs is the sum over the ops";

    30 TensorDataType { tensor: u32, code: u32 } "a tensor's data type is known, and not I16 under the arithmetic Onnx";
    31 TensorKind { tensor: u32, code: u32 } "a tensor's kind is known";
    32 TensorRank { tensor: u32, rank: u32 } "a tensor has at most 6 dimensions";
    33 TensorDimensions { tensor: u32 } "a tensor's dimensions lie in the pool";
    34 TensorReserved { tensor: u32 } "reserved tensor bytes are zero";
    35 ZeroDimension { tensor: u32 } "no dimension is zero";
    36 TensorSize { tensor: u32 } "a tensor has at most 2^31 - 1 bytes";
    37 TensorAlignment { tensor: u32, location: u32 } "a tensor's location is a multiple of its element size";
    38 TensorOutsideArena { tensor: u32, end: u64 } "an arena tensor ends within arena_bytes";
    39 TensorOutsideConstants { tensor: u32, end: u64 } "a constant tensor ends within the constants section";

    40 StateTensor { tensor: u32 } "a state record names a state tensor, in ascending order";
    41 StateCount { records: u32, tensors: u32 } "each state tensor has one state record";
    42 StateInitialValue { tensor: u32, offset: u32 } "a state tensor's initial value lies aligned in the constants section";
    43 StateReserved { tensor: u32 } "reserved state fields are zero";
    44 StateShared { tensor: u32 } "state tensors stand after all other arena tensors, ascending, without overlap";

    50 IoTensor { index: u32, tensor: u32 } "an input or output names an arena tensor";
    51 IoRole { index: u32, code: u32 } "an io role is known";
    52 IoOrder { index: u32 } "inputs come before outputs";
    53 IoMissing { } "there is at least one input and one output";
    54 IoScale { index: u32 } "an io scale is positive and finite, and 1 for tensors that are not 8-bit or 16-bit";
    55 IoZeroPoint { index: u32, zero_point: i32 } "an io zero point is a value of the type, and 0 for tensors that are not 8-bit";
    56 IoLayout { index: u32, code: u32 } "a source layout is known";

    60 UnknownOpcode { op: u32, code: u32 } "an opcode is known";
    61 OpFlags { op: u32, flags: u32 } "op flags are known, and walk_down stands on banded ops only";
    62 OperandCount { op: u32, inputs: u32, outputs: u32 } "an op has as many operands as its opcode asks for";
    63 OperandPool { op: u32 } "an op's operands lie in the pool";
    64 OperandTensor { op: u32, tensor: u32 } "an operand names a tensor";
    65 Attributes { op: u32 } "an op's attributes lie in their section, at a multiple of 4";
    66 AttributeReserved { op: u32 } "reserved attribute bytes are zero";
    67 OutputConstant { op: u32 } "an op's output is in the arena";
    68 Overlap { op: u32, input: u32 } "an op's operands are disjoint or in its overlap class";
    69 OperandType { op: u32 } "operand types are among those of the opcode";
    70 OperandRank { op: u32 } "operand ranks are those of the opcode";
    71 OperandShape { op: u32 } "operand shapes fit each other and the attributes";
    72 InputConstant { op: u32 } "the first input of an op is in the arena";

    80 WindowZero { op: u32 } "kernel, stride and dilation are at least 1";
    81 WindowPadding { op: u32 } "padding before is smaller than the dilated kernel";
    82 WindowOutput { op: u32 } "the last window starts inside the input";
    83 Groups { op: u32, groups: u32 } "groups divide input and output channels";
    84 WeightType { op: u32, code: u32 } "the weight type fits the input type";
    85 ConstantOutside { op: u32, offset: u32 } "a constant of an op lies in the constants section";
    86 ConstantAlignment { op: u32, offset: u32 } "a constant of an op is aligned to 4 bytes";
    87 Accumulator { op: u32 } "no accumulator can leave its bits";
    88 Multiplier { op: u32, channel: u32 } "a requantisation multiplier is in range";
    89 Shift { op: u32, channel: u32 } "a requantisation shift is between -31 and 30";
    90 Clamp { op: u32 } "a clamp's lower bound does not exceed its upper bound";
    91 OperatorKind { op: u32, code: u32 } "the kind or mode of an op is known";
    92 ReduceAxes { op: u32 } "reduced axes exist";
    93 SoftmaxParameters { op: u32 } "softmax parameters are in range";
    94 QuantizeScale { op: u32 } "a scale is positive and finite";
    95 ZeroPoint { op: u32 } "a zero point is a value of the type";
    96 FloatParameter { op: u32 } "a float parameter is a number";
    97 ArithmeticMissing { op: u32 } "integer requantisation has an arithmetic";
    98 ConstantSharing { op: u32 } "biases and requantisation tables are shared by at most 16 ops on average";

    100 StridedCopyRange { op: u32 } "a strided copy reads only inside its input";
    101 Axis { op: u32, axis: u32 } "the axis of an op exists";
    102 PadExtent { op: u32 } "padding fits the shapes and the mode";
    103 PadValue { op: u32 } "a padding value is a value of the type";
    104 GatherPosition { op: u32, position: u32 } "constant positions of a gather are below the size of the axis";
    105 ResizePosition { op: u32, position: u32 } "a resize reads only inside its input";
    106 ResizeWeight { op: u32 } "a weight of a resize is between 0 and 1, in fixed point a multiple of 2^-10";
    107 UnusedHalf { op: u32 } "the half byte behind an odd number of 4-bit weights is zero";

    110 PreprocessingRecords { count: u32 } "preprocessing records lie in their section";
    111 PreprocessingInput { index: u32, input: u32 } "a preprocessing record names an input, in ascending order";
    112 PreprocessingKind { index: u32, code: u32 } "a preprocessing kind is known";
    113 PreprocessingMode { index: u32, code: u32 } "fit, filter and channels of an image are known";
    114 PreprocessingReserved { index: u32 } "reserved and unused preprocessing fields are zero";
    115 PreprocessingType { index: u32, code: u32 } "an input with preprocessing is 8-bit or float";
    116 PreprocessingShape { index: u32 } "an image input is one image of its channels, and its shorter side fits";
    117 PreprocessingValues { index: u32 } "values and names of a preprocessing record lie aligned in the section";
    118 PreprocessingNumber { index: u32 } "factors and offsets of fields are finite";
}

fn three<const N: usize>(operands: [i64; N]) -> [i64; 3] {
    core::array::from_fn(|index| operands.get(index).copied().unwrap_or(0))
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "rule {}: {self:?}", self.rule().0)
    }
}

impl core::error::Error for LoadError {}
