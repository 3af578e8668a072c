//! The lines of the cache that values lie in.

/// Names the lines that a value lies in, by an address in each; of one that crosses into a line with only
/// its end, not that.
#[inline]
pub(crate) fn lines_of<T>(value: &T, ask: &mut impl FnMut(*const u8)) {
    let start = core::ptr::from_ref(value).cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(LINE_BYTES) {
        ask(start.wrapping_add(line * LINE_BYTES));
    }
}

/// On every processor that this is likely to run on.
const LINE_BYTES: usize = 64;
