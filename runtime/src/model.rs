//! A checked model over borrowed bytes.

use bantam_format::{Artifact, IoRole, Limits, LoadError, SourceLayout, Tensor};

/// A parsed `.bantam` file. Everything it says has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    artifact: Artifact<'a>,
}

/// An input or an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IoTensor {
    /// Type, shape and place. Images are `[batch, height, width, channels]`.
    pub tensor: Tensor,
    /// Index among the model's tensors.
    pub index: usize,
    /// Real value of one integer step; 1 where not quantised.
    pub scale: f32,
    /// The integer that stands for real zero; 0 where not quantised.
    pub zero_point: i32,
    /// How the source model ordered the axes.
    pub source_layout: SourceLayout,
}

impl<'a> Model<'a> {
    /// Checks untrusted bytes, with the default [`Limits`]. They must start at a multiple of 16 and stay in place.
    ///
    /// # Errors
    /// The first rule of SPEC.md that the bytes break.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Self::parse_with(bytes, &Limits::default())
    }

    /// Like [`Self::parse`], with limits of the caller's choice.
    ///
    /// # Errors
    /// The first rule of SPEC.md that the bytes break.
    pub fn parse_with(bytes: &'a [u8], limits: &Limits) -> Result<Self, LoadError> {
        Ok(Self { artifact: Artifact::parse(bytes, limits)? })
    }

    /// Like [`Self::parse`] in a program for some opcodes only, the set that [`opcodes!`](crate::opcodes!) gives, and for
    /// [`Artifact::STATE`] and [`Artifact::PREPROCESSING`] where they are added to it: the rules of the others are not linked.
    ///
    /// # Errors
    /// The first rule of SPEC.md that the bytes break; rule 60 for any other opcode, rule 15 for any other section.
    pub fn parse_for<const LINKED: u64>(bytes: &'a [u8]) -> Result<Self, LoadError> {
        Ok(Self { artifact: Artifact::parse_for::<LINKED>(bytes, &Limits::default())? })
    }

    /// The records behind the model, for tools.
    pub fn artifact(&self) -> &Artifact<'a> {
        &self.artifact
    }

    /// Bytes of arena that [`crate::Session::new`] asks for with [`crate::ops::ALL`].
    pub fn arena_bytes(&self) -> usize {
        self.artifact.arena_bytes()
    }

    /// The inputs in order.
    pub fn inputs(&self) -> impl Iterator<Item = IoTensor> + '_ {
        self.io(IoRole::Input)
    }

    /// The outputs in order.
    pub fn outputs(&self) -> impl Iterator<Item = IoTensor> + '_ {
        self.io(IoRole::Output)
    }

    /// Class labels; empty where the file carries none.
    pub fn labels(&self) -> impl Iterator<Item = &'a str> {
        self.artifact.labels()
    }

    fn io(&self, role: IoRole) -> impl Iterator<Item = IoTensor> + '_ {
        self.artifact.io(role).map(|io| IoTensor {
            tensor: self.artifact.tensor(usize::from(io.tensor)),
            index: usize::from(io.tensor),
            scale: io.scale,
            zero_point: io.zero_point,
            source_layout: SourceLayout::from_code(io.source_layout).unwrap_or(SourceLayout::Same),
        })
    }
}
