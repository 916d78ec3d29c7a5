//! The program's allocator. glibc's would keep what was freed for as long as anything above it is in use.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Has freed memory given back to the system from now on even if nothing more is allocated, by a thread. To be called
/// within the sandbox, which the thread is then in.
pub(crate) fn give_back() {
    if let Err(error) = tikv_jemalloc_ctl::background_thread::write(true) {
        // It is given back all the same, by those who allocate.
        tracing::debug!(%error, "no thread gives memory back");
    }
}
