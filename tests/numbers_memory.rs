//! Numbers from abroad cost a call nothing: what is told of them stands in tables, and no metadata is loaded.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use strowger::number::{Class, Kind, Number, NumberPlan, describe, is_possible};

/// The system's allocator, which counts what this thread asks of it.
struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed on as it is to the system's allocator, and counting allocates nothing: the counter is a
// `Cell` that is initialised by a constant and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.set(BYTES.get() + layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: it was allocated by the system's allocator with that layout
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.set(BYTES.get() + size);
        // SAFETY: it was allocated by the system's allocator with that layout
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn bytes_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = BYTES.get();
    let done = work();
    (done, BYTES.get() - before)
}

/// One test, because what is loaded stays loaded for the whole process.
#[test]
fn what_a_caller_from_abroad_sends_loads_no_metadata() {
    let plan = NumberPlan::new(Some("DE".parse().unwrap()));
    plan.warm_up();
    let fixture = include_str!("support/numbers/examples.txt").lines().filter(|line| !line.starts_with('#'));
    let digits: Vec<&str> = fixture.filter_map(|line| line.split('|').nth(1)).filter(|digits| !digits.starts_with("49")).collect();
    assert!(digits.len() > 1_000);
    for digits in &digits {
        let number = Number::from_key(Kind::E164, digits).unwrap();
        let (said, bytes) = bytes_of(|| (plan.class_of(&number), number.region(), is_possible(&number), plan.is_valid(&number)));
        assert_eq!(bytes, 0, "+{digits} is {said:?}");
        assert!(matches!(said.0, Class::International | Class::Premium | Class::Satellite), "+{digits}");
        assert_eq!(bytes_of(|| plan.national(&number)), (None, 0), "+{digits}");
        // these give a text, and cost that text
        let (dialled, bytes) = bytes_of(|| plan.international(&number));
        assert_eq!(dialled, format!("00{digits}"));
        assert!(bytes <= 100, "{bytes} bytes for 00{digits}");
        for spelling in [format!("+{digits}"), dialled] {
            let (read, bytes) = bytes_of(|| plan.parse(&spelling));
            assert_eq!(read.unwrap(), number);
            assert!(bytes <= 300, "{bytes} bytes for {spelling}");
        }
    }
    // and this is what loading one more region looks like, so that the test would see it
    let foreign = Number::from_key(Kind::E164, "442079460000").unwrap();
    let (said, bytes) = bytes_of(|| describe(&foreign));
    assert_eq!(said.region.as_deref(), Some("GB"));
    assert!(bytes > 100_000, "{bytes} bytes are no metadata");
}
