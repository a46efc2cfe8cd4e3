//! Inputs, outputs and state.

use crate::bytes::{coded, record};

record! {
    /// An input or an output of the model: 12 bytes.
    pub struct IoRecord {
        /// Tensor index.
        pub tensor: u16,
        /// Code of [`IoRole`].
        pub role: u8,
        /// Code of [`SourceLayout`].
        pub source_layout: u8,
        /// Real value of one integer step; 1 for tensors that are not quantised.
        pub scale: f32,
        /// The integer that stands for real zero; 0 for tensors that are not quantised.
        pub zero_point: i32,
    }
}

coded! {
    /// Which way the data goes.
    pub enum IoRole: u8 {
        /// Written by the caller before a run.
        Input = 0,
        /// Read by the caller after a run.
        Output = 1,
    }
}

coded! {
    /// How the source model ordered the axes of this tensor; lets tools take data in either order.
    pub enum SourceLayout: u8 {
        /// The same order as here.
        Same = 0,
        /// Channels first (batch, channels, then spatial axes); here channels are last.
        ChannelsFirst = 1,
    }
}

record! {
    /// The initial value of a state tensor: 8 bytes.
    pub struct StateRecord {
        /// Tensor index, ascending.
        pub tensor: u16,
        /// Zero.
        pub reserved: u16,
        /// Byte offset in the constants section of as many bytes as the tensor has.
        pub initial_value: u32,
    }
}
