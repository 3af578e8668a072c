//! Opened devices, their ports, and what they report out of band.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;

use rdma_mummy_sys as ibv;

use super::{check, failed};
use crate::DeviceError;
use crate::verbs::gid::{Gid, GidEntry, GidKind};

/// A device that is open.
#[derive(Debug)]
pub(in crate::verbs) struct Context {
    raw: NonNull<ibv::ibv_context>,
    name: String,
}

/// A port, as it is now.
#[derive(Clone, Copy, Debug)]
pub(in crate::verbs) struct Port {
    pub(in crate::verbs) number: u8,
    pub(in crate::verbs) active: bool,
    pub(in crate::verbs) ethernet: bool,
    pub(in crate::verbs) lid: u16,
    /// The most that one UD datagram carries.
    pub(in crate::verbs) mtu_bytes: usize,
    pub(in crate::verbs) link_bps: u64,
    gids: usize,
}

/// What a device reports outside of its completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verbs) enum AsyncEvent {
    /// The queue pair with this number has failed.
    QueuePair(u32),
    /// The device, or a queue that all queue pairs use, has failed for good.
    Fatal(&'static str),
    /// A port is up, or down.
    Port { number: u8, active: bool },
    /// Nothing that matters here.
    Other(u32),
}

// SAFETY: the verbs library locks what several threads may share, and a context is only read here.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// The devices there are.
pub(in crate::verbs) fn device_names() -> Result<Vec<String>, DeviceError> {
    with_devices(|devices| devices.iter().map(|&device| name_of(device)).collect())
}

/// Lends the list of devices to `use_list`.
fn with_devices<T>(use_list: impl FnOnce(&[*mut ibv::ibv_device]) -> T) -> Result<T, DeviceError> {
    let mut count = 0;
    // SAFETY: the count is a place for one.
    let list = unsafe { ibv::ibv_get_device_list(&mut count) };
    if list.is_null() {
        return Err(DeviceError::Unsupported {
            feature: "RDMA",
            advice: "install libibverbs (Debian: rdma-core and ibverbs-providers) and load the \
                     kernel module ib_uverbs",
            source: io::Error::last_os_error(),
        });
    }
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the list has `count` entries until it is freed below.
    let result = use_list(unsafe { std::slice::from_raw_parts(list, count) });
    // SAFETY: it is freed once, and what is open stays open.
    unsafe { ibv::ibv_free_device_list(list) };
    Ok(result)
}

fn name_of(device: *mut ibv::ibv_device) -> String {
    // SAFETY: the device is of the list, and its name ends with a zero.
    unsafe { CStr::from_ptr(ibv::ibv_get_device_name(device)) }.to_string_lossy().into_owned()
}

impl Context {
    /// Opens the device of that name.
    pub(in crate::verbs) fn open(name: &str) -> Result<Self, DeviceError> {
        let opened = with_devices(|devices| {
            let found = devices.iter().find(|&&device| name_of(device) == name);
            let known: Vec<_> = devices.iter().map(|&device| name_of(device)).collect();
            // SAFETY: the device is of the list.
            found.map(|&device| unsafe { ibv::ibv_open_device(device) }).ok_or(known)
        })?;
        let raw = opened.map_err(|known| DeviceError::BadSetting {
            setting: "device",
            problem: match known.as_slice() {
                [] => format!("there is no RDMA device `{name}`, nor any other here"),
                _ => format!("there is no RDMA device `{name}`; there is {}", known.join(", ")),
            },
        })?;
        let raw = NonNull::new(raw).ok_or_else(|| DeviceError::Unsupported {
            feature: "opening the RDMA device",
            advice: "may this user open /dev/infiniband/uverbs*, and is the device's provider \
                     library installed (Debian: ibverbs-providers)?",
            source: io::Error::last_os_error(),
        })?;
        let context = Self { raw, name: name.to_owned() };
        context.stop_blocking()?;
        Ok(context)
    }

