//! Which cores processes run on.

use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::usage;

/// A program and this process, each confined to a core of its own until this is dropped.
pub(crate) struct Apart {
    /// Those of this process before.
    all: CpuSet,
}

impl Apart {
    /// Confines them: the program with all its descendants to one core, this process to another.
    pub(crate) fn new(program: u32) -> Result<Self> {
        let all = sched_getaffinity(None).context("ask for the cores")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let (own, other) = cores.next().zip(cores.next()).context("needs two cores")?;
        confine(std::process::id(), &only(own))?;
        let apart = Self { all };
        for process in usage::tree(program)? {
            confine(process, &only(other))?;
        }
        Ok(apart)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        confine(std::process::id(), &self.all).ok();
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn confine(process: u32, cores: &CpuSet) -> Result<()> {
    for thread in usage::threads(process)? {
        let thread = Pid::from_raw(thread.cast_signed());
        sched_setaffinity(thread, cores).context("confine a thread to a core")?;
    }
    Ok(())
}
