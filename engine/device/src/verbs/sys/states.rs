//! What state a queue pair is in, from its making on.
//!
//! ```text
//!   created --> reset --> initialised --> receives --> sends and receives
//!                 ^                                         | stopped, or failed
//!                 +------------------- error <--------------+
//! ```

use std::ptr::NonNull;

use rdma_mummy_sys as ibv;

use super::send::QueuePair;
use super::{Domain, check, check_pointer};
use crate::DeviceError;

impl QueuePair {
    /// Lets the NIC give back what it has begun with, and begin with nothing more.
    pub(in crate::verbs) fn stop(&mut self) -> Result<(), DeviceError> {
        self.modify(ibv::ibv_qp_state::IBV_QPS_ERR)
    }

    /// Takes everything from the NIC, the number stays: what was under way is lost.
    pub(in crate::verbs) fn reset(&mut self) -> Result<(), DeviceError> {
        self.modify(ibv::ibv_qp_state::IBV_QPS_RESET)?;
        self.forget_all();
        Ok(())
    }

    /// From then on it sends and receives.
    pub(in crate::verbs) fn make_ready(&mut self) -> Result<(), DeviceError> {
        use ibv::ibv_qp_state::{IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS};
        [IBV_QPS_INIT, IBV_QPS_RTR, IBV_QPS_RTS]
            .into_iter()
            .try_for_each(|state| self.modify(state))
    }

    fn modify(&mut self, state: ibv::ibv_qp_state::Type) -> Result<(), DeviceError> {
        use ibv::ibv_qp_attr_mask as mask;
        // SAFETY: zero is a value of every field.
        let mut attributes: ibv::ibv_qp_attr = unsafe { std::mem::zeroed() };
        attributes.qp_state = state;
        attributes.port_num = self.setup().port;
        attributes.qkey = self.setup().qkey;
        let fields = match state {
            ibv::ibv_qp_state::IBV_QPS_INIT => {
                mask::IBV_QP_STATE | mask::IBV_QP_PKEY_INDEX | mask::IBV_QP_PORT | mask::IBV_QP_QKEY
            }
            ibv::ibv_qp_state::IBV_QPS_RTS => mask::IBV_QP_STATE | mask::IBV_QP_SQ_PSN,
            _ => mask::IBV_QP_STATE,
        };
        // SAFETY: the queue pair exists, and the attributes outlive the call.
        let code = unsafe { ibv::ibv_modify_qp(self.as_ptr(), &mut attributes, fields.0 as i32) };
        check("changing the state of a queue pair", code)
    }
}

/// A queue pair with as much inline room as the device has, up to what is asked for.
pub(super) fn create(
    domain: &Domain,
    attributes: &mut ibv::ibv_qp_init_attr,
) -> Result<NonNull<ibv::ibv_qp>, DeviceError> {
    loop {
        // SAFETY: the domain and the queues exist, and the attributes outlive the call.
        let raw = unsafe { ibv::ibv_create_qp(domain.as_ptr(), attributes) };
        let result = check_pointer("creating a queue pair", raw);
        // What a device has of it cannot be asked.
        match attributes.cap.max_inline_data {
            0 => return result,
            _ if result.is_ok() => return result,
            bytes => attributes.cap.max_inline_data = bytes / 2,
        }
    }
}