    pub(in crate::verbs) fn name(&self) -> &str {
        &self.name
    }

    /// Whether software plays the NIC: then the device belongs to no bus.
    pub(in crate::verbs) fn is_software(&self) -> bool {
        !std::path::Path::new("/sys/class/infiniband").join(&self.name).join("device").exists()
    }

    pub(super) const fn as_ptr(&self) -> *mut ibv::ibv_context {
        self.raw.as_ptr()
    }

    /// Whether queue pairs can share a receive queue.
    pub(in crate::verbs) fn has_shared_receive_queues(&self) -> Result<bool, DeviceError> {
        let mut raw = MaybeUninit::<ibv::ibv_device_attr>::zeroed();
        // SAFETY: the context is open, and the structure is one in which zero is a value of every field.
        let code = unsafe { ibv::ibv_query_device(self.as_ptr(), raw.as_mut_ptr()) };
        check("asking what the device can do", code)?;
        // SAFETY: zeroed, and then filled in.
        Ok(unsafe { raw.assume_init() }.max_srq > 0)
    }

    /// A port; the first one is 1.
    pub(in crate::verbs) fn port(&self, number: u8) -> Result<Port, DeviceError> {
        let mut raw = MaybeUninit::<ibv::ibv_port_attr>::zeroed();
        // SAFETY: the context is open, and the structure is one in which zero is a value of
        // every field.
        let code = unsafe { ibv::ibv_query_port(self.as_ptr(), number, raw.as_mut_ptr()) };
        check("asking for the port's state", code).map_err(|_| DeviceError::BadSetting {
            setting: "port",
            problem: format!("{} has no port {number}; the first is 1", self.name),
        })?;
        // SAFETY: zeroed, and then filled in.
        let raw = unsafe { raw.assume_init() };
        Ok(Port {
            number,
            active: raw.state == ibv::ibv_port_state::IBV_PORT_ACTIVE,
            ethernet: raw.link_layer == ibv::IBV_LINK_LAYER_ETHERNET,
            lid: raw.lid,
            mtu_bytes: mtu_bytes(raw.active_mtu),
            link_bps: link_bps(raw.active_width, raw.active_speed),
            gids: usize::try_from(raw.gid_tbl_len).unwrap_or(0),
        })
    }

    /// The GIDs of a port that are in use.
    pub(in crate::verbs) fn gids(&self, port: &Port) -> Vec<GidEntry> {
        (0..port.gids as u32).filter_map(|index| self.gid(port.number, index)).collect()
    }

    fn gid(&self, port: u8, index: u32) -> Option<GidEntry> {
        let mut raw = MaybeUninit::<ibv::ibv_gid_entry>::zeroed();
        let entry = raw.as_mut_ptr();
        // SAFETY: the context is open, and the entry is a place for one.
        let code = unsafe { ibv::ibv_query_gid_ex(self.as_ptr(), port.into(), index, entry, 0) };
        if code != 0 {
            return None;
        }
        // SAFETY: zeroed, and then filled in; a GID is 16 bytes whichever way one looks at it.
        let (bytes, kind) =
            unsafe { (raw.assume_init_ref().gid.raw, raw.assume_init_ref().gid_type) };
        let kind = match kind {
            GID_TYPE_IB => GidKind::InfiniBand,
            GID_TYPE_ROCE_V1 => GidKind::RoceV1,
            _ => GidKind::RoceV2,
        };
        Some(GidEntry { index: u8::try_from(index).ok()?, gid: Gid(bytes), kind })
    }

    fn stop_blocking(&self) -> Result<(), DeviceError> {
        // SAFETY: the context is open, so its descriptor is.
        let code = unsafe { set_nonblocking((*self.as_ptr()).async_fd) };
        code.map_err(|source| failed("preparing the device's event descriptor", source))
    }

