//! Memory that an engine borrows for a while: registered before some work, and given back after it,
//! whatever happens meanwhile.
//!
//! ```text
//!   with_memory   register ---- work ---- deregister ---- wait .............. return
//!   driver            [memory and its end of the channel ......... dropped]
//! ```
//! The driver holds one end of a channel together with the memory, and drops both when nothing uses the
//! memory any more: at the deregistration's end, or with everything else when it ends itself. So
//! whoever waits for that need not know which it was.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crate::memory::Memory;
use crate::submission::{Command, Operation};
use crate::{
    CompletionQueue, Driver, Engine, Region, RegionOptions, RegisterError, SubmitError, Turn,
};

/// Held by whoever uses borrowed memory.
pub(crate) type Hold = SyncSender<Infallible>;

/// Ends when nobody holds borrowed memory any more.
type Returned = Receiver<Infallible>;

impl Engine {
    /// Registers memory that stays the caller's, for as long as `work` takes, and returns what `work`
    /// does. Until then the memory belongs to the engine:
    /// [`copy_from`](Self::copy_from) and [`copy_into`](Self::copy_into) reach it. Contents are defined
    /// as operations have left them.
    ///
    /// At the end, also if `work` panics, the region is deregistered: its key is worthless, and
    /// operations of this engine that use it are waited for. One that might never end, because a peer
    /// takes no notifications for instance, is to be [cancelled](Self::cancel) by `work`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use usrd::{Access, Engine};
    ///
    /// let owner = Engine::builder().udp("127.0.0.1:0").spawn()?;
    /// let writer = Engine::builder().udp("127.0.0.1:0").spawn()?;
    /// let mut board = [0u8; 64];
    /// owner.with_memory(&mut board, Access::WRITE, |region| {
    ///     let peer = writer.connect(owner.local_address())?;
    ///     writer.write(peer, "hello", region.remote().at(0), 1)?;
    ///     writer.wait_one(Duration::from_secs(5)).ok_or("not acknowledged")?;
    ///     Ok::<_, Box<dyn std::error::Error>>(())
    /// })??;
    /// assert_eq!(&board[..5], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`register`](Self::register). [`RegisterError::NoThread`] if the engine has no thread of its own, since
    /// this one then may be the one that drives: see [`Driver::with_memory`].
    pub fn with_memory<R>(
        &self,
        memory: &mut [u8],
        options: impl Into<RegionOptions>,
        work: impl FnOnce(Region) -> R,
    ) -> Result<R, RegisterError> {
        if !self.has_thread() {
            return Err(RegisterError::NoThread);
        }
        let (memory, returned) = borrow(memory);
        let options = options.into();
        // However long it takes: what the driver has been handed, it has to give back.
        let registered = self.ask_patiently(|answer| Command::Register(memory, options, answer));
        let region = registered.map_err(RegisterError::from)?.map_err(|(error, _)| error)?;
        let _lease = Lease { engine: self, region, returned };
        Ok(work(region))
    }
}

/// A region of borrowed memory, until it goes out of scope.
struct Lease<'a> {
    engine: &'a Engine,
    region: Region,
    returned: Returned,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Nobody else is to see its completion.
        let aside = self.engine.reporting_to(&CompletionQueue::new(1));
        let region = self.region;
        while let Err((SubmitError::QueueFull { .. }, _)) =
            aside.submit(Operation::Deregister { region, context: 0 })
        {
            std::thread::sleep(SHORTLY);
        }
        let Err(_nobody_holds_it) = self.returned.recv();
    }
}

impl Driver {
    /// As [`Engine::with_memory`], for the thread that drives: `work` is given the driver, and at the
    /// end it is driven until the memory is free.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn with_memory<R>(
        &mut self,
        memory: &mut [u8],
        options: impl Into<RegionOptions>,
        work: impl FnOnce(&mut Self, Region) -> R,
    ) -> Result<R, RegisterError> {
        let (memory, returned) = borrow(memory);
        let registered = self.register_memory(memory, options.into());
        let region = registered.map_err(|(error, _)| error)?;
        let lease = DrivenLease { driver: self, region, returned };
        Ok(work(lease.driver, region))
    }
}

/// The same, where this thread drives.
struct DrivenLease<'a> {
    driver: &'a mut Driver,
    region: Region,
    returned: Returned,
}

impl Drop for DrivenLease<'_> {
    fn drop(&mut self) {
        let aside = CompletionQueue::new(1);
        let reserved = aside.reserve(1);
        debug_assert!(reserved, "it is new");
        self.driver.deregister(self.region, 0, Some(aside));
        while let Err(TryRecvError::Empty) = self.returned.try_recv() {
            let _: Turn = self.driver.progress();
        }
    }
}

/// The memory for a registration, and what tells when it is over. Both callers wait for that before they
/// return or unwind, as long as the driver has the memory.
fn borrow(memory: &mut [u8]) -> (Memory, Returned) {
    let (hold, returned) = sync_channel(0);
    // SAFETY: it exists no longer than the borrow of `memory`: that lasts for all of `with_memory`,
    // which does not return before `hold`, which is dropped with it, is.
    let memory = unsafe { Memory::held(memory, hold) };
    (memory, returned)
}

/// Until the driver has taken what is in its queue.
const SHORTLY: Duration = Duration::from_micros(50);
