//! What NICs may reach: protection domains, registered memory, and the ways to other hosts.

use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;

use bytes::Bytes;
use rdma_mummy_sys as ibv;

use super::{Context, check_pointer};
use crate::verbs::gid::Gid;
use crate::{DeviceError, Lendable};

/// A protection domain: what was made in it can be used together.
#[derive(Debug)]
pub(in crate::verbs) struct Domain {
    raw: NonNull<ibv::ibv_pd>,
    _context: Arc<Context>,
}

// SAFETY: the verbs library locks what several threads may share.
unsafe impl Send for Domain {}
// SAFETY: as above.
unsafe impl Sync for Domain {}

impl Domain {
    pub(in crate::verbs) fn new(context: Arc<Context>) -> Result<Arc<Self>, DeviceError> {
        // SAFETY: the context is open.
        let raw = unsafe { ibv::ibv_alloc_pd(context.as_ptr()) };
        let raw = check_pointer("allocating a protection domain", raw)?;
        Ok(Arc::new(Self { raw, _context: context }))
    }

    pub(super) const fn as_ptr(&self) -> *mut ibv::ibv_pd {
        self.raw.as_ptr()
    }

    /// Whether the kernel and the device register dmabufs: they look at the descriptor, or say at
    /// once that they never will.
    pub(in crate::verbs) fn registers_dmabuf(&self) -> bool {
        // SAFETY: the domain exists; there is no such descriptor, so nothing can be registered.
        let region = unsafe { ibv::ibv_reg_dmabuf_mr(self.as_ptr(), 0, 4096, 0, -1, READ_ONLY) };
        debug_assert!(region.is_null());
        std::io::Error::last_os_error().raw_os_error() == Some(libc::EBADF)
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: everything that was made in it holds a reference to it.
        unsafe { ibv::ibv_dealloc_pd(self.as_ptr()) };
    }
}

/// Memory that a NIC can reach.
#[derive(Debug)]
pub(in crate::verbs) struct Region {
    raw: NonNull<ibv::ibv_mr>,
    memory: Memory,
    _domain: Arc<Domain>,
}

/// What keeps the memory of a region where it is.
#[derive(Debug)]
enum Memory {
    Own(Slab),
    /// The pages that these lie in.
    Lent {
        _bytes: Arc<Bytes>,
    },
    /// Somebody else's promise.
    Foreign,
}

// SAFETY: regions can be used and given up on any thread, and the memory is plain bytes.
unsafe impl Send for Region {}
// SAFETY: shared, they are only read.
unsafe impl Sync for Region {}

impl Region {
    /// New memory, zeroed, that the NIC may read and write.
    pub(in crate::verbs) fn allocate(
        domain: &Arc<Domain>,
        bytes: usize,
    ) -> Result<Self, DeviceError> {
        let slab = Slab::new(bytes)?;
        // SAFETY: the memory belongs to the region.
        unsafe {
            Self::register(domain, slab.start.as_ptr().addr(), bytes, WRITABLE, Memory::Own(slab))
        }
    }

    /// The pages in which `bytes` lie, for the NIC to read. They stay mapped as long as `bytes`,
    /// which the region keeps.
    pub(in crate::verbs) fn lend(
        domain: &Arc<Domain>,
        bytes: &Arc<Bytes>,
    ) -> Result<Self, DeviceError> {
        let pages = pages_of(bytes);
        let memory = Memory::Lent { _bytes: bytes.clone() };
        // SAFETY: every one of these pages has a byte of `bytes` in it, so it is mapped.
        unsafe { Self::register(domain, pages.start, pages.len(), READ_ONLY, memory) }
    }

    /// The pages of memory that was lent, for the NIC to read. It is registered as if for writing, so
    /// that the kernel makes each page this process's own first: one that is not yet, such as of zeros
    /// that nobody has written to, would be replaced when it is, and the NIC go on with the old one.
    pub(in crate::verbs) fn lent(
        domain: &Arc<Domain>,
        memory: &Lendable,
    ) -> Result<Self, DeviceError> {
        let start = memory.address() & !(PAGE_BYTES - 1);
        let end = (memory.address() + memory.len()).next_multiple_of(PAGE_BYTES);
        // SAFETY: every one of these pages has a byte of the memory in it, so it is mapped, and stays
        // so, as who made it lendable has promised, until the region is let go.
        unsafe { Self::register(domain, start, end - start, WRITABLE, Memory::Foreign) }
    }

    /// Memory that is no memory of this process as the kernel sees it, such as a GPU's, where a
    /// module of the kernel's can translate its addresses (nvidia-peermem, efa-nv-peermem).
    ///
    /// # Safety
    /// It stays where it is until the region is dropped.
    pub(in crate::verbs) unsafe fn foreign(
        domain: &Arc<Domain>,
        start: u64,
        bytes: usize,
    ) -> Result<Self, DeviceError> {
        // SAFETY: as the caller promises.
        unsafe { Self::register(domain, start as usize, bytes, WRITABLE, Memory::Foreign) }
    }

    /// A part of a dmabuf, which the kernel keeps in place; `address` is what the NIC is to know its
    /// first byte as.
    pub(in crate::verbs) fn dmabuf(
        domain: &Arc<Domain>,
        descriptor: BorrowedFd<'_>,
        offset: u64,
        bytes: usize,
        address: u64,
    ) -> Result<Self, DeviceError> {
        // SAFETY: the domain exists, and the descriptor is open.
        let raw = unsafe {
            let descriptor = descriptor.as_raw_fd();
            ibv::ibv_reg_dmabuf_mr(domain.as_ptr(), offset, bytes, address, descriptor, WRITABLE)
        };
        let raw = check_pointer("registering a dmabuf", raw)?;
        Ok(Self { raw, memory: Memory::Foreign, _domain: domain.clone() })
    }