    /// The next of the device's reports, if there is one.
    pub(in crate::verbs) fn next_event(&self) -> Option<AsyncEvent> {
        let mut raw = MaybeUninit::<ibv::ibv_async_event>::zeroed();
        // SAFETY: the context is open, and the event is a place for one.
        if unsafe { ibv::ibv_get_async_event(self.as_ptr(), raw.as_mut_ptr()) } != 0 {
            // A device that is gone has no events, and says so.
            let gone = io::Error::last_os_error().raw_os_error() == Some(libc::EIO);
            return gone.then_some(AsyncEvent::Fatal("the device was removed"));
        }
        let event = raw.as_mut_ptr();
        // SAFETY: the kind is read as the number that it is in C, since later kernels know more
        // kinds than the enumeration has. Events of queue pairs carry one, and it exists: destroying
        // one waits until its events are acknowledged, which is done here.
        unsafe {
            let kind = (&raw const (*event).event_type).cast::<u32>().read();
            let result = match kind {
                QP_FATAL | QP_REQ_ERR | QP_ACCESS_ERR => {
                    AsyncEvent::QueuePair((*(*event).element.qp).qp_num)
                }
                CQ_ERR => AsyncEvent::Fatal("a completion queue has failed"),
                SRQ_ERR => AsyncEvent::Fatal("the shared receive queue has failed"),
                DEVICE_FATAL => AsyncEvent::Fatal("the device has failed, or was removed"),
                PORT_ACTIVE | PORT_ERR => AsyncEvent::Port {
                    number: u8::try_from((*event).element.port_num).unwrap_or(0),
                    active: kind == PORT_ACTIVE,
                },
                _ => AsyncEvent::Other(kind),
            };
            ibv::ibv_ack_async_event(event);
            Some(result)
        }
    }
}

impl AsFd for Context {
    /// Readable once the device has something to report.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the context.
        unsafe { BorrowedFd::borrow_raw((*self.as_ptr()).async_fd) }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it is open, and everything that was made from it holds a reference to it.
        unsafe { ibv::ibv_close_device(self.as_ptr()) };
    }
}

/// # Safety
/// The descriptor is open.
pub(super) unsafe fn set_nonblocking(descriptor: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, and no memory is handed over.
    let code = unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFL);
        libc::fcntl(descriptor, libc::F_SETFL, flags | libc::O_NONBLOCK)
    };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The codes of the enumeration `ibv_mtu`: 1 is 256 bytes, and each further one twice as much.
const fn mtu_bytes(code: u32) -> usize {
    128 << if code > 5 { 5 } else { code }
}

/// Lanes times the speed of a lane, both as the InfiniBand specification encodes them.
const fn link_bps(width: u8, speed: u8) -> u64 {
    let lanes = match width {
        2 => 4,
        4 => 8,
        8 => 12,
        16 => 2,
        _ => 1,
    };
    let lane_mbps = match speed {
        1 => 2_000,
        2 => 4_000,
        4 | 8 => 10_000,
        16 => 14_000,
        32 => 25_000,
        64 => 50_000,
        128 => 100_000,
        _ => 10_000,
    };
    lanes * lane_mbps * 1_000_000
}

const GID_TYPE_IB: u32 = 0;
const GID_TYPE_ROCE_V1: u32 = 1;

// `enum ibv_event_type`.
const CQ_ERR: u32 = 0;
const QP_FATAL: u32 = 1;
const QP_REQ_ERR: u32 = 2;
const QP_ACCESS_ERR: u32 = 3;
const DEVICE_FATAL: u32 = 8;
const PORT_ACTIVE: u32 = 9;
const PORT_ERR: u32 = 10;
const SRQ_ERR: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_specification() {
        assert_eq!([1, 3, 5, 9].map(mtu_bytes), [256, 1024, 4096, 4096]);
        assert_eq!(link_bps(2, 32), 100_000_000_000);
        assert_eq!(link_bps(2, 128), 400_000_000_000);
    }
}
