//! Every path of the bus sensors, against mocked buses.

use bantam_embedded::{ByteOrder, FromFn, I2cSensor, Registers, Ring, Sampler, SpiSensor};
use embedded_hal::i2c;
use embedded_hal_mock::eh1::{i2c as mock_i2c, spi as mock_spi};

const ADDRESS: u8 = 0x6a;
const LITTLE: Registers = Registers { first: 0xa8, order: ByteOrder::LittleEndian };
const BIG: Registers = Registers { first: 0x3b, order: ByteOrder::BigEndian };

/// The transfers of one sample over SPI.
fn spi_sample(register: u8, bytes: &[u8]) -> Vec<mock_spi::Transaction<u8>> {
    vec![
        mock_spi::Transaction::transaction_start(),
        mock_spi::Transaction::write(register),
        mock_spi::Transaction::read_vec(bytes.to_vec()),
        mock_spi::Transaction::transaction_end(),
    ]
}

#[test]
fn i2c_channels_come_in_the_order_of_the_bytes() {
    let bytes = vec![0x01, 0x02, 0xff, 0x7f, 0x00, 0x80];
    let expected = [
        mock_i2c::Transaction::write_read(ADDRESS, vec![LITTLE.first], bytes.clone()),
        mock_i2c::Transaction::write_read(ADDRESS, vec![BIG.first], bytes),
    ];
    let mut bus = mock_i2c::Mock::new(&expected);
    let mut sensor = I2cSensor::<_, 3>::new(bus.clone(), ADDRESS, LITTLE);
    assert_eq!(sensor.sample(), Ok([0x0201, 0x7fff, -0x8000]));
    let mut sensor = I2cSensor::<_, 3>::new(sensor.release(), ADDRESS, BIG);
    assert_eq!(sensor.sample(), Ok([0x0102, -0x0081, 0x0080]));
    bus.done();
}

#[test]
fn spi_reads_within_one_transaction() {
    let expected = [spi_sample(LITTLE.first, &[5, 0, 6, 0]), spi_sample(BIG.first, &[0, 5, 0, 6])].concat();
    let mut device = mock_spi::Mock::new(&expected);
    let mut sensor = SpiSensor::<_, 2>::new(device.clone(), LITTLE);
    assert_eq!(sensor.sample(), Ok([5, 6]));
    let mut sensor = SpiSensor::<_, 2>::new(sensor.release(), BIG);
    assert_eq!(sensor.sample(), Ok([5, 6]));
    device.done();
}

#[test]
fn bus_errors_come_through_and_the_sensor_can_be_asked_again() {
    let errors = [
        i2c::ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Address),
        i2c::ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Data),
        i2c::ErrorKind::ArbitrationLoss,
        i2c::ErrorKind::Bus,
        i2c::ErrorKind::Overrun,
        i2c::ErrorKind::Other,
    ];
    let transfer = || mock_i2c::Transaction::write_read(ADDRESS, vec![LITTLE.first], vec![1, 0]);
    let mut expected: Vec<_> = errors.iter().map(|error| transfer().with_error(*error)).collect();
    expected.push(transfer());
    let mut bus = mock_i2c::Mock::new(&expected);
    let mut sensor = I2cSensor::<_, 1>::new(bus.clone(), ADDRESS, LITTLE);
    for error in errors {
        assert_eq!(sensor.sample(), Err(error));
    }
    assert_eq!(sensor.sample(), Ok([1]));
    bus.done();
}

/// Samples until the sensor fails for good, clearing the windows after each lost sample, as the documentation says.
fn collect<S: Sampler<Sample = [i16; 1]>>(sensor: &mut S, samples: usize) -> (Vec<[i16; 3]>, usize) {
    let mut ring = Ring::<[i16; 1], 3>::new(1);
    let (mut windows, mut lost) = (Vec::new(), 0);
    for _ in 0..samples {
        match sensor.sample() {
            Ok(sample) => {
                if ring.push(sample) {
                    let mut window = [0; 3];
                    ring.copy_channels_to(&mut window, |value| value);
                    windows.push(window);
                }
            }
            Err(_) => {
                lost += 1;
                ring.clear();
            }
        }
    }
    (windows, lost)
}

#[test]
fn a_sensor_that_dies_in_the_middle_of_a_transfer_leaves_no_window_with_a_hole() {
    let transfer = |value: u8| mock_i2c::Transaction::write_read(ADDRESS, vec![LITTLE.first], vec![value, 0]);
    let mut expected: Vec<_> = (1..=4).map(transfer).collect();
    // Its address is acknowledged, then the data line stays dead; it comes back two samples later.
    let dead = i2c::ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Data);
    expected.extend([transfer(5).with_error(dead), transfer(6).with_error(i2c::ErrorKind::Bus)]);
    expected.extend((7..=10).map(transfer));
    let mut bus = mock_i2c::Mock::new(&expected);
    let mut sensor = I2cSensor::<_, 1>::new(bus.clone(), ADDRESS, LITTLE);
    let (windows, lost) = collect(&mut sensor, 10);
    assert_eq!(windows, [[1, 2, 3], [2, 3, 4], [7, 8, 9], [8, 9, 10]]);
    assert_eq!(lost, 2);
    bus.done();
}

#[test]
fn a_closure_is_a_sensor() {
    let mut readings = [Ok(1), Err("not ready"), Ok(2), Ok(3), Ok(4)].into_iter();
    let mut sensor = FromFn::new(|| readings.next().unwrap_or(Err("over")).map(|value| [value]));
    let (windows, lost) = collect(&mut sensor, 6);
    assert_eq!(windows, [[2, 3, 4]]);
    assert_eq!(lost, 2);
}

#[cfg(feature = "async")]
mod asynchronous {
    use super::*;
    use bantam_embedded::{AsyncI2cSensor, AsyncSampler, AsyncSpiSensor};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Runs a future that is always ready, as those of the mocks are.
    fn ready<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("a mock that waits"),
        }
    }

    #[test]
    fn buses_are_awaited() {
        let transfer = mock_i2c::Transaction::write_read(ADDRESS, vec![BIG.first], vec![1, 2]);
        let error = i2c::ErrorKind::ArbitrationLoss;
        let mut bus = mock_i2c::Mock::new(&[transfer.clone().with_error(error), transfer]);
        let mut sensor = AsyncI2cSensor::<_, 1>::new(bus.clone(), ADDRESS, BIG);
        assert_eq!(ready(sensor.sample()), Err(error));
        assert_eq!(ready(sensor.sample()), Ok([0x0102]));
        drop(sensor.release());
        bus.done();

        let mut device = mock_spi::Mock::new(&spi_sample(LITTLE.first, &[1, 2]));
        let mut sensor = AsyncSpiSensor::<_, 1>::new(device.clone(), LITTLE);
        assert_eq!(ready(sensor.sample()), Ok([0x0201]));
        drop(sensor.release());
        device.done();
    }
}