    /// # Safety
    /// `memory` keeps the pages mapped.
    unsafe fn register(
        domain: &Arc<Domain>,
        start: usize,
        bytes: usize,
        access: libc::c_int,
        memory: Memory,
    ) -> Result<Self, DeviceError> {
        // SAFETY: the domain exists, and the pages are there, as the caller says.
        let raw =
            unsafe { ibv::ibv_reg_mr(domain.as_ptr(), start as *mut libc::c_void, bytes, access) };
        let raw = check_pointer("registering memory", raw)?;
        Ok(Self { raw, memory, _domain: domain.clone() })
    }

    /// What a work request names it by.
    pub(in crate::verbs) const fn lkey(&self) -> u32 {
        // SAFETY: the region exists.
        unsafe { (*self.raw.as_ptr()).lkey }
    }

    /// The memory of a region that [`allocate`](Self::allocate) made; of others, nothing.
    pub(super) const fn slab(&self) -> Option<&Slab> {
        match &self.memory {
            Memory::Own(slab) => Some(slab),
            _ => None,
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it exists. The memory goes after it, as a field.
        unsafe { ibv::ibv_dereg_mr(self.raw.as_ptr()) };
    }
}

/// The addresses of the pages that `bytes` lie in.
pub(in crate::verbs) fn pages_of(bytes: &[u8]) -> Range<usize> {
    let range = bytes.as_ptr_range();
    range.start.addr() & !(PAGE_BYTES - 1)..range.end.addr().next_multiple_of(PAGE_BYTES)
}

/// Anonymous memory, by the page.
#[derive(Debug)]
pub(super) struct Slab {
    pub(super) start: NonNull<u8>,
    bytes: usize,
}

impl Slab {
    fn new(bytes: usize) -> Result<Self, DeviceError> {
        // SAFETY: a new private mapping, of no file.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(super::failed("allocating buffers", std::io::Error::last_os_error()));
        }
        let start = check_pointer("allocating buffers", start.cast())?;
        Ok(Self { start, bytes })
    }

    /// Where a part begins.
    ///
    /// # Panics
    /// If it is not all inside.
    pub(super) fn at(&self, offset: usize, bytes: usize) -> *mut u8 {
        assert!(offset + bytes <= self.bytes, "a slot is inside of its slab");
        // SAFETY: it is inside of the mapping.
        unsafe { self.start.as_ptr().add(offset) }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: it was mapped so, and nobody has a reference into it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// How datagrams get to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verbs) struct Way {
    pub(in crate::verbs) port: u8,
    pub(in crate::verbs) source_gid_index: u8,
    pub(in crate::verbs) to: Gid,
    /// On InfiniBand.
    pub(in crate::verbs) lid: u16,
    pub(in crate::verbs) flow_label: u32,
    pub(in crate::verbs) traffic_class: u8,
}

/// A way that the device knows.
#[derive(Debug)]
pub(in crate::verbs) struct AddressHandle {
    raw: NonNull<ibv::ibv_ah>,
    _domain: Arc<Domain>,
}

// SAFETY: as for regions.
unsafe impl Send for AddressHandle {}
// SAFETY: as for regions.
unsafe impl Sync for AddressHandle {}

impl AddressHandle {
    /// Looks up what the device needs to know. This can block while the kernel resolves a
    /// neighbour's address, for up to a second if that does not answer.
    pub(in crate::verbs) fn new(domain: &Arc<Domain>, way: &Way) -> Result<Self, DeviceError> {
        let mut attributes = ibv::ibv_ah_attr {
            grh: ibv::ibv_global_route {
                dgid: ibv::ibv_gid { raw: way.to.0 },
                flow_label: way.flow_label,
                sgid_index: way.source_gid_index,
                hop_limit: HOP_LIMIT,
                traffic_class: way.traffic_class,
            },
            dlid: way.lid,
            sl: 0,
            src_path_bits: 0,
            static_rate: 0,
            is_global: 1,
            port_num: way.port,
        };
        // SAFETY: the domain exists, and the attributes outlive the call.
        let raw = unsafe { ibv::ibv_create_ah(domain.as_ptr(), &mut attributes) };
        let raw = check_pointer("looking up the way to the peer", raw)?;
        Ok(Self { raw, _domain: domain.clone() })
    }

    pub(super) const fn as_ptr(&self) -> *mut ibv::ibv_ah {
        self.raw.as_ptr()
    }
}

impl Drop for AddressHandle {
    fn drop(&mut self) {
        // SAFETY: it exists, and what was posted with it has been copied by the provider.
        unsafe { ibv::ibv_destroy_ah(self.as_ptr()) };
    }
}

/// Of x86-64 and of most others; where pages are larger, these still lie in mapped ones.
const PAGE_BYTES: usize = 4096;
const READ_ONLY: libc::c_int = 0;
const WRITABLE: libc::c_int = ibv::ibv_access_flags::IBV_ACCESS_LOCAL_WRITE.0 as libc::c_int;
/// More than any data centre has.
const HOP_LIMIT: u8 = 64;
