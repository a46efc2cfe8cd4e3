//! Sensors on buses, whose 16-bit channels stand in consecutive registers: accelerometers, gyroscopes, magnetometers,
//! most converters.

use crate::sampler::Sampler;
use embedded_hal::i2c::I2c;
use embedded_hal::spi::{Operation, SpiDevice};

/// Which byte of a channel comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ByteOrder {
    /// The low one, as with most sensors of ST and Bosch.
    LittleEndian,
    /// The high one, as with most sensors of InvenSense and TI.
    BigEndian,
}

/// Where the channels stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Registers {
    /// The first register, with the bits that the sensor wants for reading several (and for reading at all on SPI).
    pub first: u8,
    /// Order of the bytes in each channel.
    pub order: ByteOrder,
}

impl Registers {
    /// The values in bytes as they came.
    pub(crate) fn decode<const CHANNELS: usize>(&self, bytes: &[[u8; 2]; CHANNELS]) -> [i16; CHANNELS] {
        bytes.map(|bytes| match self.order {
            ByteOrder::LittleEndian => i16::from_le_bytes(bytes),
            ByteOrder::BigEndian => i16::from_be_bytes(bytes),
        })
    }
}

/// A sensor on an I2C bus: each sample is one write of the register's number and one read.
#[derive(Clone, Debug)]
pub struct I2cSensor<B, const CHANNELS: usize> {
    bus: B,
    address: u8,
    registers: Registers,
}

impl<B, const CHANNELS: usize> I2cSensor<B, CHANNELS> {
    /// The sensor at this 7-bit address. It must have been set up already.
    pub const fn new(bus: B, address: u8, registers: Registers) -> Self {
        Self { bus, address, registers }
    }

    /// Gives the bus back.
    pub fn release(self) -> B {
        self.bus
    }
}

impl<B: I2c, const CHANNELS: usize> Sampler for I2cSensor<B, CHANNELS> {
    type Sample = [i16; CHANNELS];
    type Error = B::Error;

    fn sample(&mut self) -> Result<[i16; CHANNELS], B::Error> {
        let mut bytes = [[0; 2]; CHANNELS];
        self.bus.write_read(self.address, &[self.registers.first], bytes.as_flattened_mut())?;
        Ok(self.registers.decode(&bytes))
    }
}

/// A sensor on an SPI bus: each sample is one transaction of a write of the register's number and a read.
#[derive(Clone, Debug)]
pub struct SpiSensor<D, const CHANNELS: usize> {
    device: D,
    registers: Registers,
}

impl<D, const CHANNELS: usize> SpiSensor<D, CHANNELS> {
    /// The sensor behind this device, which selects it. It must have been set up already.
    pub const fn new(device: D, registers: Registers) -> Self {
        Self { device, registers }
    }

    /// Gives the device back.
    pub fn release(self) -> D {
        self.device
    }
}

impl<D: SpiDevice, const CHANNELS: usize> Sampler for SpiSensor<D, CHANNELS> {
    type Sample = [i16; CHANNELS];
    type Error = D::Error;

    fn sample(&mut self) -> Result<[i16; CHANNELS], D::Error> {
        let mut bytes = [[0; 2]; CHANNELS];
        let register = [self.registers.first];
        self.device.transaction(&mut [Operation::Write(&register), Operation::Read(bytes.as_flattened_mut())])?;
        Ok(self.registers.decode(&bytes))
    }
}
