//! The same sensors on asynchronous buses.

use crate::bus::Registers;
use embedded_hal_async::i2c::I2c;
use embedded_hal_async::spi::{Operation, SpiDevice};

/// A sensor that is awaited. Dropping the future before it is ready loses the sample and nothing else.
pub trait AsyncSampler {
    /// One sample.
    type Sample;
    /// Why there is none.
    type Error;

    /// Takes a sample.
    ///
    /// # Errors
    /// The sensor did not answer. What it gave before is not affected, and it may be asked again.
    #[allow(async_fn_in_trait)] // executors of devices run on one core; nothing needs to be Send
    async fn sample(&mut self) -> Result<Self::Sample, Self::Error>;
}

/// A sensor on an asynchronous I2C bus.
#[derive(Clone, Debug)]
pub struct AsyncI2cSensor<B, const CHANNELS: usize> {
    bus: B,
    address: u8,
    registers: Registers,
}

impl<B, const CHANNELS: usize> AsyncI2cSensor<B, CHANNELS> {
    /// The sensor at this 7-bit address. It must have been set up already.
    pub const fn new(bus: B, address: u8, registers: Registers) -> Self {
        Self { bus, address, registers }
    }

    /// Gives the bus back.
    pub fn release(self) -> B {
        self.bus
    }
}

impl<B: I2c, const CHANNELS: usize> AsyncSampler for AsyncI2cSensor<B, CHANNELS> {
    type Sample = [i16; CHANNELS];
    type Error = B::Error;

    async fn sample(&mut self) -> Result<[i16; CHANNELS], B::Error> {
        let mut bytes = [[0; 2]; CHANNELS];
        self.bus.write_read(self.address, &[self.registers.first], bytes.as_flattened_mut()).await?;
        Ok(self.registers.decode(&bytes))
    }
}

/// A sensor on an asynchronous SPI bus.
#[derive(Clone, Debug)]
pub struct AsyncSpiSensor<D, const CHANNELS: usize> {
    device: D,
    registers: Registers,
}

impl<D, const CHANNELS: usize> AsyncSpiSensor<D, CHANNELS> {
    /// The sensor behind this device, which selects it. It must have been set up already.
    pub const fn new(device: D, registers: Registers) -> Self {
        Self { device, registers }
    }

    /// Gives the device back.
    pub fn release(self) -> D {
        self.device
    }
}

impl<D: SpiDevice, const CHANNELS: usize> AsyncSampler for AsyncSpiSensor<D, CHANNELS> {
    type Sample = [i16; CHANNELS];
    type Error = D::Error;

    async fn sample(&mut self) -> Result<[i16; CHANNELS], D::Error> {
        let mut bytes = [[0; 2]; CHANNELS];
        let register = [self.registers.first];
        let mut operations = [Operation::Write(&register), Operation::Read(bytes.as_flattened_mut())];
        self.device.transaction(&mut operations).await?;
        Ok(self.registers.decode(&bytes))
    }
}
