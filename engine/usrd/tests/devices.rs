//! Devices that misbehave: take little, fail, panic, lose a path.

mod common;

use std::time::Duration;

use common::{collect, exchange, pattern, received};
use usrd::device::fault::{FaultConfig, FaultDevice};
use usrd::device::loopback::{Fabric, LoopbackConfig, LoopbackDevice};
use usrd::device::{Arrival, DeviceError, Outgoing, RouteId, SourceId, Waker};
use usrd::{
    Address, BytesMut, Capabilities, Completion, Device, Engine, RecvFailure, SendOptions, Service,
};

#[test]
fn a_device_that_takes_little_loses_nothing() {
    let fabric = Fabric::new();
    let [a, b] = [0, 1].map(|_| {
        let device = Odd::new(&fabric, Habit::TakesOne);
        Engine::builder().device(Box::new(device)).spawn().unwrap()
    });
    let peer = a.connect(b.local_address()).unwrap();
    exchange(&a, &b, peer, 1 << 20, SendOptions::new(1));
    // A UD send completes as soon as it is handed down, before the device has taken it.
    let (count, len) = (200, 1000);
    for tag in 0..count {
        b.recv(BytesMut::zeroed(len), tag).unwrap();
    }
    for tag in 0..count {
        let options = SendOptions::new(tag).service(Service::Ud);
        a.send(peer, pattern(len, tag), options).unwrap();
    }
    for (tag, completion) in (0..count).zip(collect(&b, count as usize)) {
        let arrived = completion.into_recv().unwrap();
        assert_eq!((arrived.context, arrived.message()), (tag, &pattern(len, tag)[..]));
    }
    assert!(a.stats().unwrap().driver.device_full > 0);
    let sends = collect(&a, count as usize).into_iter().filter_map(Completion::into_send);
    assert!(sends.into_iter().all(|send| send.result.is_ok()));
}

#[test]
fn a_path_that_is_a_black_hole_is_avoided() {
    let fabric = Fabric::new();
    let device = fabric.device(LoopbackConfig::default()).unwrap();
    let device = FaultDevice::new(device, FaultConfig::default()).unwrap();
    let faults = device.handle();
    let a = Engine::builder().device(Box::new(device)).spawn().unwrap();
    let device = fabric.device(LoopbackConfig::default()).unwrap();
    let b = Engine::builder().device(Box::new(device)).spawn().unwrap();
    let peer = a.connect(b.local_address()).unwrap();
    exchange(&a, &b, peer, 100, SendOptions::new(0));
    faults.black_hole(3);
    faults.black_hole(5);
    for context in 0..10 {
        exchange(&a, &b, peer, 1 << 20, SendOptions::new(context));
    }
    assert!(faults.counters().black_holed > 0);
}

#[test]
fn a_device_that_fails_closes_the_engine() {
    let device = Odd::new(&Fabric::new(), Habit::Fails);
    let engine = Engine::builder().device(Box::new(device)).spawn().unwrap();
    all_is_over(&engine);
    assert!(engine.failure().unwrap().contains("unplugged"));
}

#[test]
fn a_device_that_panics_leaves_nobody_waiting() {
    let device = Odd::new(&Fabric::new(), Habit::Panics);
    let engine = Engine::builder().device(Box::new(device)).spawn().unwrap();
    all_is_over(&engine);
}

/// The engine is closing by itself; what is submitted meanwhile is refused or completes.
fn all_is_over(engine: &Engine) {
    while engine.recv(BytesMut::zeroed(1), 1).is_ok() {
        assert_eq!(received(engine).result, Err(RecvFailure::Closed));
    }
    assert!(engine.is_closed() && engine.stats().is_err());
}

/// A loopback device with a habit.
#[derive(Debug)]
struct Odd {
    inner: LoopbackDevice,
    habit: Habit,
}

#[derive(Debug, PartialEq)]
enum Habit {
    /// One datagram at a time.
    TakesOne,
    /// Reports an error when polled.
    Fails,
    /// Panics when polled.
    Panics,
}

impl Odd {
    fn new(fabric: &Fabric, habit: Habit) -> Self {
        let inner = fabric.device(LoopbackConfig::default()).unwrap();
        Self { inner, habit }
    }
}

impl Device for Odd {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn local_address(&self) -> Address {
        self.inner.local_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        self.inner.resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, at: u16) -> Result<RouteId, DeviceError> {
        self.inner.resolve_source(source, at)
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.inner.address_of(route)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        self.inner.transmit(&batch[..batch.len().min(1)])
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        match self.habit {
            Habit::TakesOne => self.inner.poll(arrivals),
            Habit::Panics => panic!("a bug in a device"),
            Habit::Fails => Err(DeviceError::Io {
                operation: "receiving",
                source: std::io::Error::other("unplugged"),
            }),
        }
    }

    fn bytes(&self, arrival: &Arrival) -> &[u8] {
        self.inner.bytes(arrival)
    }

    fn release(&mut self, arrivals: &[Arrival]) {
        self.inner.release(arrivals);
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), DeviceError> {
        self.inner.wait(timeout)
    }

    fn waker(&self) -> Waker {
        self.inner.waker()
    }
}
