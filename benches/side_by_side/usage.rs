//! What a process and all its descendants have used, read from /proc: CPU time (user and system) and memory (Pss).
//! Knows nothing of what the processes are.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// `USER_HZ`: 100 on every architecture that this bench meets.
const TICK: Duration = Duration::from_millis(10);

/// CPU time used so far by a tree of processes, in two readings of different virtues.
pub(crate) struct Cpu {
    /// Nanoseconds of each living thread, from /proc/PID/task/TID/schedstat. Exact, but forgets threads that end.
    threads: HashMap<u32, u64>,
    /// utime + stime + cutime + cstime of each process, from /proc/PID/stat. Coarse, but forgets nothing.
    ticks: u32,
}

impl Cpu {
    /// Reads both for `root` and its descendants.
    pub(crate) fn read(root: u32) -> Result<Self> {
        let mut cpu = Self { threads: HashMap::new(), ticks: 0 };
        for process in tree(root)? {
            let stat = Stat::read(process).with_context(|| format!("process {process} is gone"))?;
            cpu.ticks += stat.ticks;
            for thread in threads(process)? {
                // Absent where the kernel lacks CONFIG_SCHED_INFO: then the ticks count.
                let path = format!("/proc/{process}/task/{thread}/schedstat");
                let text = fs::read_to_string(path).unwrap_or_default();
                if let Some(Ok(nanoseconds)) = text.split(' ').next().map(str::parse) {
                    cpu.threads.insert(thread, nanoseconds);
                }
            }
        }
        Ok(cpu)
    }

    /// What was used since `earlier`: the exact reading, unless the coarse one knows of clearly more (threads that have
    /// ended in between).
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let exact = self.threads.iter().map(|(thread, now)| {
            now.saturating_sub(earlier.threads.get(thread).copied().unwrap_or(0))
        });
        let exact = Duration::from_nanos(exact.sum());
        let coarse = TICK * self.ticks.saturating_sub(earlier.ticks);
        let rounding = TICK * 5;
        if coarse > exact + rounding { coarse } else { exact }
    }
}

/// Bytes of memory of `root` and its descendants: the proportional set size, which counts a page shared by n processes
/// as one n-th for each of them. What the kernel keeps for the sockets is not in it.
pub(crate) fn memory_bytes(root: u32) -> Result<u64> {
    let mut kilobytes = 0;
    for process in tree(root)? {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
        kilobytes += line.trim().trim_end_matches(" kB").parse::<u64>()?;
    }
    Ok(kilobytes * 1024)
}

/// Its threads.
pub(crate) fn threads(process: u32) -> Result<Vec<u32>> {
    fs::read_dir(format!("/proc/{process}/task"))?
        .map(|thread| Ok(thread?.file_name().to_string_lossy().parse()?))
        .collect()
}

/// `root` and its descendants.
pub(crate) fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(process) = entry?.file_name().to_string_lossy().parse() else { continue };
        // A process may end while the list is being read.
        if let Ok(stat) = Stat::read(process) {
            parents.push((process, stat.parent));
        }
    }
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
        next += 1;
    }
    Ok(tree)
}

struct Stat {
    parent: u32,
    ticks: u32,
}

impl Stat {
    fn read(process: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The second field is the program's name in brackets, which may hold anything.
        let (_, fields) = text.rsplit_once(") ").context("no name in stat")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number =
            |index: usize| -> Result<u32> { Ok(fields.get(index).context("short stat")?.parse()?) };
        // proc(5) counts from 1 and from before the name: ppid is its field 4, utime to cstime are 14 to 17.
        Ok(Self {
            parent: number(1)?,
            ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        })
    }
}
