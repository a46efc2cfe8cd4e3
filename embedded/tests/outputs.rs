//! Pins, channels, pacing and profiling, against mocks.

use bantam_embedded::{Event, Overrun, Pacer, Profiler, dim, drive};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::delay::{CheckedDelay, Transaction as Delay};
use embedded_hal_mock::eh1::digital::{Mock as Pin, State, Transaction as PinTransaction};
use embedded_hal_mock::eh1::pwm::{Mock as Pwm, Transaction as PwmTransaction};
use std::io::ErrorKind;

#[test]
fn events_set_the_pin() {
    let failure = MockError::Io(ErrorKind::NotConnected);
    let mut pin = Pin::new(&[
        PinTransaction::set(State::High),
        PinTransaction::set(State::Low),
        PinTransaction::set(State::High).with_error(failure.clone()),
    ]);
    assert_eq!(drive(&mut pin, Event::On), Ok(()));
    assert_eq!(drive(&mut pin, Event::Off), Ok(()));
    assert_eq!(drive(&mut pin, Event::On), Err(failure));
    pin.done();
}

#[test]
fn scores_dim_in_proportion() {
    let mut channel = Pwm::new(&[
        PwmTransaction::max_duty_cycle(1020),
        PwmTransaction::set_duty_cycle(0),
        PwmTransaction::max_duty_cycle(1020),
        PwmTransaction::set_duty_cycle(512),
        PwmTransaction::max_duty_cycle(1020),
        PwmTransaction::set_duty_cycle(1020),
        PwmTransaction::max_duty_cycle(1020),
        PwmTransaction::set_duty_cycle(0).with_error(MockError::Io(ErrorKind::Other)),
    ]);
    for score in [-128, 0, 127] {
        assert_eq!(dim(&mut channel, score), Ok(()));
    }
    assert_eq!(dim(&mut channel, -128), Err(MockError::Io(ErrorKind::Other)));
    channel.done();
}

#[test]
fn a_period_holds_on_average() {
    let waits = [700, 0, 400, 1000].map(Delay::delay_ns);
    let mut pacer = Pacer::new(CheckedDelay::new(&waits), 1000);
    assert_eq!(pacer.wait(300), Ok(()));
    assert_eq!(pacer.wait(1000), Ok(()));
    assert_eq!(pacer.wait(1500), Err(Overrun { by_ns: 500 }));
    assert_eq!(pacer.wait(100), Ok(()), "400 left of a period that started 500 late");
    assert_eq!(pacer.wait(0), Ok(()));
    assert_eq!(pacer.wait(u32::MAX), Err(Overrun { by_ns: u32::MAX - 1000 }));
    pacer.release().done();
}

#[test]
fn runs_are_counted_across_a_wrap() {
    let mut ticks = [10, 30, u32::MAX - 4, 5, 100, 101].into_iter();
    let mut profiler = Profiler::new(|| ticks.next().unwrap_or(0));
    assert_eq!((profiler.range(), profiler.mean(), profiler.last()), (None, None, 0));
    assert_eq!(profiler.measure(|| "done"), "done");
    profiler.measure(|| ());
    assert_eq!(profiler.last(), 10);
    profiler.measure(|| ());
    assert_eq!((profiler.runs(), profiler.range(), profiler.mean()), (3, Some((1, 20)), Some(10)));
}
