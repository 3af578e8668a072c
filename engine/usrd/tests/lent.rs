//! Regions that are lent to a device, which reads from them as long as it likes.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{assert_same, collect, pattern};
use usrd::device::loopback::{Fabric, LoopbackConfig};
use usrd::device::{
    Address, Arrival, Capabilities, Device, DeviceError, Lendable, Loan, Memory, Outgoing, RouteId,
    SourceId, Waker,
};
use usrd::{Access, Block, BytesMut, Completion, Engine, TransferOptions};

/// A loopback device that is lent memory, and keeps it until the test lets it go.
#[derive(Debug)]
struct Keeper {
    inner: Box<dyn Device>,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    loans: Mutex<Vec<Loan>>,
    lets_go: AtomicBool,
    abandoned: AtomicBool,
    /// Bytes that were offered from what was lent.
    bytes: AtomicU64,
}

impl Device for Keeper {
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }

    fn local_address(&self) -> Address {
        self.inner.local_address()
    }

    fn resolve(&mut self, address: &Address) -> Result<RouteId, DeviceError> {
        self.inner.resolve(address)
    }

    fn resolve_source(&mut self, source: SourceId, locator: u16) -> Result<RouteId, DeviceError> {
        self.inner.resolve_source(source, locator)
    }

    fn address_of(&self, route: RouteId) -> Option<Address> {
        self.inner.address_of(route)
    }

    fn transmit(&mut self, batch: &[Outgoing<'_>]) -> Result<usize, DeviceError> {
        // Before the other end can know of it.
        for outgoing in batch {
            if let Some(Memory::Lent(loan)) = outgoing.memory {
                assert!(self.kept.loans.lock().unwrap().contains(&loan), "{loan:?} is over");
                self.kept.bytes.fetch_add(outgoing.payload.len() as u64, Ordering::SeqCst);
            }
        }
        self.inner.transmit(batch)
    }

    fn poll(&mut self, arrivals: &mut Vec<Arrival>) -> Result<usize, DeviceError> {
        self.inner.poll(arrivals)
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

    fn lend(&mut self, memory: &Lendable) -> Option<Loan> {
        let loan = Loan(memory.len() as u32);
        self.kept.loans.lock().unwrap().push(loan);
        Some(loan)
    }

    fn take_back(&mut self, loan: Loan) -> bool {
        let may_go = [&self.kept.lets_go, &self.kept.abandoned];
        let goes = may_go.iter().any(|may_go| may_go.load(Ordering::SeqCst));
        if goes {
            self.kept.loans.lock().unwrap().retain(|&kept| kept != loan);
        }
        goes
    }

    fn abandon(&mut self) {
        self.kept.abandoned.store(true, Ordering::SeqCst);
    }
}

/// Two engines, the first one's device a keeper.
fn engines() -> (Engine, Arc<Kept>, Engine) {
    let fabric = Fabric::new();
    let [a, b] = [(); 2].map(|()| fabric.device(LoopbackConfig::default()).unwrap());
    let kept = Arc::new(Kept::default());
    let keeper = Keeper { inner: Box::new(a), kept: kept.clone() };
    let a = Engine::builder().device(Box::new(keeper)).spawn().unwrap();
    (a, kept, Engine::builder().device(Box::new(b)).spawn().unwrap())
}

#[test]
fn what_is_written_and_read_from_regions_is_sent_from_where_it_is() {
    let (a, kept, b) = engines();
    let len = 100_000;
    let contents = pattern(len, 1);
    let source = a.register(BytesMut::from(&contents[..]), Access::READ).unwrap();
    let target = b.register(BytesMut::zeroed(len), Access::WRITE).unwrap();
    let peer = a.connect(b.local_address()).unwrap();
    let block = Block::new(source.at(0), target.remote().at(0), len as u64);
    a.write_v(peer, vec![block], TransferOptions::new(1).delivered()).unwrap();
    assert_eq!(collect(&a, 1).remove(0).into_transfer().unwrap().result, Ok(0));
    assert_same(&b.copy_from(target, 0, len).unwrap(), &contents);
    let written = kept.bytes.load(Ordering::SeqCst);
    assert!(written >= len as u64, "the WRITE");

    let back = b.connect(a.local_address()).unwrap();
    b.read(back, source.remote().at(0), BytesMut::zeroed(len), 2).unwrap();
    let done = collect(&b, 1).remove(0).into_transfer().unwrap();
    assert_same(&done.buffer.unwrap(), &contents);
    let read = kept.bytes.load(Ordering::SeqCst) - written;
    assert!(read >= len as u64, "the answer to a READ");
}

#[test]
fn memory_comes_back_when_the_device_has_let_go_of_it() {
    let (a, kept, _b) = engines();
    let contents = pattern(5000, 2);
    let region = a.register(BytesMut::from(&contents[..]), Access::READ).unwrap();
    a.deregister(region, 7).unwrap();
    // The driver has seen that by the time it answers.
    assert_eq!(a.stats().unwrap().regions, 0);
    assert!(a.poll(&mut Vec::new(), 1) == 0, "the device still reads it");
    kept.lets_go.store(true, Ordering::SeqCst);
    let done = collect(&a, 1).remove(0).into_deregistered().unwrap();
    assert_eq!(done.context, 7);
    assert_same(&done.result.unwrap().unwrap(), &contents);
    assert!(kept.loans.lock().unwrap().is_empty());
}

#[test]
fn at_the_end_what_is_being_sent_is_given_up_before_memory_comes_back() {
    let (a, kept, _b) = engines();
    let region = a.register(BytesMut::zeroed(5000), Access::READ).unwrap();
    a.register(BytesMut::zeroed(6000), Access::READ).unwrap();
    a.deregister(region, 7).unwrap();
    a.shutdown(Duration::ZERO).unwrap();
    let Completion::Deregistered(done) = collect(&a, 1).remove(0) else {
        panic!("a deregistration");
    };
    assert_eq!(done.result.unwrap().unwrap().len(), 5000);
    assert!(kept.abandoned.load(Ordering::SeqCst));
    assert!(kept.loans.lock().unwrap().is_empty());
}
