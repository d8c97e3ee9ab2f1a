//! How much memory an input takes: the system's allocator, counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, which counts what is taken. The targets have one thread each.
pub struct Counted {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    /// Nothing taken yet.
    pub const fn new() -> Counted {
        Counted { now: AtomicUsize::new(0), most: AtomicUsize::new(0) }
    }

    /// The most bytes that were taken at once while this ran, beyond what was taken before.
    pub fn most_during(&self, run: impl FnOnce()) -> usize {
        let before = self.now.load(Relaxed);
        self.most.store(before, Relaxed);
        run();
        self.most.load(Relaxed).saturating_sub(before)
    }

    fn took(&self, bytes: usize) {
        self.most.fetch_max(self.now.fetch_add(bytes, Relaxed) + bytes, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator as it came, and nothing but numbers is kept of it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.took(layout.size());
        // SAFETY: the caller's promise, passed on
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.now.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise, passed on
        unsafe { System.dealloc(at, layout) }
    }

    // the default one would touch memory that nobody writes to
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.took(layout.size());
        // SAFETY: the caller's promise, passed on
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        self.took(bytes);
        self.now.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise, passed on
        unsafe { System.realloc(at, layout, bytes) }
    }
}
