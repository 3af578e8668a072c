//! The memory that hosts let others operate on: where each operation works, what it is called, and
//! what lies there.
//!
//! ```text
//!  names     whose bytes a buffer holds, by its number
//!  scatter   how the blocks of one operation lie on either side
//!  areas     where in its destination's region each operation works
//!  exposed   the regions that there are, and their contents
//! ```
//! Every host has one region for all operations on it. Its address reaches the others at once and out of
//! band, as a program would send it.

mod areas;
mod exposed;
mod names;
mod scatter;

pub use self::areas::{Areas, Spot};
pub(crate) use self::areas::{message_of_operand, operand_of};
pub use self::exposed::Exposed;
pub(crate) use self::exposed::write;
pub(crate) use self::names::{
    Name, immediate_of, list_buffer, message_buffer, message_of_immediate, note_buffer,
    region_buffer,
};
pub use self::scatter::Scatter;
