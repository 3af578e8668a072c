//! Memory that few peers need: a pointer until it is used.

use alloc::boxed::Box;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Lazy<T>(Option<Box<T>>);

impl<T> Default for Lazy<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Default> Lazy<T> {
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// The value, made now if it was not there.
    #[inline]
    pub(crate) fn or_default(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
